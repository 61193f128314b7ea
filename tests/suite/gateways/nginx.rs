//! nginx, by `auth_request`.

use super::checks::{
    believes_nobody_else, forgets_at_once, lets_nobody_through_alone, lets_nobody_through_unknown,
    lets_through, refuses, shows_the_metadata,
};
use super::{DEV_SECRET, Scene, Swap, adapted, credentials, program};
use crate::support::{Request, TYK};

fn scene(swap: Swap) -> Scene {
    Scene::start("nginx", swap, |places, folder| {
        let text = adapted(
            "nginx/nginx.conf",
            &[
                ("127.0.0.1:8000", &places.gateway.to_string()),
                ("127.0.0.1:8080", &places.tessera.to_string()),
                ("127.0.0.1:8081", &places.backend.to_string()),
                (&credentials((TYK.0, DEV_SECRET)), &credentials(TYK)),
            ],
        );
        let mut command = program("nginx");
        // One process, so that nothing is left of it when it is killed.
        command.args(["-g", "master_process off;", "-p", folder.path()]);
        command.args(["-e", "stderr", "-c", &folder.file("nginx.conf", &text)]);
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
    lets_nobody_through_alone(self::scene(Swap::Yes), 503);
}

#[test]
fn the_question_cannot_be_asked_from_outside() {
    let scene = scene(Swap::Yes);
    assert_eq!(scene.send(&Request::get("/_tessera").bearer(&scene.alice())).status, 404);
}
