//! `tessera probe`, against a whole tessera and against servers that are not well.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::cli::{Folder, run, text};
use crate::support::World;
use crate::support::process::free_port;

/// Answers one request with `head`, and is gone.
fn once(head: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _request = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
    });
    address
}

#[test]
fn it_says_yes_only_when_every_address_answers_200() {
    let world = World::start();
    let [ready, live] = ["readyz", "livez"].map(|path| format!("http://{}/{path}", world.admin));
    let ended = run(&["probe", &ready, &live]);
    let told = text(&ended.stdout);
    assert_eq!(
        (ended.status.code(), told),
        (Some(0), format!("{ready}: answered 200\n{live}: answered 200\n"))
    );

    let missing = format!("http://{}/nothing", world.admin);
    let ended = run(&["probe", &ready, &missing]);
    assert_eq!(ended.status.code(), Some(1));
    let told = text(&ended.stdout);
    assert_eq!(told, format!("{ready}: answered 200\n{missing}: answered 404, not 200\n"));
}

#[test]
fn it_says_no_to_a_service_that_is_not_ready_or_not_there() {
    let away = World::unready(|text| {
        let mut lines: Vec<_> = text.lines().collect();
        let authority = lines.iter().position(|line| line.contains("authority:")).unwrap();
        lines[authority] = "    authority: http://127.0.0.1:1";
        lines.join("\n")
    });
    let ended = run(&["probe", &format!("http://{}/readyz", away.admin)]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stdout).contains("answered 503"), "{}", text(&ended.stdout));

    let ended = run(&["probe", "http://127.0.0.1:1/readyz"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stdout).contains("refused"), "{}", text(&ended.stdout));
}

#[test]
fn a_redirect_is_not_followed() {
    let well = once("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(run(&["probe", &format!("http://{well}/")]).status.code(), Some(0));
    let redirect = once("HTTP/1.1 302 Found\r\nLocation: /livez\r\nContent-Length: 0\r\n\r\n");
    let ended = run(&["probe", &format!("http://{redirect}/")]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(text(&ended.stdout).contains("answered 302, not 200"), "{}", text(&ended.stdout));
}

#[test]
fn what_cannot_be_asked_is_a_mistake_of_the_command_line() {
    let folder = Folder::new("probe-mistakes");
    let empty = folder.file("empty.pem", "no certificate here\n");
    for arguments in [
        &["file:///etc/passwd"][..],
        &["http://user:password@127.0.0.1:9090/readyz"],
        &["127.0.0.1"],
        &["--ca", "/nowhere/ca.pem"],
        &["--ca", &empty],
    ] {
        let ended = run(&[&["probe"], arguments].concat());
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {}", text(&ended.stderr));
        assert!(!text(&ended.stderr).contains("password@"), "{}", text(&ended.stderr));
    }
}

/// A certificate for one address, which vouches for itself.
const OPENSSL: &str = "\
[req]
distinguished_name = name
x509_extensions = server
prompt = no
[name]
CN = probe
[server]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1
";

/// A server of OpenSSL that speaks TLS with a certificate of its own.
struct TlsServer {
    process: Child,
    folder: Folder,
    port: u16,
}

impl TlsServer {
    fn start() -> Self {
        let folder = Folder::new("probe-tls");
        folder.file("openssl.cnf", OPENSSL);
        let made = Command::new("openssl")
            .current_dir(folder.path())
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-config", "openssl.cnf", "-keyout", "key.pem"])
            .args(["-out", "cert.pem"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", text(&made.stderr));
        let port = free_port();
        let mut process = Command::new("openssl")
            .current_dir(folder.path())
            .args(["s_server", "-cert", "cert.pem", "-key", "key.pem", "-www"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It says `ACCEPT` when it listens.
        let mut seen = Vec::new();
        let out = process.stdout.as_mut().unwrap();
        while !seen.ends_with(b"ACCEPT") {
            let mut byte = [0];
            assert_eq!(out.read(&mut byte).unwrap(), 1, "{}", text(&seen));
            seen.extend(byte);
        }
        Self { process, folder, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_certificate_is_trusted_by_the_file_that_vouches_for_it_and_by_the_name_it_names() {
    let server = TlsServer::start();
    let url = format!("https://127.0.0.1:{}/", server.port);
    let ca = format!("{}/cert.pem", server.folder.path());
    let ended = run(&["probe", &url, "--ca", &ca]);
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stdout));
    let ended = run(&["probe", &url]);
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended.stdout));
    let named_otherwise = format!("https://localhost:{}/", server.port);
    let ended = run(&["probe", &named_otherwise, "--ca", &ca]);
    assert_eq!(ended.status.code(), Some(1), "{}", text(&ended.stdout));
}
