//! The parts of tyk.conf.

use serde_json::{Map, Value, json};

use super::site::{self, MAX_MESSAGE_BYTES};
use crate::config::{Config, Endpoint};
use crate::domain::api::Road;

pub(super) fn parts(config: &Config) -> Result<Value, String> {
    let mut parts = Map::new();
    parts.insert("app_path".to_owned(), json!("./apps"));
    let policies = json!({
        "policy_source": "file",
        "policy_record_name": "./policies.json",
        "allow_explicit_policy_id": true,
    });
    parts.insert("policies".to_owned(), policies);
    let road = |api: &crate::domain::api::Api| api.tyk.as_ref().map(|route| route.road);
    if config.apis.iter().any(|api| road(api) == Some(Road::Plugin)) {
        if let Some(Endpoint::Tcp(address)) = &config.listen.tyk
            && address.port() == 0
        {
            return Err("listen.tyk: with port 0 Tyk cannot know where it is".to_owned());
        }
        let coprocess = json!({
            "enable_coprocess": true,
            "coprocess_grpc_server": site::plugin(config),
            "grpc_recv_max_size": MAX_MESSAGE_BYTES,
            "grpc_send_max_size": MAX_MESSAGE_BYTES,
        });
        parts.insert("coprocess_options".to_owned(), coprocess);
    }
    Ok(Value::Object(parts))
}
