//! tyk.conf.

use serde_json::Value;

use super::definition::find;
use super::report::Report;
use crate::cli::tyk::site::{MAX_MESSAGE_BYTES, Site};
use crate::config::Endpoint;
use crate::domain::api::Road;
use crate::domain::tyk::Fault;

const ENABLED: &str = "coprocess_options.enable_coprocess";
const SERVER: &str = "coprocess_options.coprocess_grpc_server";
const SEND: &str = "coprocess_options.grpc_send_max_size";
const RECEIVE: &str = "coprocess_options.grpc_recv_max_size";

pub(super) fn examine(site: &Site<'_>, (file, conf): &(String, Value), report: &mut Report) {
    let asks = |road: Option<Road>| road == Some(Road::Plugin);
    if !site.config.apis.iter().any(|api| asks(api.tyk.as_ref().map(|route| route.road))) {
        return;
    }
    if find(conf, ENABLED) != Some(&Value::Bool(true)) {
        report.note(Fault::CoprocessDisabled, file, ENABLED);
        return;
    }
    let server = find(conf, SERVER).and_then(Value::as_str).unwrap_or_default();
    if !site.config.listen.tyk.as_ref().is_some_and(|listen| leads(server, listen)) {
        let expected = site.plugin().unwrap_or_else(|| "`listen.tyk`, which is not set".to_owned());
        report.differs(Fault::CoprocessAddress, (file, SERVER.to_owned()), server, &expected);
    }
    let bytes = |path| find(conf, path).and_then(Value::as_u64).filter(|bytes| *bytes > 0);
    let most = u64::from(MAX_MESSAGE_BYTES);
    let sent = bytes(SEND).unwrap_or(most);
    if sent > most {
        let (found, expected) = (sent.to_string(), most.to_string());
        report.differs(Fault::CoprocessSizes, (file, SEND.to_owned()), &found, &expected);
    } else if let Some(received) = bytes(RECEIVE).filter(|received| *received < sent) {
        let (found, expected) = (received.to_string(), most.to_string());
        report.differs(Fault::CoprocessSizes, (file, RECEIVE.to_owned()), &found, &expected);
    }
}

/// Whether Tyk gets to `listen` by this address. A name is taken for the right host.
fn leads(server: &str, listen: &Endpoint) -> bool {
    match listen {
        Endpoint::Unix(path) => {
            let given = server.strip_prefix("unix://").or_else(|| server.strip_prefix("unix:"));
            given.is_some_and(|given| std::path::Path::new(given) == path)
        }
        Endpoint::Tcp(address) => {
            let server = server.strip_prefix("tcp://").unwrap_or(server);
            let server = server.strip_prefix("dns:///").unwrap_or(server);
            let Some((host, port)) = server.rsplit_once(':') else { return false };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let same_host = match host.parse::<std::net::IpAddr>() {
                Ok(ip) => ip == address.ip() || address.ip().is_unspecified(),
                Err(_name) => !host.is_empty(),
            };
            port.parse() == Ok(address.port()) && same_host
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn an_address_is_recognised_however_it_is_written() {
        let tcp = |text: &str| Endpoint::Tcp(text.parse().unwrap());
        let unix = Endpoint::Unix(PathBuf::from("/run/tessera/tyk.sock"));
        for (server, listen, expected) in [
            ("tcp://127.0.0.1:5555", tcp("127.0.0.1:5555"), true),
            ("127.0.0.1:5555", tcp("127.0.0.1:5555"), true),
            ("tcp://localhost:5555", tcp("127.0.0.1:5555"), true),
            ("dns:///tessera.svc:5555", tcp("0.0.0.0:5555"), true),
            ("tcp://10.0.0.7:5555", tcp("0.0.0.0:5555"), true),
            ("tcp://[::1]:5555", tcp("[::1]:5555"), true),
            ("tcp://10.0.0.7:5555", tcp("127.0.0.1:5555"), false),
            ("tcp://127.0.0.1:5556", tcp("127.0.0.1:5555"), false),
            ("tcp://127.0.0.1", tcp("127.0.0.1:5555"), false),
            (":5555", tcp("127.0.0.1:5555"), false),
            ("", tcp("127.0.0.1:5555"), false),
            ("unix:///run/tessera/tyk.sock", unix.clone(), true),
            ("unix:/run/tessera/tyk.sock", unix.clone(), true),
            ("tcp:///run/tessera/tyk.sock", unix.clone(), false),
            ("unix:///run/other.sock", unix, false),
        ] {
            assert_eq!(leads(server, &listen), expected, "{server}");
        }
    }
}
