//! The sections about Kubernetes clusters and the accounts of workloads in them.

use super::Presence::{Absent, Required};
use super::{Section, key};

/// `clusters.NAME`
pub static CLUSTER: Section = Section {
    path: "clusters.NAME",
    keys: &[
        key(
            "issuer",
            "URL",
            Required,
            "The issuer (`iss`) of its service-account tokens, compared exactly: what the API server calls `--service-account-issuer`. `http` only for a loopback host.",
        ),
        key(
            "jwks_uri",
            "URL",
            Absent("by discovery"),
            "Where its keys are. Without it and `jwks`, the issuer's discovery document is asked, and only for keys on the issuer's own host.",
        ),
        key(
            "jwks",
            "JSON Web Key Set: a mapping, or text",
            Absent("they are fetched"),
            "Its keys themselves, RS256 or ES256, for a cluster that cannot be reached. Not beside `jwks_uri`.",
        ),
    ],
};

/// `clients.NAME.kubernetes`
pub static ACCOUNT: Section = Section {
    path: "clients.NAME.kubernetes",
    keys: &[
        key("cluster", "name", Required, "The cluster it runs in, one of `clusters`."),
        key("namespace", "text", Required, "Its namespace."),
        key(
            "service_account",
            "text",
            Required,
            "Its service account there. No other client may have it.",
        ),
        key(
            "uid",
            "GUID",
            Required,
            "The account's `metadata.uid`: one that is deleted and made again is another.",
        ),
    ],
};
