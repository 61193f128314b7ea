//! A Redis Cluster of three masters.

use std::process::Command;

use super::resp::Reply;
use super::server::RedisServer;
use super::{run, wait_until};

const MASTERS: usize = 3;

/// Every slot has a master; a killed node stays in the list.
pub(crate) struct Cluster(Vec<RedisServer>);

impl Cluster {
    /// Masters only.
    pub(crate) fn start() -> Self {
        Self::made_of(MASTERS, "0")
    }

    /// Each master with a replica, which soon takes its place.
    pub(crate) fn start_with_replicas() -> Self {
        let cluster = Self::made_of(2 * MASTERS, "1");
        for node in cluster.nodes() {
            // Not before: nodes that take longer than this to meet do not become a cluster.
            let hasty = ["CONFIG", "SET", "cluster-node-timeout", "1000"];
            assert_eq!(node.command(&hasty).text(), "OK");
        }
        cluster
    }

    fn made_of(nodes: usize, replicas: &str) -> Self {
        let node = || RedisServer::start_with(&["--cluster-enabled", "yes"]);
        let cluster = Self((0..nodes).map(|_| node()).collect());
        let mut create = Command::new("redis-cli");
        create.args(["--cluster", "create"]);
        create.args(cluster.nodes().iter().map(|node| node.address().to_string()));
        run(create.args(["--cluster-replicas", replicas, "--cluster-yes"]));
        wait_until("a whole cluster", || cluster.nodes().iter().all(|node| cluster.is_whole(node)));
        cluster
    }

    /// Whether `node` knows of everything, and has its copy if it is a replica.
    fn is_whole(&self, node: &RedisServer) -> bool {
        let (state, nodes) =
            (node.command(&["CLUSTER", "INFO"]), node.command(&["CLUSTER", "NODES"]));
        let replicas = nodes.text().lines().filter(|line| line.contains("slave")).count();
        state.text().contains("cluster_state:ok")
            && replicas == self.0.len() - MASTERS
            && node.info("master_link_status").is_none_or(|link| link == "up")
    }

    pub(crate) fn nodes(&self) -> &[RedisServer] {
        &self.0
    }

    /// Which node is the master for `key`, says the first one that is not down.
    #[track_caller]
    pub(crate) fn master_of_slot(&self, key: &str) -> usize {
        let slot = self.ask(&["CLUSTER", "KEYSLOT", key]).int();
        let ranges = self.ask(&["CLUSTER", "SLOTS"]);
        let mut ranges = ranges.array().iter().map(Reply::array);
        let range = ranges.find(|range| (range[0].int()..=range[1].int()).contains(&slot)).unwrap();
        let port = range[2].array()[1].int();
        self.0.iter().position(|node| i64::from(node.port()) == port).expect("a node of ours")
    }

    pub(crate) fn kill(&mut self, index: usize) {
        self.0[index].kill();
    }

    #[track_caller]
    fn ask(&self, words: &[&str]) -> Reply {
        self.0.iter().find_map(|node| node.try_command(words).ok()).expect("a node that answers")
    }
}
