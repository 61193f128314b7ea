//! The two listeners of HTTP: what belongs to operators cannot be reached where the public comes in.

use crate::support::{Request, TYK, World};

/// What operators have.
const ADMIN: [(&str, &str); 8] = [
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/keys"),
    ("POST", "/explain"),
    ("POST", "/keys/rotate"),
    ("POST", "/keys/retire"),
    ("POST", "/revocations"),
];
/// What everybody may ask.
const PUBLIC: [(&str, &str); 5] = [
    ("POST", "/introspect"),
    ("POST", "/token"),
    ("POST", "/revoke"),
    ("GET", "/jwks"),
    ("GET", "/.well-known/oauth-authorization-server"),
];

#[test]
fn what_belongs_to_one_listener_is_not_at_the_other() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let ask = |method: &str, path: &str| {
        let request = match method {
            "GET" => Request::get(path),
            _ => Request::form(path, &[("token", &token), ("client", TYK.0)]),
        };
        request.basic(TYK)
    };
    for (method, path) in ADMIN {
        // Whoever it says it comes from, and however it spells the path.
        for path in [path.to_owned(), format!("{path}/"), format!("//{path}"), format!("/.{path}")]
        {
            let request = ask(method, &path).header("X-Forwarded-For", "127.0.0.1");
            let request = request.header("Host", &world.admin.to_string());
            request.send(world.public).assert_error(404, "not_found");
        }
        assert_ne!(ask(method, path).send(world.admin).status, 404, "{path} is at its own");
    }
    for (method, path) in PUBLIC {
        assert_eq!(ask(method, path).send(world.admin).status, 404, "{path}");
        assert_ne!(ask(method, path).send(world.public).status, 404, "{path}");
    }
    world.assert_active(&world.sign(&world.alice().claim("uti", "after")));
}
