//! Connections to what the configuration names: a server, a cluster, or whichever server the
//! sentinels call the master.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo,
    IntoConnectionInfo as _, Pipeline, RedisConnectionInfo, RedisFuture, RedisResult,
    TlsCertificates, TlsMode, Value,
};
use secrecy::ExposeSecret as _;

use crate::config::{Login, Node, Redis, Tls, Topology};

/// How long a connection to one node may take to be made.
const CONNECT: Duration = Duration::from_millis(500);
/// How long a whole attempt may take: some of the nodes may be gone without a word.
pub(super) const ATTEMPT: Duration = Duration::from_secs(3);

/// A connection that many can use at once. Cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::One(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::One(connection) => connection.req_packed_commands(pipeline, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::One(connection) => connection.get_db(),
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// A new connection, on which an answer may take `patience`. Each `attempt` begins with another node.
pub(super) async fn connect(
    redis: &Redis,
    patience: Duration,
    attempt: usize,
) -> RedisResult<Connection> {
    let mut redis = redis.clone();
    let first = attempt.checked_rem(redis.nodes.len()).unwrap_or_default();
    redis.nodes.rotate_left(first);
    let redis = &redis;
    match &redis.topology {
        Topology::Standalone => {
            let client = client(redis)?;
            let config = config(patience);
            client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::One)
        }
        Topology::Sentinel { master, login } => {
            let mut client = sentinels(redis, master, login)?;
            let config = config(patience);
            client.get_async_connection_with_config(&config).await.map(Connection::One)
        }
        Topology::Cluster => {
            cluster(redis, patience)?.build()?.get_async_connection().await.map(Connection::Cluster)
        }
    }
}

fn config(patience: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(patience))
}

fn client(redis: &Redis) -> RedisResult<Client> {
    let node = redis.nodes.first().map(|node| node_info(redis, node)).transpose()?;
    let info = node.ok_or((redis::ErrorKind::InvalidClientConfig, "no address"))?;
    match &redis.tls {
        Some(tls) => Client::build_with_tls(info, certificates(tls)),
        None => Client::open(info),
    }
}

fn node_info(redis: &Redis, node: &Node) -> RedisResult<ConnectionInfo> {
    let login = login(RedisConnectionInfo::default(), &redis.login);
    let info = address(redis.tls.as_ref(), node).into_connection_info()?;
    Ok(info.set_redis_settings(login.set_db(redis.database.into())).set_tcp_settings(tcp()))
}

fn login(info: RedisConnectionInfo, login: &Login) -> RedisConnectionInfo {
    let info = match &login.username {
        Some(username) => info.set_username(username),
        None => info,
    };
    match &login.password {
        Some(password) => info.set_password(password.expose_secret()),
        None => info,
    }
}

fn sentinels(
    redis: &Redis,
    master: &str,
    at_sentinels: &Login,
) -> RedisResult<redis::sentinel::SentinelClient> {
    let addresses: Vec<_> =
        redis.nodes.iter().map(|node| address(redis.tls.as_ref(), node)).collect();
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
        .set_client_to_redis_db(redis.database.into())
        .set_client_to_redis_tcp_settings(tcp())
        .set_client_to_sentinel_tcp_settings(tcp());
    if let Some(username) = &redis.login.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &redis.login.password {
        builder = builder.set_client_to_redis_password(password.expose_secret());
    }
    if let Some(username) = &at_sentinels.username {
        builder = builder.set_client_to_sentinel_username(username);
    }
    if let Some(password) = &at_sentinels.password {
        builder = builder.set_client_to_sentinel_password(password.expose_secret());
    }
    if let Some(tls) = &redis.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(tls))
            .set_client_to_sentinel_certificates(certificates(tls));
    }
    builder.build()
}

fn cluster(redis: &Redis, patience: Duration) -> RedisResult<ClusterClientBuilder> {
    let nodes: RedisResult<Vec<_>> =
        redis.nodes.iter().map(|node| node_info(redis, node)).collect();
    let mut builder = ClusterClientBuilder::new(nodes?)
        .connection_timeout(CONNECT)
        .response_timeout(patience)
        .overall_response_timeout(Some(patience))
        .retries(3)
        .tcp_settings(tcp());
    if let Some(username) = &redis.login.username {
        builder = builder.username(username);
    }
    if let Some(password) = &redis.login.password {
        builder = builder.password(password.expose_secret());
    }
    if let Some(tls) = &redis.tls {
        builder = builder.tls(TlsMode::Secure).certs(certificates(tls));
    }
    Ok(builder)
}

fn address(tls: Option<&Tls>, node: &Node) -> ConnectionAddr {
    let Node { host, port } = node.clone();
    match tls {
        // The certificates are given beside the address.
        Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        None => ConnectionAddr::Tcp(host, port),
    }
}

/// Answers are small and awaited: none waits for another to fill a packet.
fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

fn certificates(tls: &Tls) -> TlsCertificates {
    let client_tls = tls.client.as_ref().map(|client| ClientTlsConfig {
        client_cert: client.chain.clone(),
        client_key: client.key.expose_secret().to_vec(),
    });
    TlsCertificates { client_tls, root_cert: tls.ca.clone() }
}
