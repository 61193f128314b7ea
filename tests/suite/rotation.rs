//! What `docs/rotation.md` says can be done while requests go on, where no other test shows it.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use tessera::dev::configuration::for_orders;

use crate::cli::Folder;
use crate::exchange::{fields, token};
use crate::plugin::{Tyk, asking, assert_passed, assert_refused, object};
use crate::support::process::{Running, free_port, wait_until};
use crate::support::{ORDERS_API, Request, TYK, World};

const OLD: &str = "tyk-former-secret-1b7a6d2f8035e1a94c9e";

/// The usual configuration, while `tyk` goes over from [`OLD`] to the usual secret.
fn between(text: &str) -> String {
    let usual = format!("    secret: {}\n", TYK.1);
    assert!(text.contains(&usual), "{text}");
    text.replacen(&usual, &format!("{usual}    previous_secret: {OLD}\n"), 1)
}

#[test]
fn both_secrets_of_a_client_are_good_while_it_is_changed() {
    let world = World::configured(between);
    let token = world.sign(&world.alice());
    for secret in [TYK.1, OLD] {
        assert!(world.introspect_as((TYK.0, secret), &token).is_active());
        let basic = Request::introspect(&[("token", &token)]).basic((TYK.0, secret));
        assert!(basic.send(world.public).is_active());
    }
    for wrong in ["", "wrong", &OLD[1..]] {
        assert_eq!(world.introspect_as((TYK.0, wrong), &token).status, 401, "{wrong}");
    }
    let after = World::start();
    let token = after.sign(&after.alice());
    assert_eq!(after.introspect_as((TYK.0, OLD), &token).status, 401, "the change is done");
}

#[test]
fn a_gateway_shows_either_secret_while_it_is_changed() {
    let mut tyk = Tyk::beside(World::configured(between));
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    for secret in [TYK.1, OLD, "wrong"] {
        let mut config_data = asking("orders");
        config_data["tessera"]["secret"] = secret.into();
        let reply = tyk.send(&object(&config_data, &[("Authorization", &bearer)]));
        if secret == "wrong" { assert_refused(&reply, 403) } else { assert_passed(&reply) }
    }
}

#[test]
fn the_sealing_key_of_a_folder_is_changed_by_restarts_and_an_order() {
    let folder = Folder::new("rotation-folder");
    let (old, new) = ("01".repeat(32), "02".repeat(32));
    let with = |keys: String| {
        let path = folder.path().to_owned();
        move |text: &str| format!("{text}store: {{ {keys} }}\nsigning: {{ folder: {path} }}\n")
    };
    let world = World::configured(with(format!("sealing_key: \"{old}\"")));
    let [issued, revoked] =
        [(); 2].map(|()| token(&world, TYK, &fields(&world.sign(&world.alice()), ORDERS_API)));
    Request::form("/revocations", &[("token", &revoked)]).send(world.admin);
    drop(world);

    let both = format!("sealing_key: \"{new}\", previous_sealing_key: \"{old}\"");
    let world = World::configured(with(both));
    world.assert_active(&issued);
    for algorithm in ["ES256", "RS256"] {
        let order = Request::form("/keys/rotate", &[("algorithm", algorithm)]).send(world.admin);
        assert_eq!(order.status, 200, "{order:?}");
    }
    drop(world);

    let world = World::configured(with(format!("sealing_key: \"{new}\"")));
    world.assert_active(&issued);
    world.introspect(&revoked).assert_inactive();
}

#[test]
fn the_steps_for_a_clients_secret_lose_no_request() {
    let (folder, entra) = (Folder::new("rotation-live"), crate::cli::entra());
    let [public, admin] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let config = for_orders(entra.authority())
        .replace("public: \"127.0.0.1:0\"", &format!("public: \"{public}\""))
        .replace("admin: \"127.0.0.1:0\"", &format!("admin: \"{admin}\""));
    let at = |name: &str| format!("\"${{file:{}/{name}}}\"", folder.path());
    let only = config.replace("\"${env:TYK_SECRET}\"", &at("tyk"));
    let both = config.replace(
        "\"${env:TYK_SECRET}\"",
        &format!("{}\n    previous_secret: {}", at("tyk"), at("tyk.previous")),
    );
    assert_ne!(only, both);
    folder.file("tyk", OLD);
    let file = folder.file("tessera.yaml", &only);
    let mut serve = Command::new(env!("CARGO_BIN_EXE_tessera"));
    let _service = Running::start(serve.args(["serve", "--config", &file]), &folder);
    let up = || TcpStream::connect(admin).is_ok();
    wait_until("start", || up() && Request::get("/readyz").send(admin).status == 200);

    let token = crate::cli::token(&entra);
    let ask = |secret: &str| {
        Request::introspect(&[("token", &token)]).basic(("tyk", secret)).send(public)
    };
    let in_force = |generation: u64| {
        wait_until("the change", || {
            assert!(ask(OLD).is_active(), "the client still has the old one");
            let told = Request::get("/readyz?verbose").send(admin).json();
            told["configuration"]["generation"].as_u64().unwrap() >= generation
        });
    };
    folder.file("tyk.previous", OLD);
    folder.file("tessera.yaml", &both);
    in_force(2);
    folder.file("tyk", TYK.1);
    in_force(3);
    // Now the client may go over.
    for secret in [TYK.1, OLD] {
        assert!(ask(secret).is_active());
    }
    folder.file("tessera.yaml", &only);
    wait_until("the end of the old one", || {
        assert!(ask(TYK.1).is_active(), "the client has the new one");
        let told = Request::get("/readyz?verbose").send(admin).json();
        told["configuration"]["generation"].as_u64().unwrap() >= 4
    });
    assert_eq!(ask(OLD).status, 401);
}
