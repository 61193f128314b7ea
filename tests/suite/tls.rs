//! TLS of the listeners, by clients of others.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;
use tessera::config::Endpoint;

use crate::cli;
use crate::support::certificates::Authority;
use crate::support::grpc::{Grpc, Status};
use crate::support::process::wait_until;
use crate::support::service::{Service, Site};

const UNAVAILABLE: i64 = 14;
/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// The usual site; its public listener and that of Tyk have TLS, and ask for a certificate.
fn site(name: &str, authority: &Authority) -> Site {
    authority.sign("server", "server", 2);
    let [certificate, key, ca] =
        ["server.crt", "server.key", "ca.crt"].map(|name| authority.path(name));
    let own = format!("certificate: \"${{file:{certificate}}}\", key: \"${{file:{key}}}\"");
    let tls = format!("{own}, client_ca: \"${{file:{ca}}}\"");
    Site::new(name, |text| {
        let listen = format!(
            "listen: {{ tyk: \"127.0.0.1:0\", tls: {{ public: {{ {tls} }}, tyk: {{ {tls} }} }}, "
        );
        text.replacen("listen: { ", &listen, 1)
    })
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection by TLS, which shows the certificate of this name if there is one.
fn connect(to: SocketAddr, authority: &Authority, shown: Option<&str>) -> Stream {
    let read = |name: &str| CertificateDer::from_pem_file(authority.path(name)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.crt")).unwrap();
    let config = ClientConfig::builder_with_provider(tessera::config::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(authority.path(&format!("{name}.key")));
            let chain = vec![read(&format!("{name}.crt"))];
            config.with_client_auth_cert(chain, key.unwrap()).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let name = "localhost".try_into().unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// Asks for the public keys: the first bytes of the answer.
fn ask(stream: &mut Stream) -> io::Result<String> {
    stream.write_all(b"GET /jwks HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).into_owned())
}

fn is_answered(stream: &mut Stream) -> bool {
    ask(stream).is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}

/// The end code of curl, and what it printed.
fn curl(service: &Service, arguments: &[&str]) -> (Option<i32>, String) {
    let url = format!("https://localhost:{}/jwks", service.public.port());
    let fixed = ["-s", "--resolve", "localhost:1:127.0.0.1", "-4", "-w", "%{http_code}"];
    let ran = Command::new("curl").args(fixed).args(arguments).arg(url).output().unwrap();
    (ran.status.code(), cli::text(&ran.stdout))
}

#[test]
fn curl_is_answered_by_tls_1_2_and_1_3_with_a_certificate_and_refused_without() {
    let authority = Authority::new("tls-curl");
    let site = site("tls-curl-site", &authority);
    authority.sign("client", "client", 2);
    let service = site.serve();
    let [ca, certificate, key] =
        ["ca.crt", "client.crt", "client.key"].map(|name| authority.path(name));
    let known = ["--cacert", &ca, "--cert", &certificate, "--key", &key];
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let (code, said) = curl(&service, &[&known[..], &version].concat());
        assert_eq!(code, Some(0), "{said}");
        assert!(said.ends_with("200"), "{said}");
        let nobody = curl(&service, &[&["--cacert", &ca][..], &version].concat());
        assert_ne!(nobody.0, Some(0), "no certificate: {nobody:?}");
    }
    let (code, _) = curl(&service, &known[2..]);
    assert_eq!(code, Some(60), "an authority that the client does not know");
    let old = Command::new("openssl")
        .args(["s_client", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0", "-connect"])
        .arg(service.public.to_string())
        .output()
        .unwrap();
    let said = cli::text(&old.stderr);
    // By which alert depends on what else the client does not offer.
    assert!(!old.status.success() && said.contains(" alert "), "{said}");
}

#[test]
fn only_certificates_of_the_named_authority_are_let_in() {
    let (authority, stranger) = (Authority::new("tls-ca"), Authority::new("tls-stranger"));
    let site = site("tls-ca-site", &authority);
    authority.sign("client", "client", 2);
    // Signed by somebody else; made by the right one, but for servers.
    stranger.sign("client", "stranger", 2);
    for end in ["crt", "key"] {
        let name = format!("stranger.{end}");
        std::fs::copy(stranger.path(&name), authority.path(&name)).unwrap();
    }
    let service = site.serve();
    assert!(is_answered(&mut connect(service.public, &authority, Some("client"))));
    for shown in [None, Some("stranger"), Some("server")] {
        assert!(ask(&mut connect(service.public, &authority, shown)).is_err(), "{shown:?}");
    }
    let at = service.started["tyk"].as_str().unwrap().parse().map(Endpoint::Tcp).unwrap();
    let path = |name: &str| authority.path(name);
    let [ca, certificate, key] = [path("ca.crt"), path("client.crt"), path("client.key")];
    let mut known = Grpc::tyk_with(Some(&at), &[&ca, &certificate, &key]);
    assert!(known.call("Dispatch", &json!({})).is_ok());
    let strange = [path("stranger.crt"), path("stranger.key")];
    for refused in [&[&*ca][..], &[&ca, &strange[0], &strange[1]], &[]] {
        let mut grpc = Grpc::tyk_with(Some(&at), refused);
        assert_eq!(grpc.call("Dispatch", &json!({})), Err(Status(UNAVAILABLE)));
    }
    assert!(known.call("Dispatch", &json!({})).is_ok());
}

#[test]
fn a_certificate_is_replaced_while_connections_go_on() {
    let authority = Authority::new("tls-live");
    let site = site("tls-live-site", &authority);
    authority.sign("client", "client", 2);
    let service = site.serve();
    let mut kept = connect(service.public, &authority, Some("client"));
    assert!(is_answered(&mut kept));
    let shown = |stream: &Stream| stream.conn.peer_certificates().unwrap()[0].clone();
    let until = |text: &str| {
        let name = "tessera_certificate_expiry_timestamp_seconds{listener=\"public\"} ";
        text.lines().find_map(|line| line.strip_prefix(name)).expect(text).to_owned()
    };
    let (first, before) = (shown(&kept), until(&service.get("/metrics").text()));
    authority.sign("server", "server", 30);
    wait_until("the new certificate", || until(&service.get("/metrics").text()) != before);
    let mut new = connect(service.public, &authority, Some("client"));
    assert!(is_answered(&mut new) && is_answered(&mut kept), "neither was dropped");
    assert_ne!(shown(&new), first);
    assert_eq!(shown(&kept), first);
    assert!(service.log().contains("expires soon"), "two days were left of the first");
}

#[test]
fn who_says_nothing_takes_nothing_away() {
    let authority = Authority::new("tls-silent");
    let site = site("tls-silent-site", &authority);
    authority.sign("client", "client", 2);
    let service = site.serve();
    let tyk: SocketAddr = service.started["tyk"].as_str().unwrap().parse().unwrap();
    for to in [service.public, tyk] {
        let mut silent: Vec<_> = (0..600).map(|_| TcpStream::connect(to).unwrap()).collect();
        for (stream, number) in silent.iter_mut().zip(0..) {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // Some begin as a handshake does (RFC 8446 §5.1), and stop in the middle.
            stream.write_all(&[0x16, 3, 1, 0, 200, 1][..number % 7]).unwrap();
        }
        assert!(is_answered(&mut connect(service.public, &authority, Some("client"))));
        for stream in &mut silent {
            // Closed or reset, before the patience of this test ends.
            if let Err(error) = stream.read_to_end(&mut Vec::new()) {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{to}");
            }
        }
    }
}

#[test]
fn check_tells_what_expires() {
    let authority = Authority::new("tls-check");
    let site = site("tls-check-site", &authority);
    let check = || cli::run_with(&["check", "--config", &site.file], &[]);
    let soon = check();
    assert!(soon.status.success());
    let said = cli::text(&soon.stdout);
    assert!(said.contains("`listen.tls.public`: the certificate expires soon, at "), "{said}");
    authority.sign("server", "server", 30);
    let good = check();
    assert!(good.status.success() && !cli::text(&good.stdout).contains("expire"));
}
