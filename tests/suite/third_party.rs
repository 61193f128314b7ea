//! Strict OAuth libraries of others (`tests/clients`) find everything as the RFCs say.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tessera::ports::Clock as _;

use crate::cli::text;
use crate::support::{ISSUER, ORDERS_API, TASKS_API, TYK, World};

/// The client, with what `make test` installs for it.
fn client(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    assert!(
        folder.join("node_modules/oauth4webapi").exists(),
        "the libraries are missing; run: npm ci --prefix tests/clients   (make test does)"
    );
    let mut command = Command::new("node");
    command.current_dir(folder).arg("exchange.mjs").args(arguments);
    command.envs(environment.iter().copied()).output().expect("node is installed")
}

#[test]
fn a_strict_client_discovers_exchanges_introspects_verifies_and_revokes() {
    let made = client(&["keygen"], &[]);
    let keys: Value = serde_json::from_slice(&made.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&made.stderr)));
    // The client compares the issuer with where it looked, so the address must be known before.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let issuer = format!("http://127.0.0.1:{port}");
    let strict = format!(
        "clients:\n  strict:\n    jwks: {{ keys: [{}] }}\n    exchange: [{{ resource: \
         \"{ORDERS_API}\", scopes: [orders.read], subjects: [user], from: [\"{TASKS_API}\"] }}]\n",
        keys["public"]
    );
    let world = World::configured(|text| {
        text.replacen(ISSUER, &issuer, 1)
            .replacen("public: \"127.0.0.1:0\"", &format!("public: \"127.0.0.1:{port}\""), 1)
            .replacen("clients:\n", &strict, 1)
            .replacen("callers: [tyk, orders-api", "callers: [strict, tyk, orders-api", 1)
    });
    let alice = world.sign(&world.alice());
    let ended = client(
        &[],
        &[
            ("ISSUER", &issuer),
            ("NOW", &world.clock.now().seconds().to_string()),
            ("SUBJECT", &alice),
            ("RESOURCE", ORDERS_API),
            ("OPAQUE_RESOURCE", TASKS_API),
            ("SECRET", TYK.1),
            ("PRIVATE_JWK", &keys["private"].to_string()),
        ],
    );
    let (said, wrong) = (text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success() && said.contains("all good"), "{said}{wrong}");
}
