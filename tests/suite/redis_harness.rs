//! What the tests with Redis stand on: the processes and the proxy do what they say.

use std::io;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::cli::{Folder, text};
use crate::support::proxy::{Fault, FaultProxy};
use crate::support::redis::{Cluster, Connection, RedisServer, Reply, Sentinels, wait_until};

/// For an answer that comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// For an answer that does not.
const IMPATIENCE: Duration = Duration::from_millis(200);

fn through(proxy: &FaultProxy) -> Connection {
    Connection::open(proxy.address(), PATIENCE).unwrap()
}

#[track_caller]
fn assert_answers(connection: &mut Connection) {
    assert_eq!(connection.ask(&["PING"]).unwrap().text(), "PONG");
}

#[track_caller]
fn assert_silent(connection: &mut Connection) {
    connection.wait_for(IMPATIENCE).unwrap();
    assert_eq!(failure(connection), io::ErrorKind::WouldBlock);
}

/// How asking failed.
#[track_caller]
fn failure(connection: &mut Connection) -> io::ErrorKind {
    connection.ask(&["INCR", "asked"]).expect_err("no answer").kind()
}

/// Sets `a` to 1, and waits until the replica has it too. Redis waits for the writes of the same
/// connection only.
#[track_caller]
fn write_with_copy(master: &RedisServer) {
    let mut connection = Connection::open(master.address(), PATIENCE).unwrap();
    assert_eq!(connection.ask(&["SET", "a", "1"]).unwrap().text(), "OK");
    assert_eq!(connection.ask(&["WAIT", "1", "0"]).unwrap().int(), 1);
}

#[test]
fn a_server_answers_and_forgets_everything_when_it_is_killed() {
    let mut redis = RedisServer::start();
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}", redis.port()));
    assert_eq!(redis.command(&["SET", "a", "ä\r\n"]), Reply::Simple("OK".to_owned()));
    assert_eq!(redis.command(&["GET", "a"]), Reply::Bulk("ä\r\n".into()));
    assert_eq!(redis.command(&["LPUSH", "l", "1"]).int(), 1);
    assert_eq!(redis.command(&["LRANGE", "l", "0", "-1"]).array(), [Reply::Bulk("1".into())]);
    let port = redis.port();
    redis.kill();
    assert!(Connection::open(redis.address(), PATIENCE).is_err(), "nobody listens");
    redis.restart();
    assert_eq!((redis.port(), redis.command(&["GET", "a"])), (port, Reply::Nil));
}

#[test]
fn a_paused_server_answers_later() {
    let redis = RedisServer::start();
    redis.pause();
    assert_silent(&mut Connection::open(redis.address(), PATIENCE).unwrap());
    redis.resume();
    assert_eq!(redis.command(&["PING"]).text(), "PONG");
    wait_until("the late command", || redis.command(&["GET", "asked"]) != Reply::Nil);
}

#[test]
fn a_server_refuses_to_write_without_memory_and_as_a_replica() {
    let redis = RedisServer::start();
    let write = || redis.command(&["SET", "a", "b"]);
    redis.out_of_memory();
    assert!(write().error().starts_with("OOM "));
    redis.enough_memory();
    assert_eq!(write().text(), "OK");
    redis.read_only();
    assert!(write().error().starts_with("READONLY "));
    assert_eq!(redis.command(&["GET", "a"]).text(), "b", "and it reads on");
    redis.writable();
    assert_eq!(write().text(), "OK");
}

#[test]
fn a_server_knows_the_users_it_is_given() {
    let tessera = ["--user", "tessera", "on", ">secret", "~*", "&*", "+@all"];
    let nobody = ["--user", "default", "off"];
    let redis = RedisServer::start_with(&[tessera.as_slice(), &nobody].concat());
    let mut connection = Connection::open(redis.address(), PATIENCE).unwrap();
    assert!(connection.ask(&["PING"]).unwrap().error().starts_with("NOAUTH "));
    assert!(connection.ask(&["AUTH", "tessera", "x"]).unwrap().error().starts_with("WRONGPASS "));
    assert_eq!(connection.ask(&["AUTH", "tessera", "secret"]).unwrap().text(), "OK");
    assert_answers(&mut connection);
}

#[test]
fn a_tls_server_wants_a_certificate() {
    let (redis, folder) = (RedisServer::start_tls(), Folder::new("tls-client"));
    assert_eq!(redis.url(), format!("rediss://127.0.0.1:{}", redis.port()));
    let ca = folder.file("ca.pem", &redis.ca_pem());
    let (certificate, key) = redis.client_pem();
    let (certificate, key) = (folder.file("pem", &certificate), folder.file("key", &key));
    let ping = |more: &[&str]| -> Output {
        let mut client = Command::new("redis-cli");
        client.args(["-u", &redis.url(), "--tls", "--cacert", &ca]).args(more);
        client.arg("PING").output().unwrap()
    };
    let known = ping(&["--cert", &certificate, "--key", &key]);
    assert_eq!(text(&known.stdout), "PONG\n", "{}", text(&known.stderr));
    let unknown = ping(&[]);
    // How it fails depends on who is faster: the server's reason or its reset.
    assert!(!unknown.status.success() && unknown.stdout.is_empty(), "{unknown:?}");
}

#[test]
fn a_cluster_has_a_master_for_each_key() {
    let cluster = Cluster::start();
    let mut masters = [false; 3];
    for key in ["a", "b", "c", "{a}x"] {
        let master = cluster.master_of_slot(key);
        masters[master] = true;
        for (index, node) in cluster.nodes().iter().enumerate() {
            let answer = node.command(&["SET", key, "1"]);
            let moved = matches!(&answer, Reply::Error(text) if text.starts_with("MOVED "));
            assert_eq!(moved, index != master, "{key} {answer:?}");
        }
    }
    assert_eq!(masters, [true; 3], "each has some");
}

#[test]
fn a_replica_takes_the_place_of_a_killed_node() {
    let mut cluster = Cluster::start_with_replicas();
    let old = cluster.master_of_slot("a");
    write_with_copy(&cluster.nodes()[old]);
    cluster.kill(old);
    wait_until("a fail-over", || cluster.master_of_slot("a") != old);
    let new = &cluster.nodes()[cluster.master_of_slot("a")];
    wait_until("service", || new.command(&["GET", "a"]) == Reply::Bulk("1".into()));
}

#[test]
fn sentinels_replace_a_killed_master() {
    let mut sentinels = Sentinels::start();
    let before = named(&sentinels);
    assert_eq!(before, vec![sentinels.master.port().to_string(); 3]);
    write_with_copy(&sentinels.master);
    sentinels.kill_master();
    let new = sentinels.wait_for_new_master();
    assert_eq!(new, sentinels.replica.port());
    assert_eq!(named(&sentinels), vec![new.to_string(); 3]);
    assert_eq!(sentinels.replica.command(&["GET", "a"]).text(), "1");
    assert_eq!(sentinels.replica.command(&["SET", "a", "2"]).text(), "OK");
}

#[test]
fn a_paused_master_comes_back_as_a_replica() {
    let sentinels = Sentinels::start();
    sentinels.pause_master();
    sentinels.wait_for_new_master();
    sentinels.master.resume();
    // While it is made one, its connections are closed.
    let role = || sentinels.master.try_command(&["ROLE"]);
    wait_until("submission", || role().is_ok_and(|role| role.array()[0].text() == "slave"));
}

/// The port that each Sentinel names.
fn named(sentinels: &Sentinels) -> Vec<String> {
    let ask = |address| {
        let mut connection = Connection::open(address, PATIENCE).unwrap();
        let master = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::master_name()];
        connection.ask(&master).unwrap().array()[1].text().to_owned()
    };
    sentinels.sentinel_addresses().into_iter().map(ask).collect()
}

#[test]
fn a_proxy_without_a_fault_is_not_there() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let long = "x".repeat(1_000_000);
    for accepted in 1..=3 {
        let mut connection = through(&proxy);
        assert_eq!(connection.ask(&["ECHO", &long]).unwrap().text(), long);
        assert_eq!(proxy.connections(), accepted);
    }
}

#[test]
fn a_slow_network_delays_both_ways() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let mut connection = through(&proxy);
    assert_answers(&mut connection);
    proxy.set(Fault::Delay(IMPATIENCE));
    let begun = Instant::now();
    assert_answers(&mut connection);
    assert!(begun.elapsed() >= 2 * IMPATIENCE);
}

#[test]
fn a_cut_network_keeps_connections_and_delivers_late() {
    let redis = RedisServer::start();
    let both = || redis.command(&["GET", "asked"]) == Reply::Bulk("2".into());
    let proxy = FaultProxy::before(redis.address());
    for (fault, arrives) in
        [(Fault::BlackHole, false), (Fault::DropToServer, false), (Fault::DropToClient, true)]
    {
        redis.command(&["DEL", "asked"]);
        let mut old = through(&proxy);
        assert_answers(&mut old);
        proxy.set(fault);
        let mut new = through(&proxy);
        for connection in [&mut old, &mut new] {
            assert_silent(connection);
        }
        if arrives {
            wait_until("the work", both);
        } else {
            assert_eq!(redis.command(&["GET", "asked"]), Reply::Nil, "{fault:?}");
        }
        proxy.set(Fault::None);
        wait_until("late delivery", both);
    }
}

#[test]
fn a_reset_ends_all_connections_and_new_ones() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let mut old = through(&proxy);
    assert_answers(&mut old);
    proxy.set(Fault::Reset);
    let refused =
        || Connection::open(proxy.address(), PATIENCE).and_then(|mut it| it.ask(&["PING"]));
    for error in [old.ask(&["PING"]).unwrap_err(), refused().unwrap_err()] {
        let kind = error.kind();
        assert!(
            [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&kind),
            "{kind}"
        );
    }
    proxy.set(Fault::None);
    assert_answers(&mut through(&proxy));
}

#[test]
fn garbage_and_half_answers_are_no_answers() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let mut connection = through(&proxy);
    proxy.set(Fault::Garbage);
    assert_eq!(failure(&mut connection), io::ErrorKind::InvalidData);
    assert_eq!(redis.command(&["GET", "asked"]), Reply::Nil, "the server heard nothing");
    proxy.set(Fault::None);
    assert_answers(&mut connection);
    proxy.set(Fault::Truncate);
    assert_eq!(failure(&mut connection), io::ErrorKind::UnexpectedEof);
    assert_eq!(redis.command(&["GET", "asked"]).text(), "1", "the server has done it");
}
