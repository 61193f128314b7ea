//! One server, one behind TLS, a cluster, and whatever sentinels call the master: all serve alike.

use std::net::{SocketAddr, TcpListener};

use super::traffic::{Kind, Traffic, Watched};
use super::{PASSWORD, Replicas, SEAL, store};
use crate::cli::{run_with, text};
use crate::support::redis::{Cluster, RedisServer, Sentinels, wait_until};
use crate::support::{ORDERS_API, TASKS_API};

/// The heart of it: what one replica issues and revokes, the other knows.
#[track_caller]
fn two_are_one(replicas: &Replicas) {
    let [one, two] = &replicas.all[..] else { panic!() };
    let alice = replicas.alice();
    let (jwt, opaque) = (one.issued(&alice, ORDERS_API), one.issued(&alice, TASKS_API));
    assert_eq!(one.published(), two.published());
    for token in [&alice, &jwt, &opaque] {
        assert_eq!(two.verdict(token), "active");
    }
    assert_eq!(one.revoke(&opaque).status, 200);
    wait_until("the end of the token", || two.verdict(&opaque) == "inactive");
    assert_eq!(two.verdict(&jwt), "active");
    assert_eq!(two.order("token", &alice).status, 200);
    wait_until("the end of the tree", || one.verdict(&jwt) == "inactive");
    let environment = [("SEAL", SEAL), ("GRAPH_SECRET", "x"), ("REDIS_PASSWORD", PASSWORD)];
    let checked = run_with(&["check", "--online", "--config", &replicas.file], &environment);
    let found = "redis: reached; replicas use it with this sealing key";
    assert!(text(&checked.stdout).contains(found), "{}", text(&checked.stdout));
    let listed = run_with(&["keys", "list", "--config", &replicas.file], &environment);
    assert!(one.published().iter().all(|kid| text(&listed.stdout).contains(kid)));
}

#[test]
fn a_user_of_its_own_in_a_database_of_its_own_under_a_prefix() {
    let user = ["--user", "tessera", "on", &format!(">{PASSWORD}"), "~{orders}:*"];
    let allowed = ["-@all", "+get", "+set", "+eval", "+xrange", "+xrevrange", "+xread"];
    let scripts = [
        "+xadd", "+xtrim", "+expire", "+del", "+select", "+xinfo", "+xlen", "+ttl", "+type",
        "+client",
    ];
    let words: Vec<_> = user
        .into_iter()
        .chain(allowed)
        .chain(scripts)
        .chain(["--user", "default", "off"])
        .collect();
    let redis = RedisServer::start_with(&words);
    let login = ", username: tessera, password: \"${env:REDIS_PASSWORD}\"";
    let more = format!("{login}, database: 3, prefix: orders");
    two_are_one(&Replicas::start(2, &store(&redis.url(), &more)));
}

#[test]
fn encrypted_and_with_a_certificate_on_both_sides() {
    let redis = RedisServer::start_tls();
    let (certificate, key) = redis.client_pem();
    let mut replicas = Replicas::none("store: {}");
    let file = |name: &str, text: &str| replicas.folder.file(name, text);
    let (ca, certificate) = (file("ca.pem", &redis.ca_pem()), file("client.pem", &certificate));
    let key = file("client.key", &key);
    let port = redis.port();
    let own = format!(
        ", ca: \"${{file:{ca}}}\", certificate: \"${{file:{certificate}}}\", \
         key: \"${{file:{key}}}\""
    );
    replicas.reconfigure(&store(&format!("rediss://localhost:{port}"), &own));
    replicas.add();
    replicas.add();
    replicas.wait_until_ready();
    two_are_one(&replicas);
    let ca_alone = format!(", ca: \"${{file:{ca}}}\"");
    replicas.reconfigure(&store(&format!("rediss://localhost:{port}"), &ca_alone));
    let uninvited = replicas.add();
    replicas.reconfigure(&store(&format!("rediss://localhost:{port}"), ""));
    let trusting_nobody = replicas.add();
    for refused in [uninvited, trusting_nobody] {
        let refused = &replicas.all[refused];
        wait_until("a complaint", || {
            refused.ready().1["store"]["last_error"]
                .as_str()
                .is_some_and(|why| why.contains("certificate") || why.contains("Certificate"))
        });
        assert_eq!(refused.ready().0, 503);
    }
}

/// Takes connections and never says a word, as a machine does that was switched off.
fn silent() -> (TcpListener, SocketAddr) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    (silent, address)
}

#[test]
fn a_first_node_that_is_gone_without_a_word_keeps_nobody_out() {
    let (_open, address) = silent();
    let cluster = Cluster::start();
    let nodes: Vec<_> =
        cluster.nodes().iter().map(|one| format!("\"{}\"", one.address())).collect();
    let more = format!(", mode: cluster, nodes: [{}]", nodes.join(", "));
    two_are_one(&Replicas::start(2, &store(&format!("redis://{address}"), &more)));
    let sentinels = Sentinels::start();
    let watchers = sentinels.sentinel_addresses();
    let watchers: Vec<_> = watchers.iter().map(|one| format!("\"{one}\"")).collect();
    let name = Sentinels::master_name();
    let more = format!(", mode: sentinel, master: {name}, nodes: [{}]", watchers.join(", "));
    two_are_one(&Replicas::start(2, &store(&format!("redis://{address}"), &more)));
}

#[test]
fn a_cluster_of_three_masters() {
    let cluster = Cluster::start();
    two_are_one(&Replicas::start(2, &of_cluster(&cluster)));
}

fn of_cluster(cluster: &Cluster) -> String {
    let [first, others @ ..] = cluster.nodes() else { panic!("nodes") };
    let others: Vec<_> = others.iter().map(|node| format!("\"{}\"", node.address())).collect();
    store(&first.url(), &format!(", mode: cluster, nodes: [{}]", others.join(", ")))
}

fn of_sentinels(sentinels: &Sentinels) -> String {
    let addresses: Vec<SocketAddr> = sentinels.sentinel_addresses();
    let others: Vec<_> = addresses[1..].iter().map(|one| format!("\"{one}\"")).collect();
    let name = Sentinels::master_name();
    let more = format!(", mode: sentinel, master: {name}, nodes: [{}]", others.join(", "));
    store(&format!("redis://{}", addresses[0]), &more)
}

/// Traffic about a good token of each kind and one that is revoked on the way.
fn traffic(replicas: &Replicas) -> Traffic {
    let (alice, one) = (replicas.alice(), &replicas.all[0]);
    let count = replicas.all.len();
    let opaque = one.issued(&alice, TASKS_API);
    let jwt = one.issued(&alice, ORDERS_API);
    let other = one.issued(&alice, ORDERS_API);
    Traffic::start(
        replicas,
        vec![
            Watched::good(Kind::Entra, alice, count),
            Watched::good(Kind::Issued, jwt, count),
            Watched::good(Kind::Opaque, opaque, count),
            Watched::good(Kind::Issued, other, count),
        ],
    )
}

/// Which of the tokens in [`traffic`] is opaque, and which is revoked.
const OPAQUE: usize = 2;
const REVOKED: usize = 3;

/// Once there is a new master: what was revoked last is dead everywhere, and nothing else is lost.
#[track_caller]
fn recovers(replicas: &Replicas, traffic: Traffic, what: &str) {
    replicas.wait_until_current();
    let alice = replicas.alice();
    for (index, replica) in replicas.all.iter().enumerate() {
        wait_until("the end", || replica.verdict(traffic.text(REVOKED)) == "inactive");
        traffic.dead(REVOKED, index);
        let opaque = traffic.text(OPAQUE);
        wait_until("recovery", || super::active_or_unavailable(replica, opaque));
        wait_until("recovery", || replica.exchange(&alice, TASKS_API).status == 200);
    }
    traffic.wait_for(300);
    traffic.stop(what, super::faults::SLOWEST);
}

#[test]
fn a_master_that_dies_under_traffic_is_followed_by_what_sentinels_name() {
    let mut sentinels = Sentinels::start();
    let replicas = Replicas::start(3, &of_sentinels(&sentinels));
    let traffic = traffic(&replicas);
    let token = traffic.dying(REVOKED).to_owned();
    // The very last thing that the old master hears.
    assert_eq!(replicas.all[0].revoke(&token).status, 200);
    traffic.dead(REVOKED, 0);
    sentinels.kill_master();
    sentinels.wait_for_new_master();
    recovers(&replicas, traffic, "fail-over by sentinels");
}

#[test]
fn a_master_of_a_cluster_that_dies_under_traffic_is_followed_by_its_replica() {
    let mut cluster = Cluster::start_with_replicas();
    let replicas = Replicas::start(3, &of_cluster(&cluster));
    let traffic = traffic(&replicas);
    let token = traffic.dying(REVOKED).to_owned();
    assert_eq!(replicas.all[0].revoke(&token).status, 200);
    traffic.dead(REVOKED, 0);
    let master = cluster.master_of_slot("{tessera}:generation");
    cluster.kill(master);
    wait_until("a new master", || cluster.master_of_slot("{tessera}:generation") != master);
    recovers(&replicas, traffic, "fail-over in a cluster");
}
