//! The lines that `tessera dev` prints: each can be pasted as it stands, in any order.

use std::net::SocketAddr;

use super::{exchange, gateways};
use crate::app::App as Service;
use crate::config::Endpoint;
use crate::dev::apps::{App, GATEWAY, INVOICE_AGENT, ORDERS as ORDERS_API, PORTAL, REPORTING};
use crate::dev::people::{AGENT_USER, ALICE, BOB, CAROL, DAVE, HOME_TENANT, Person};

/// The client of the sample configuration that the lines use, as `name:secret`.
pub(super) const TYK: &str = "tyk:tyk-dev-secret-4c9e1b7a6d2f8035e1a9";
/// Every scope of the orders API that the person has.
const ORDERS: &str = "api://orders/.default";
/// A v1 token of the billing API.
const BILLING: &str = "api://billing/.default";
/// Takes the token out of the look-alike's answer.
pub(super) const TOKEN_ONLY: &str = r#"sed 's/.*"access_token":"\([^"]*\)".*/\1/'"#;

/// What a person is told when everything runs.
pub(super) fn guide(app: &Service, authority: &str) -> String {
    let (public, admin) = (app.public, app.admin);
    let world = World { public, admin, authority };
    let at = |endpoint: &Option<Endpoint>| {
        endpoint.as_ref().map_or_else(String::new, ToString::to_string)
    };
    let (tyk, envoy) = (at(&app.tyk), at(&app.envoy));
    let mut text = format!(
        "tessera is ready.\n\n  \
         clients       http://{public}    POST /introspect, /token, /revoke; GET /jwks\n  \
         operators     http://{admin}    /readyz, /metrics, /keys; POST /explain, /revocations\n  \
         gateways      {tyk}, {envoy}    gRPC: Tyk's plugin, Envoy's ext_authz\n  \
         look-alike    {authority}    an Entra tenant with made-up people\n\n\
         Each line can be pasted as it stands, in any order. Ctrl-C stops everything.\n"
    );
    for (title, line) in world.lines() {
        text.extend(["\n# ", title, "\n", &line, "\n"]);
    }
    for (title, line) in gateways::lines(&world).into_iter().chain(exchange::lines(&world)) {
        text.extend(["\n# ", title, "\n", &line, "\n"]);
    }
    text
}

/// What a person is told who runs the look-alike alone.
pub(super) fn alone(authority: &str) -> String {
    format!(
        "An Entra tenant with made-up people is at {authority}: for `entra` of a tessera on this \
         machine,\n\n  \
         - tenant: {HOME_TENANT}\n    \
         authority: {authority}\n    \
         audiences: [{}]\n\n\
         Ctrl-C stops it.",
        ORDERS_API.client_id
    )
}

pub(super) struct World<'a> {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    authority: &'a str,
}

impl World<'_> {
    fn lines(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Alice, a gold customer: active, with Tyk policies", self.introspect(&self.alice())),
            (
                "Her token, tampered with: {\"active\":false} and nothing else",
                self.introspect(&self.tampered()),
            ),
            ("Why? For the operator only", self.explain(&self.tampered())),
            ("The same from the command line", self.explain_by_command()),
            ("A v1 token", self.introspect(&self.user(&ALICE, &PORTAL, BILLING))),
            ("Bob, a guest", self.introspect(&self.user(&BOB, &PORTAL, ORDERS))),
            (
                "Carol, in 250 groups: Entra leaves them out, Graph is asked",
                self.introspect(&self.user(&CAROL, &PORTAL, ORDERS)),
            ),
            ("An application alone", self.introspect(&self.app(&REPORTING, ORDERS))),
            ("An AI agent alone", self.introspect(&self.app(&INVOICE_AGENT, ORDERS))),
            (
                "An AI agent that acts for Alice",
                self.introspect(&self.user(&ALICE, &INVOICE_AGENT, ORDERS)),
            ),
            (
                "An AI agent with a user account of its own",
                self.introspect(&self.user(&AGENT_USER, &INVOICE_AGENT, ORDERS)),
            ),
            (
                "Dave, of a tenant that is not trusted here: explained",
                self.explain(&self.user(&DAVE, &PORTAL, ORDERS)),
            ),
            ("A gateway without a shared secret: its own Entra token", self.as_gateway()),
            ("An answer signed for the one who asked (RFC 9701)", self.signed()),
            (
                "New signing keys at the look-alike; the next token is taken all the same",
                format!("curl -s -X POST {}/dev/rotate", self.authority),
            ),
        ]
    }

    /// A shell expression that is Alice's token for orders.
    pub(super) fn alice(&self) -> String {
        self.user(&ALICE, &PORTAL, ORDERS)
    }

    /// A shell expression that is the token of a person.
    fn user(&self, person: &Person, app: &App, scope: &str) -> String {
        let secret = app.secret.map(|secret| format!(" -d client_secret={secret}"));
        format!(
            "$(curl -s {}/{}/oauth2/v2.0/token -d grant_type=password -d client_id={}{} \
             -d username={} -d password={} -d scope={scope} | {TOKEN_ONLY})",
            self.authority,
            person.tenant,
            app.client_id,
            secret.unwrap_or_default(),
            person.username,
            person.password,
        )
    }

    /// A shell expression that is the token of an application alone.
    pub(super) fn app(&self, app: &App, scope: &str) -> String {
        format!(
            "$(curl -s {}/{HOME_TENANT}/oauth2/v2.0/token -d grant_type=client_credentials \
             -d client_id={} -d client_secret={} -d scope={scope} | {TOKEN_ONLY})",
            self.authority,
            app.client_id,
            app.secret.unwrap_or_default(),
        )
    }

    pub(super) fn introspect(&self, token: &str) -> String {
        format!("curl -s http://{}/introspect -u {TYK} -d token={token}", self.public)
    }

    fn explain(&self, token: &str) -> String {
        format!("curl -s http://{}/explain -d token={token}", self.admin)
    }

    /// The signature begins with other letters, so it does not match.
    fn tampered(&self) -> String {
        let token = self.alice();
        let inner = token.trim_end_matches(')');
        format!(r"{inner} | sed 's/\.....\([^.]*\)$/.AAAA\1/')")
    }

    fn explain_by_command(&self) -> String {
        format!("{} {}", self.command(), self.tampered())
    }

    /// `tessera explain`, as it is to be called here.
    pub(super) fn command(&self) -> String {
        let own = std::env::current_exe()
            .map_or_else(|_unknown| "tessera".to_owned(), |path| path.display().to_string());
        let port = self.authority.rsplit(':').next().unwrap_or_default();
        format!("'{own}' explain --dev --tenant-port {port}")
    }

    fn as_gateway(&self) -> String {
        format!(
            "curl -s http://{}/introspect -H \"Authorization: Bearer {}\" -d token={}",
            self.public,
            self.app(&GATEWAY, "api://tessera/.default"),
            self.alice(),
        )
    }

    fn signed(&self) -> String {
        let kind = crate::protocol::introspection::SIGNED_MEDIA_TYPE;
        let plain = self.introspect(&self.alice());
        plain.replacen("curl -s", &format!("curl -s -H 'Accept: {kind}'"), 1)
    }
}
