//! What holds for every policy, token and chain (P1…P5, P10, P14).

use proptest::prelude::*;
use tessera::domain::client::{Client, ClientCredentials, ExchangeRule};
use tessera::domain::delegation::Actor;
use tessera::domain::exchange::{MAX_HOPS, Question, decide};
use tessera::domain::issued::{IssuedToken, SignIn};
use tessera::domain::keyring::SigningAlgorithm;
use tessera::domain::lineage::{Hop, TokenId};
use tessera::domain::principal::{PrincipalId, PrincipalType};
use tessera::domain::resource::{Resource, ScopeRule, TokenFormat};
use tessera::domain::revocation::Mark;
use tessera::domain::subject_token::SubjectToken;
use tessera::protocol::delegation::Act;
use tessera::protocol::ids::ClientId;
use tessera::protocol::json::Object;
use tessera::protocol::time::Seconds;

use crate::support::{ISSUER, START};

fn names(alphabet: &'static str) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(alphabet, 0..5)
}

fn client(name: &str) -> Client {
    let id: ClientId = name.parse().unwrap();
    Client {
        id,
        credentials: ClientCredentials::default(),
        introspect: None,
        exchange: Vec::new(),
        default_resource: None,
    }
}

fn principal(number: u8) -> PrincipalId {
    let guid = format!("{number:08x}-2222-3333-4444-555555555555").parse().unwrap();
    PrincipalId { object: guid, tenant: guid }
}

prop_compose! {
    fn scope_rules()(earned in proptest::collection::vec(names("[p-t]"), 1..4)) -> Vec<ScopeRule> {
        let named = |(number, earned_by)| ScopeRule { name: format!("s{number}"), earned_by };
        earned.into_iter().enumerate().map(named).collect()
    }
}

prop_compose! {
    fn resource()(id in "[xyz]", scopes in scope_rules(), ttl in 30_i64..900,
                  callers in proptest::sample::subsequence(vec!["a", "b", "c", "d", "e"], 1..=5))
                 -> Resource {
        Resource {
            id, scopes, ttl: Seconds::new(ttl), format: TokenFormat::default(),
            algorithm: SigningAlgorithm::default(),
            callers: callers.into_iter().map(|name| name.parse().unwrap()).collect(),
            from: Vec::new(), subjects: Vec::new(), release: Vec::new(), may_act: None,
        }
    }
}

prop_compose! {
    fn rule()(resource in "[xyz]", scopes in names("s[0-3]"), impersonate in any::<bool>(),
              from in names("[xyz]"), ttl in proptest::option::of(30_i64..900)) -> ExchangeRule {
        ExchangeRule {
            resource, scopes, from, impersonate,
            subjects: vec![PrincipalType::User], ttl: ttl.map(Seconds::new),
            ..ExchangeRule::default()
        }
    }
}

prop_compose! {
    fn sign_in()(person in 1_u8..4, earns in names("[p-t]"), life in -60_i64..5000,
                 acr in proptest::option::of("[0-9]"), audience in "[xyz]",
                 for_exchange in any::<bool>()) -> SubjectToken {
        SubjectToken {
            principal: principal(person), kind: PrincipalType::User, audience: vec![audience],
            for_exchange, expires: START.plus(Seconds::new(life)), earns, resource: None,
            policies: vec!["gold".to_owned()], grants: Vec::new(), roles: Vec::new(),
            groups: None, groups_overage: true, act: None, acting_app: None, own_app: None,
            may_act: Ok(None), sign_in: SignIn { acr, ..SignIn::default() },
            hops: vec![Hop { id: TokenId::of("entra", &life.to_string()), issued_at: START, by: vec![] }],
        }
    }
}

/// One step of a chain: who asks, what of, and how much later.
type Step = (String, Resource, Vec<ExchangeRule>, Option<Vec<String>>, i64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (
        "[a-e]",
        resource(),
        proptest::collection::vec(rule(), 0..4),
        proptest::option::of(names("s[0-3]")),
        0_i64..120,
    );
    proptest::collection::vec(step, 1..7)
}

fn parties(act: Option<&Act>) -> Vec<String> {
    act.iter().flat_map(|act| act.parties()).map(|party| party.sub.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p1_to_p5_p10_p14_no_chain_of_exchanges_gains_anything(root in sign_in(), steps in steps()) {
        let mut subject = root.clone();
        let mut now = START;
        let mut issued: Vec<IssuedToken> = Vec::new();
        for (number, (name, resource, rules, asked, later)) in steps.into_iter().enumerate() {
            now = now.plus(Seconds::new(later));
            let named = |(number, rule)| ExchangeRule { name: format!("rule {number}"), ..rule };
            let rules = rules.into_iter().enumerate().map(named).collect();
            let caller = Client { exchange: rules, ..client(&name) };
            let actor = Actor { client: &caller, principal: None, expires: None, presented: false };
            let asked: Option<Vec<&str>> =
                asked.as_ref().map(|scopes| scopes.iter().map(String::as_str).collect());
            let question = Question {
                issuer: ISSUER, client: &caller, resource: &resource, scopes: asked.as_deref(),
                subject: &subject, actor: &actor,
            };
            let Ok(grant) = decide(question, now) else { continue };
            let rule = caller.exchange.iter().find(|rule| rule.name == grant.rule).unwrap();
            let token = grant.mint(&caller, ISSUER, &subject, (format!("t{number}"), now));
            prop_assert!(token.expires <= subject.expires, "P1");
            prop_assert!(token.expires <= now.plus(resource.ttl), "P1");
            prop_assert!(resource.callers.contains(&caller.id), "the owner agreed");
            for scope in &token.scopes {
                let earned = &resource.scope(scope).expect("P2: known to the resource").earned_by;
                let same = subject.resource.as_ref() == Some(&resource.id);
                let held = if same { subject.earns.contains(scope) }
                    else { earned.iter().any(|one| subject.earns.contains(one)) };
                prop_assert!(held, "P2: the subject has it");
                prop_assert!(rule.scopes.contains(scope), "P2: the client may ask for it");
                prop_assert!(asked.as_ref().is_none_or(|asked| asked.contains(&scope.as_str())));
            }
            prop_assert_eq!(&token.resource, &resource.id, "P3");
            prop_assert_eq!(token.principal, root.principal, "P4");
            let (before, after) = (parties(subject.act.as_ref()), parties(token.act.as_ref()));
            let expected = if rule.impersonate { before } else { [vec![name], before].concat() };
            prop_assert_eq!(after, expected, "P5");
            prop_assert!(token.ancestors.len() <= MAX_HOPS, "P5");
            prop_assert_eq!(&token.sign_in, &root.sign_in, "P10");
            let claims = Object::parse(&token.to_claims(ISSUER).unwrap()).unwrap();
            prop_assert_eq!(IssuedToken::read(&claims, ISSUER, now), Ok(token.clone()));
            for ancestor in &issued {
                let own = ancestor.lineage(ISSUER).hops.last().unwrap().id;
                let mark = Mark::token(own, ancestor.expires);
                let ended = token.lineage(ISSUER).exposures().iter().any(|one| mark.ends(one));
                prop_assert!(ended, "P14: it ends with everything it came from");
                prop_assert!(mark.forget_at > token.expires, "P14: and is remembered so long");
            }
            subject = SubjectToken::of_issued(token.clone(), token.lineage(ISSUER).hops);
            issued.push(token);
        }
    }

    #[test]
    fn a171_those_who_acted_before_decide_nothing(root in sign_in(), resource in resource(), rules in
            proptest::collection::vec(rule(), 1..4), old in "[m-o]{1,8}", iss in "[a-z]{1,8}") {
        let caller = Client { exchange: rules, ..client("a") };
        let actor = Actor { client: &caller, principal: None, expires: None, presented: false };
        let outcome = |act: Option<Act>| {
            let subject = SubjectToken { act, ..root.clone() };
            let question = Question {
                issuer: ISSUER, client: &caller, resource: &resource, scopes: None,
                subject: &subject, actor: &actor,
            };
            decide(question, START).map(|grant| (grant.scopes, grant.expires)).map_err(|no| no.reason)
        };
        let nested = Act { iss, sub: old, act: None };
        let outer = |act| Act { iss: ISSUER.to_owned(), sub: "z".to_owned(), act };
        prop_assert_eq!(outcome(Some(outer(None))), outcome(Some(outer(Some(Box::new(nested))))));
    }
}

#[test]
fn a_principal_is_read_as_it_is_written() {
    let one = principal(7);
    assert_eq!(one.to_string().parse(), Ok(one));
    assert!("7".parse::<PrincipalId>().is_err());
}
