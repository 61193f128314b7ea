//! What `docs/rotation.md` says can be done while requests go on, where no other test shows it.

use crate::cli::Folder;
use crate::exchange::{fields, token};
use crate::plugin::{Tyk, asking, assert_passed, assert_refused, object};
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
