//! Tyk's gRPC plugin, spoken as Tyk speaks it, by a client library of others over a real socket.

mod bad_input;
mod floods;
mod lifecycle;
mod refusals;
mod sessions;
mod swaps;

use serde_json::{Value, json};

use crate::support::grpc::{Grpc, Status};
use crate::support::{TYK, World};

/// A world, and Tyk beside it.
pub(crate) struct Tyk {
    pub(crate) world: World,
    pub(crate) grpc: Grpc,
}

impl Tyk {
    pub(crate) fn start() -> Self {
        Self::beside(World::start())
    }

    pub(crate) fn beside(world: World) -> Self {
        let grpc = Grpc::tyk(world.tyk.as_ref());
        Self { world, grpc }
    }

    /// What the plugin returns for a request to `api` with `token`.
    pub(crate) fn dispatch(&mut self, api: &str, token: &str) -> Value {
        self.send(&object(&asking(api), &[("Authorization", &format!("Bearer {token}"))]))
    }

    /// What the plugin returns for `object`.
    #[track_caller]
    pub(crate) fn send(&mut self, object: &Value) -> Value {
        self.try_send(object).unwrap()
    }

    pub(crate) fn try_send(&mut self, object: &Value) -> Result<Value, Status> {
        self.grpc.call("Dispatch", object)
    }
}

/// `config_data` as an API's definition has it.
pub(crate) fn asking(api: &str) -> Value {
    json!({ "tessera": { "api": api, "secret": TYK.1 } })
}

/// The object that Tyk makes of a request, with everything that it fills in.
pub(crate) fn object(config_data: &Value, headers: &[(&str, &str)]) -> Value {
    let mut all = serde_json::Map::new();
    for (name, value) in
        [("Accept", "*/*"), ("Host", "api.example.com"), ("User-Agent", "curl/8.9")]
    {
        all.insert(name.to_owned(), json!(value));
    }
    for (name, value) in headers {
        all.insert((*name).to_owned(), json!(value));
    }
    json!({
        "hook_type": "CustomKeyCheck",
        "hook_name": "TesseraAuth",
        "request": {
            "headers": all,
            "url": "/orders/7?verbose=1",
            "params": { "verbose": "1" },
            "return_overrides": { "response_code": -1 },
            "method": "PUT",
            "request_uri": "/orders/7?verbose=1",
            "scheme": "http",
            "body": "{\"n\":1}",
            "raw_body": "eyJuIjoxfQ==",
        },
        "spec": {
            "OrgID": "shop",
            "APIID": "0f3a",
            "config_data": config_data.to_string(),
        },
    })
}

/// Asserts that Tyk goes on with the request: nothing to answer, and a session with a key.
#[track_caller]
pub(crate) fn assert_passed(reply: &Value) {
    assert_eq!(code(reply), -1, "{reply}");
    assert!(reply["session"]["metadata"]["token"].as_str().is_some_and(|key| !key.is_empty()));
}

/// Asserts that Tyk refuses with `status`, and whatever Tyk does with the rest, nothing passes.
#[track_caller]
pub(crate) fn assert_refused(reply: &Value, status: i64) {
    assert_eq!(code(reply), status, "{reply}");
    assert!(reply["session"].is_null(), "a refusal has no session: {reply}");
    let overrides = &reply["request"]["return_overrides"];
    assert!(overrides["response_error"].as_str().is_some_and(|why| !why.is_empty()), "{reply}");
    assert_eq!(overrides["override_error"], json!(null), "Tyk takes it for a refusal");
    // Tyk reads it before anything else, and ends if it is no address.
    assert!(reply["request"]["url"].as_str().is_some_and(|url| url.starts_with('/')), "{reply}");
}

fn code(reply: &Value) -> i64 {
    reply["request"]["return_overrides"]["response_code"].as_i64().expect("overrides")
}
