//! Caddy, by `forward_auth`.

use super::checks::{
    believes_nobody_else, forgets_at_once, lets_nobody_through_alone, lets_nobody_through_unknown,
    lets_through, refuses, shows_the_metadata,
};
use super::{Scene, Swap, adapted, credentials, program};
use crate::support::TYK;

fn scene(swap: Swap) -> Scene {
    Scene::start("caddy", swap, |places, folder| {
        let port = format!("http://:{}", places.gateway.port());
        let (tessera, backend) = (places.tessera.to_string(), places.backend.to_string());
        let changes = [
            ("http://:8000", port.as_str()),
            ("127.0.0.1:8080", &tessera),
            ("127.0.0.1:8081", &backend),
        ];
        let text = adapted("caddy/Caddyfile", &changes);
        let mut command = program("caddy");
        command.args(["run", "--adapter", "caddyfile"]);
        command.args(["--config", &folder.file("Caddyfile", &text)]);
        // Whatever it keeps belongs in its folder.
        command
            .envs(["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"].map(|name| (name, folder.path())));
        command.env("TESSERA_CREDENTIALS", credentials(TYK));
        command
    })
}

#[test]
fn it_lets_a_good_token_through_and_says_who_it_is() {
    lets_through(&scene(Swap::Yes), Swap::Yes);
    lets_through(&scene(Swap::No), Swap::No);
}

#[test]
fn it_believes_nobody_else() {
    believes_nobody_else(&scene(Swap::Yes));
}

#[test]
fn it_refuses_and_shows_the_metadata() {
    refuses(&scene(Swap::Yes));
    shows_the_metadata(&scene(Swap::Yes));
}

#[test]
fn it_forgets_at_once_and_lets_nobody_through_alone() {
    let scene = scene(Swap::Yes);
    forgets_at_once(&scene);
    assert_eq!(lets_nobody_through_unknown(&self::scene(Swap::Yes)).status, 503);
    lets_nobody_through_alone(self::scene(Swap::Yes), 502);
}
