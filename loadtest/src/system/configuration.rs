//! The one configuration of all scenarios, and what a scenario adds to it.

use std::fmt;

use serde_json::{Value, json};
use tessera::dev::apps::ORDERS;
use tessera::dev::people::{GOLD_CUSTOMERS, HOME_TENANT};

/// What a resource takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Jwt,
    Opaque,
}

/// A configuration, as JSON, which is YAML.
#[derive(Clone, Debug)]
pub(crate) struct Configuration(Value);

impl Configuration {
    /// Takes tokens for orders from the look-alike at `authority`, on any free ports, and grants gold
    /// customers something. The one client is `tyk`. Everything else is at its default.
    pub(crate) fn new(authority: &str) -> Self {
        let bare = json!({
            "issuer": "https://sts.example.com",
            "listen": { "public": "127.0.0.1:0", "admin": "127.0.0.1:0" },
            "clients": {
                "tyk": {
                    "secret": "${env:TYK_SECRET}",
                    "introspect": { "audiences": [ORDERS.client_id] },
                },
            },
        });
        Self(bare).audiences(authority, &[ORDERS.client_id]).rules([gold()])
    }

    /// With this section in the place of its own.
    pub(crate) fn with(mut self, section: &str, value: Value) -> Self {
        self.0[section] = value;
        self
    }

    /// Takes tokens for these `audiences` from the look-alike at `authority`.
    pub(crate) fn audiences(self, authority: &str, audiences: &[&str]) -> Self {
        let tenant =
            json!({ "tenant": HOME_TENANT, "authority": authority, "audiences": audiences });
        self.with("entra", json!([tenant]))
    }

    /// With these mapping rules alone, each made by [`rule`].
    pub(crate) fn rules(self, rules: impl IntoIterator<Item = Value>) -> Self {
        self.with("mapping", rules.into_iter().collect())
    }

    /// `tyk` may exchange tokens for this resource, and ask about those that it gets.
    pub(crate) fn resource(mut self, name: &str, form: Form) -> Self {
        let mut resource =
            json!({ "scopes": { "orders.read": ["orders.read"] }, "callers": ["tyk"] });
        if let Form::Opaque = form {
            resource["token"] = json!("opaque");
        }
        self.0["resources"][name] = resource;
        let exchange = json!({ "resource": name, "scopes": ["orders.read"], "subjects": ["user"] });
        let tyk = &mut self.0["clients"]["tyk"];
        push(&mut tyk["exchange"], exchange);
        push(&mut tyk["introspect"]["audiences"], name.into());
        self
    }

    /// A further client, with a reference to its secret.
    pub(crate) fn client(mut self, name: &str, secret: &str, audiences: &[&str]) -> Self {
        self.0["clients"][name] = client(secret, audiences);
        self
    }

    /// Shares what is at `redis`: settings of the section of that name.
    pub(crate) fn redis(self, redis: Value) -> Self {
        self.with("store", json!({ "sealing_key": "${env:SEAL}", "redis": redis }))
    }

    /// These clients alone, each with a reference to its secret, and audiences that it may ask about.
    pub(crate) fn clients<'a>(
        self,
        clients: impl IntoIterator<Item = (String, String, &'a [&'a str])>,
    ) -> Self {
        let section =
            |(name, secret, audiences): (_, String, _)| (name, client(&secret, audiences));
        self.with(
            "clients",
            clients.into_iter().map(section).collect::<serde_json::Map<_, _>>().into(),
        )
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A client that may ask about tokens for these audiences.
fn client(secret: &str, audiences: &[&str]) -> Value {
    json!({ "secret": secret, "introspect": { "audiences": audiences } })
}

/// A mapping rule: who is in `group` has the policy `name`. Short, for there may be 10,000 of them.
pub(crate) fn rule(name: &str, group: &str) -> Value {
    json!({ "name": name, "when": { "groups": [group] }, "grant": { "policies": [name] } })
}

/// The rule of the sample: gold customers have one scope more, too.
pub(crate) fn gold() -> Value {
    let mut gold = rule("gold", GOLD_CUSTOMERS);
    gold["grant"]["scopes"] = json!(["orders.export"]);
    gold
}

/// At the end of `list`, which may not be there yet.
fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(list) => list.push(item),
        nothing => *nothing = json!([item]),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tessera::config::{Environment, PlainSecrets, load};

    use super::*;
    use crate::system::mint::SEAL;

    /// Where every secret is one that seals, and no two are the same.
    struct Sealed;

    impl Environment for Sealed {
        fn variable(&self, name: &str) -> Result<String, String> {
            Ok(match name {
                "SEAL" => SEAL.to_owned(),
                _ => format!("{name}-{SEAL}"),
            })
        }

        fn file(&self, path: &Path) -> Result<String, String> {
            Err(path.display().to_string())
        }
    }

    fn loads(configuration: &Configuration) {
        let text = configuration.to_string();
        let loaded = load(&text, "loadtest", &Sealed, PlainSecrets::Refused);
        assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
    }

    #[test]
    fn tessera_takes_what_scenarios_start_it_with() {
        let new = || Configuration::new("http://127.0.0.1:1");
        loads(&new());
        loads(&new().resource("https://jwt.internal", Form::Jwt));
        let both = new().resource("https://jwt.internal", Form::Jwt);
        let both = both.resource("https://opaque.internal", Form::Opaque);
        loads(&both.clone().redis(json!({ "url": "redis://127.0.0.1:1", "prefix": "loadtest" })));
        let other = |number| rule(&format!("{number:x}"), GOLD_CUSTOMERS);
        let many = both.rules((1..10_000).map(other).chain([gold()]));
        assert!(many.to_string().len() < 1024 * 1024, "a file is not longer");
        loads(&many);
        let client = |name: &str| -> (String, String, &[&str]) {
            (name.to_owned(), format!("${{env:{name}}}"), &[ORDERS.client_id])
        };
        loads(&new().clients(["one", "two"].map(client)));
    }
}
