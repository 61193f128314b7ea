//! A configuration for the tests of single files.

use crate::config::{
    Login, Node, Redis, SealingKey, SealingKeys, SharedResults, Topology, WhenUnreachable,
};

/// One server, or none.
pub(super) fn at(node: Option<Node>) -> Redis {
    Redis {
        topology: Topology::Standalone,
        nodes: node.into_iter().collect(),
        tls: None,
        login: Login::default(),
        database: 0,
        prefix: "tessera".to_owned(),
        when_unreachable: WhenUnreachable::Degrade,
        results: SharedResults::Costly,
        sealing: SealingKeys { current: SealingKey::from_bytes([7; 32]), previous: None },
    }
}
