//! For the tests of this room: a look-alike on a socket, and a client that hides nothing.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use serde_json::Value;

use super::apps::App;
use super::people::{HOME_TENANT, Person};
use super::server::Running;
use super::tenant::{FakeEntra, KeySupply, Options};
use crate::adapters::clock::ManualClock;
use crate::protocol::time::UnixTime;

/// A look-alike and its clock.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) entra: Running,
    pub(super) clock: Arc<ManualClock>,
}

/// An answer, as it came over the wire.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Tenant {
    pub(super) fn start() -> Self {
        let clock = Arc::new(ManualClock::new(UnixTime::from_seconds(1_795_435_200)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::<ManualClock>::clone(&clock), keys: KeySupply::Pooled };
        Self { entra: FakeEntra::start(listener, options).unwrap(), clock }
    }

    /// Sends a request and leaves the answer unread.
    pub(super) fn open(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let address = self.entra.authority().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        let rest = format!("{headers}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(format!("{head}{rest}").as_bytes()).unwrap();
        stream
    }

    pub(super) fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        Answer::read(self.open(method, path, headers, body))
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    /// Asks the token endpoint of `tenant`.
    pub(super) fn form(&self, tenant: &str, fields: &[(&str, &str)]) -> Answer {
        let body =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.send("POST", &format!("/{tenant}/oauth2/v2.0/token"), headers, &body)
    }

    /// A token for `app` itself.
    pub(super) fn app_token(&self, app: &App, scope: &str) -> String {
        self.form(
            HOME_TENANT,
            &[
                ("grant_type", "client_credentials"),
                ("client_id", app.client_id),
                ("client_secret", app.secret.unwrap_or_default()),
                ("scope", scope),
            ],
        )
        .access_token()
    }

    /// Signs `person` in, by `app`.
    pub(super) fn sign_in(&self, person: &Person, app: &App, scope: &str) -> Answer {
        let mut fields = vec![
            ("grant_type", "password"),
            ("client_id", app.client_id),
            ("username", person.username),
            ("password", person.password),
            ("scope", scope),
        ];
        fields.extend(app.secret.map(|secret| ("client_secret", secret)));
        self.form(person.tenant, &fields)
    }
}

impl Answer {
    /// Reads until the other side closes, also when it breaks off.
    pub(super) fn read(mut stream: TcpStream) -> Self {
        let mut all = Vec::new();
        let _broken_off = stream.read_to_end(&mut all).is_err();
        let end = all.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let body = all.split_off(end).split_off(4);
        let head = String::from_utf8(all).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON, not {self:?}"))
    }

    pub(super) fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Graph's code.
    pub(super) fn error_code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap().to_owned()
    }

    /// What the token endpoint refused with: status, error, number.
    pub(super) fn refusal(&self) -> (u16, String, u64) {
        let json = self.json();
        let code = json["error_codes"][0].as_u64().unwrap();
        let text = json["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
        (self.status, json["error"].as_str().unwrap().to_owned(), code)
    }
}
