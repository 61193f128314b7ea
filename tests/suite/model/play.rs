//! Plays a case: does what it says to running services and to the reference, and compares.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use tessera::dev::tenant::OldKey;

use super::case::{Case, Exchange, Step, Target};
use super::reference::{Ask, Declared, Held, Mark, Minted, No, Revoked, Site, Use, ask, read};
use super::rig::Rig;
use super::setup::{CLIENTS, Client, RANDOM_CLIENTS, Setup};
use super::tokens::{SignIn, mirrored, proof};
use crate::exchange::{ACCESS_TOKEN, GRANT, ID_TOKEN, JWT};
use crate::support::Answer;

/// What happened, so that a run can be told from one in which nothing did.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) active: usize,
    pub(super) inactive: usize,
    pub(super) issued: usize,
    pub(super) refused: usize,
    pub(super) revoked: usize,
    /// The deepest chain, and the longest ancestry.
    pub(super) depth: usize,
    pub(super) hops: usize,
}

struct Play<'r> {
    rig: &'r mut Rig,
    setup: Setup,
    tokens: Vec<Held>,
    marks: Vec<Mark>,
    /// What each of our own tokens is called.
    names: HashMap<String, Value>,
    seen: &'r mut Seen,
}

/// Plays `case` from its beginning to its end; panics where service and reference differ.
pub(super) fn play(case: &Case, rig: &mut Rig, seen: &mut Seen) {
    // So late that nothing of the case before matters any more.
    rig.advance(5000);
    rig.reload(&case.setup);
    let (tokens, marks, names) = (Vec::new(), Vec::new(), HashMap::new());
    let mut play = Play { rig, setup: case.setup.clone(), tokens, marks, names, seen };
    case.sign_ins.iter().for_each(|sign_in| play.sign_in(sign_in));
    for step in &case.steps {
        play.step(step);
    }
    play.sweep();
}

impl Play<'_> {
    fn step(&mut self, step: &Step) {
        let replicas = self.rig.replicas.len();
        match step {
            Step::SignIn(sign_in) => self.sign_in(sign_in),
            Step::Introspect { at, client, token } => {
                let client = self.client(*client).clone();
                self.compare(at % replicas, &client, token % self.tokens.len());
            }
            Step::Exchange(exchange) => self.exchange(exchange),
            Step::Mirror { token } => {
                let token = self.token(*token);
                let Held::Own { text, says } = token else { return };
                let says = says.clone();
                let text = mirrored(text);
                self.tokens.extend(text.map(|text| Held::Own { text, says }));
            }
            Step::Revoke { at, client, token } => self.revoke(at % replicas, *client, *token),
            Step::Order { at, what, token, back } => {
                self.order(at % replicas, *what, *token, *back);
            }
            Step::Advance(seconds) => self.rig.advance(*seconds),
            Step::Rotate { kept } => {
                self.rig.rotate(if *kept { OldKey::Kept } else { OldKey::Dropped });
            }
            Step::RotateOwn { at } => self.rig.rotate_own(at % replicas),
            Step::Reload(setup) => self.reload(setup.clone()),
            Step::Adjust { part, like } => self.reload(self.setup.clone().adjusted(*part, like)),
        }
    }

    /// What was told before must not be told again where it is not right any more.
    fn reload(&mut self, setup: Setup) {
        self.sweep_at(0);
        self.rig.reload(&setup);
        self.setup = setup;
    }

    fn site(&self) -> Site<'_> {
        Site {
            setup: &self.setup,
            authority: self.rig.entra.authority(),
            now: self.rig.now(),
            trusted: &self.rig.trusted,
            marks: &self.marks,
        }
    }

    fn sign_in(&mut self, sign_in: &SignIn) {
        let signed = sign_in.make(&self.rig.entra);
        self.tokens.push(Held::Entra(signed));
    }

    /// Every third time the newest one, so that chains grow.
    fn token(&self, number: usize) -> &Held {
        let newest = self.tokens.len() - 1;
        &self.tokens[if number.is_multiple_of(3) { newest } else { number % self.tokens.len() }]
    }

    /// A client that is there now, but not the one that watches.
    fn client(&self, number: usize) -> &Client {
        let count = self.setup.clients.len() - (CLIENTS.len() - RANDOM_CLIENTS);
        &self.setup.clients[number % count]
    }

    /// Every token, asked by everybody everywhere: nothing that was remembered differs from what is
    /// right now (P8), nobody sees what is not theirs (P9), and what is revoked stays so (P14).
    fn sweep(&mut self) {
        (0..self.rig.replicas.len()).for_each(|at| self.sweep_at(at));
    }

    fn sweep_at(&mut self, at: usize) {
        for client in self.setup.clients.clone() {
            for token in 0..self.tokens.len() {
                self.compare(at, &client, token);
            }
        }
    }

    fn compare(&mut self, at: usize, client: &Client, token: usize) {
        let held = self.tokens[token].clone();
        let answer = self.rig.replicas[at].introspect(client.id, held.text());
        let Some(expected) = self.site().told(client, &held) else {
            self.seen.inactive += 1;
            assert_eq!(
                (answer.status, &*answer.text()),
                (200, r#"{"active":false}"#),
                "P7 {} {held:?}",
                client.id
            );
            return;
        };
        self.seen.active += 1;
        let mut told = answer.json();
        if let Held::Own { says, .. } = &held {
            let name = told.as_object_mut().unwrap().remove("jti").unwrap_or_default();
            self.is_called(says, &name);
        }
        assert_eq!((answer.status, told), (200, expected), "P8, P9, P10 {} {held:?}", client.id);
    }

    /// A token has one name, and no other has it.
    fn is_called(&mut self, says: &Minted, name: &Value) {
        assert!(name.as_str().is_some_and(|name| !name.is_empty()), "{name} {says:?}");
        let known = self.names.entry(says.id.clone()).or_insert_with(|| name.clone());
        assert_eq!(known, name, "{says:?}");
        assert_eq!(self.names.values().filter(|known| *known == name).count(), 1, "{says:?}");
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let at = exchange.at % self.rig.replicas.len();
        let actor = exchange.actor.map(|actor| match actor {
            Ok((app, ends)) => Held::Entra(proof(&self.rig.entra, app, ends)),
            Err(token) => self.token(token).clone(),
        });
        let client = self.client(exchange.client).clone();
        let subject = self.token(exchange.token).clone();
        let asked = Ask {
            client: &client,
            subject: (&subject, exchange.declared),
            actor: actor.as_ref(),
            targets: exchange.targets.clone(),
            scopes: exchange.scopes.clone(),
            jwt: exchange.jwt,
        };
        let (setup, tokens) = (self.setup.clone(), self.tokens.clone());
        let granted = if exchange.eager { self.granted(&setup, &tokens, &asked) } else { None };
        let asked = granted.unwrap_or(asked);
        let fields = fields(&asked);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = self.rig.replicas[at].post("/token", asked.client.id, &fields);
        match ask(&asked, &self.site()) {
            Err(code) => {
                self.seen.refused += 1;
                assert_eq!(answer.status, 400, "{answer:?} {asked:?}");
                assert_eq!(answer.json()["error"], code, "{asked:?}");
            }
            Ok(says) => self.issued(says, &answer, exchange.jwt),
        }
    }

    /// A request like `asked`, for another token, client or target, that is granted; the newest
    /// token that can be had it for.
    fn granted<'a>(
        &self,
        setup: &'a Setup,
        tokens: &'a [Held],
        asked: &Ask<'a>,
    ) -> Option<Ask<'a>> {
        let site = self.site();
        let targets = || setup.resources.iter().map(|resource| resource.id);
        let mut all = tokens.iter().rev().flat_map(|token| {
            setup
                .clients
                .iter()
                .flat_map(move |client| targets().map(move |target| (token, client, target)))
        });
        all.find_map(|(token, client, target)| {
            let subject = (token, asked.subject.1);
            let other = Ask { client, subject, targets: vec![target], ..asked.clone() };
            ask(&other, &site).is_ok().then_some(other)
        })
    }

    /// What was issued says what it should (P1 to P5, P10), as a JWT and by introspection.
    fn issued(&mut self, mut says: Minted, answer: &Answer, jwt: bool) {
        assert_eq!(answer.status, 200, "{answer:?} {says:?}");
        let body = answer.json();
        let text = body["access_token"].as_str().unwrap().to_owned();
        let resource = self.setup.resource(&says.resource).unwrap();
        assert_eq!(text.starts_with("tsr_"), resource.opaque);
        let told =
            [&body["scope"], &body["expires_in"], &body["issued_token_type"], &body["token_type"]];
        let kind = if jwt { JWT } else { ACCESS_TOKEN };
        let right: [Value; 4] = [
            says.scopes.join(" ").into(),
            (says.expires - says.issued).into(),
            kind.into(),
            "Bearer".into(),
        ];
        assert_eq!(told, right.each_ref(), "{says:?}");
        says.id = format!("own {}", self.tokens.len());
        if !resource.opaque {
            let (algorithm, header) =
                (if resource.rs256 { "RS256" } else { "ES256" }, part(&text, 0));
            assert_eq!((&header["alg"], &header["typ"]), (&algorithm.into(), &"at+jwt".into()));
            let mut claims = part(&text, 1);
            let members = claims.as_object_mut().unwrap();
            let lineage = members.remove("lineage").unwrap();
            assert_eq!(lineage.as_array().unwrap().len(), says.ancestors.len(), "{says:?}");
            let name = members.remove("jti").unwrap();
            assert_eq!(claims, says.claims(), "P1 to P5, P10 {says:?}");
            self.is_called(&says, &name);
        }
        self.seen.issued += 1;
        self.seen.depth = self.seen.depth.max(says.chain.len());
        self.seen.hops = self.seen.hops.max(says.ancestors.len());
        self.tokens.push(Held::Own { text, says: Box::new(says) });
    }

    /// By the client that got it (RFC 7009).
    fn revoke(&mut self, at: usize, client: usize, token: usize) {
        let client = self.client(client).id;
        let held = self.token(token).clone();
        let answer = self.rig.replicas[at].post("/revoke", client, &[("token", held.text())]);
        let right = match &held {
            Held::Entra(signed) => match read(signed, &self.site(), Use::Exchange) {
                Ok(_) => Err("unsupported_token_type"),
                Err(_) => Ok(None),
            },
            Held::Own { says, .. } => match says.check(&self.site()) {
                Err(_) => Ok(None),
                Ok(()) if says.client != client => Err("invalid_grant"),
                Ok(()) => Ok(Some(self.site().mark_of(&held, false).unwrap())),
            },
        };
        match right {
            Err(code) => assert_eq!(
                (answer.status, &answer.json()["error"]),
                (400, &code.into()),
                "{held:?}"
            ),
            Ok(mark) => {
                assert_eq!(answer.status, 200, "{answer:?} {held:?}");
                self.revoked(at, mark);
            }
        }
    }

    /// By an operator.
    fn order(&mut self, at: usize, what: Target, token: usize, back: i64) {
        let held = self.token(token).clone();
        let up_to = self.rig.now() - back;
        let (name, value, right) = match what {
            Target::Principal => {
                let principal = self.principal_of(&held);
                (
                    "principal",
                    principal.clone(),
                    Ok(Mark { what: Revoked::Principal(principal), up_to }),
                )
            }
            Target::Client => {
                let client = CLIENTS[token % RANDOM_CLIENTS].0;
                let mark = Mark { what: Revoked::Client(client.to_owned()), up_to };
                (
                    "client",
                    client.to_owned(),
                    self.setup.client(client).map(|_| mark).ok_or(No::Bad),
                )
            }
            Target::Token => ("token", held.text().to_owned(), self.site().mark_of(&held, false)),
            Target::Tree => ("tree", held.text().to_owned(), self.site().mark_of(&held, true)),
        };
        let up_to = up_to.to_string();
        let fields = [(name, &*value), ("issued_up_to", &*up_to)];
        let answer = crate::support::Request::form("/revocations", &fields)
            .send(self.rig.replicas[at].admin);
        match right {
            Ok(mark) => {
                assert_eq!(
                    (answer.status, &answer.json()["revoked"]),
                    (200, &name.into()),
                    "{held:?}"
                );
                self.revoked(at, Some(mark));
            }
            // What was behind a handle need not be kept any longer than it lives.
            Err(No::Ended)
                if name == "token" && self.may_be_forgotten(&held) && answer.status == 400 => {}
            Err(No::Ended) if name == "token" => {
                assert_eq!(
                    (answer.status, &answer.json()["revoked"]),
                    (200, &Value::Null),
                    "{held:?}"
                );
            }
            Err(_) => assert_eq!(answer.status, 400, "{answer:?} {held:?}"),
        }
    }

    fn may_be_forgotten(&self, held: &Held) -> bool {
        let expired = |says: &Minted| self.rig.now() >= says.expires;
        matches!(held, Held::Own { text, says } if text.starts_with("tsr_") && expired(says))
    }

    fn principal_of(&self, held: &Held) -> String {
        let nobody = "00000000-0000-4000-8000-000000000000.00000000-0000-4000-8000-000000000000";
        match held {
            Held::Own { says, .. } => says.principal.clone(),
            Held::Entra(signed) => read(signed, &self.site(), Use::Exchange)
                .map_or_else(|_| nobody.to_owned(), |seen| seen.principal),
        }
    }

    fn revoked(&mut self, at: usize, mark: Option<Mark>) {
        if let Some(mark) = mark {
            self.seen.revoked += 1;
            self.marks.push(mark);
            self.rig.settle(at);
        }
    }
}

/// The request as it is sent.
fn fields(ask: &Ask<'_>) -> Vec<(&'static str, String)> {
    let (subject, declared) = ask.subject;
    let declared = match declared {
        Declared::AccessToken => ACCESS_TOKEN,
        Declared::Jwt => JWT,
        Declared::IdToken => ID_TOKEN,
    };
    let mut fields = vec![
        ("grant_type", GRANT.to_owned()),
        ("subject_token", subject.text().to_owned()),
        ("subject_token_type", declared.to_owned()),
    ];
    if let Some(actor) = ask.actor {
        fields.extend([
            ("actor_token", actor.text().to_owned()),
            ("actor_token_type", JWT.to_owned()),
        ]);
    }
    fields.extend(ask.targets.iter().map(|target| ("resource", (*target).to_owned())));
    fields.extend(ask.scopes.as_ref().map(|scopes| ("scope", scopes.join(" "))));
    fields.extend(ask.jwt.then(|| ("requested_token_type", JWT.to_owned())));
    fields
}

/// A part of a JWT.
fn part(text: &str, number: usize) -> Value {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
