//! A pretend Kubernetes cluster: the tokens that its kubelets would put beside a workload.

use serde_json::json;

use super::token::TokenBuilder;
use crate::protocol::time::{Seconds, UnixTime};

/// A service account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Its `metadata.uid`.
    pub uid: &'static str,
}

/// The account that an agent runs under.
pub const ROBOT: Account =
    Account { namespace: "agents", name: "robot", uid: "6b8f0a3e-4c1d-4f2a-9d7e-2a5c8e1b7f40" };

/// A projected token of `account` for `audience`, as the cluster called `issuer` writes it: it lives
/// for an hour.
pub fn token(issuer: &str, account: &Account, audience: &str, now: UnixTime) -> TokenBuilder {
    let Account { namespace, name, uid } = account;
    TokenBuilder::of(json!({
        "iss": issuer,
        "aud": [audience],
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "iat": now, "nbf": now, "exp": now.plus(Seconds::hours(1)),
        "jti": "0b1d3f5a-7c9e-4b2d-8f60-a1c3e5d7f902",
        "kubernetes.io": {
            "namespace": namespace,
            "node": { "name": "node-1", "uid": "0d4cc5b7-2f93-4d18-8e51-7a6b3c9d0e12" },
            "pod": { "name": "robot-0", "uid": "f2a7d9c4-5b1e-4e83-9a60-3c8d7e5f1b24" },
            "serviceaccount": { "name": name, "uid": uid },
        },
    }))
    .without_header("typ")
}
