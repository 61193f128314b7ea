//! The steps of a request, each by itself.

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use gungraun::{library_benchmark, library_benchmark_group};
use tessera::adapters::clock::ManualClock;
use tessera::adapters::revocations::MemoryRevocations;
use tessera::dev::apps::ORDERS;
use tessera::domain::answer::TokenIssuer;
use tessera::domain::delegation::Actor;
use tessera::domain::exchange::{Grant, Question as Exchange, decide};
use tessera::domain::identity::{Context, facts, permitted};
use tessera::domain::mapping::{Mapped, Mapping};
use tessera::domain::subject_token::SubjectToken;
use tessera::domain::validate::{ValidToken, access_token};
use tessera::protocol::ids::Fingerprint;
use tessera::protocol::jws::{SignedJwt, UnverifiedJwt};
use tessera::protocol::params::Form;
use tessera::protocol::time::Seconds;
use tessera::service::snapshot::Snapshot;
use tessera::service::standing::Standing;
use tessera::service::verdict_cache::{Entry, Question, Recalled, VerdictCache};

use crate::at_most;
use crate::fixture::{NOW, RESOURCE, Signed, Valid, configuration, issuer, mapping};
use crate::mint::SECRET;

/// For as long as the process lives, which is one benchmark.
fn kept<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn body() -> &'static [u8] {
    let token = Signed::new().token;
    kept(format!("client_id=tyk&client_secret={SECRET}&token={token}")).as_bytes()
}

// Reads the form of a caller.
#[library_benchmark(config = at_most(5_000))]
#[bench::introspection(body())]
fn form(body: &'static [u8]) -> Form<'static> {
    black_box(Form::parse(black_box(body)).unwrap())
}

// Reads a token that nobody believes yet.
#[library_benchmark(config = at_most(44_500))]
#[bench::typical(kept(Signed::new()))]
fn parse_token(signed: &'static Signed) -> UnverifiedJwt<'static> {
    black_box(UnverifiedJwt::parse(black_box(&signed.token)).unwrap())
}

fn read() -> (UnverifiedJwt<'static>, &'static Signed) {
    let signed = kept(Signed::new());
    (signed.parsed(), signed)
}

// RS256.
#[library_benchmark(config = at_most(362_000))]
#[bench::rs256(read())]
fn check_signature((jwt, signed): (UnverifiedJwt<'static>, &'static Signed)) -> SignedJwt {
    black_box(jwt.verify(Arc::clone(&signed.key)).unwrap())
}

fn believed() -> SignedJwt {
    let (jwt, signed) = read();
    jwt.verify(Arc::clone(&signed.key)).unwrap()
}

// Applies the rules to a token whose signature is good.
#[library_benchmark(config = at_most(10_700))]
#[bench::access_token(believed())]
fn apply_rules(signed: SignedJwt) -> ValidToken {
    let audiences = [ORDERS.client_id.to_owned()];
    black_box(access_token(black_box(signed), issuer(), &audiences, NOW).unwrap())
}

fn mapped(rules: usize) -> (&'static Valid, &'static Mapping) {
    (kept(Valid::new()), kept(mapping(rules)))
}

// From groups to policies, by so many rules of which one matches.
#[library_benchmark]
#[bench::rules_1(args = (mapped(1)), config = at_most(950))]
#[bench::rules_10000(args = (mapped(10_000)), config = at_most(4_400))]
fn apply_mapping((valid, mapping): (&'static Valid, &'static Mapping)) -> Mapped {
    let mapped = mapping.apply(black_box(&facts(&valid.token, valid.groups())));
    assert_eq!(mapped.rules.len(), 1);
    black_box(mapped)
}

// Prepares the answer about a valid token.
#[library_benchmark(config = at_most(29_000))]
#[bench::introspection(kept(Valid::new()))]
fn write_answer(valid: &'static Valid) -> Vec<u8> {
    let client = valid.config.clients.first().unwrap();
    let permission = permitted(&valid.token.audience, client.introspect.as_ref()).unwrap();
    let context = Context::new(&valid.token, permission, valid.groups(), &valid.config.mapping);
    black_box(serde_json::to_vec(&context.answer().unwrap()).unwrap())
}

fn subject() -> (&'static Valid, &'static SubjectToken) {
    let valid = kept(Valid::new());
    (valid, kept(valid.subject()))
}

// Decides whether a client may have a token for a resource.
#[library_benchmark(config = at_most(4_600))]
#[bench::of_a_person(subject())]
fn decide_exchange((valid, subject): (&'static Valid, &'static SubjectToken)) -> Grant<'static> {
    let client = valid.config.clients.first().unwrap();
    let resource = valid.config.resources.iter().find(|one| one.id == RESOURCE).unwrap();
    let actor = kept(Actor { client, principal: None, expires: None, presented: false });
    let (issuer, scopes) = (&*valid.config.issuer, Some(&["orders.read"][..]));
    let question = Exchange { issuer, client, resource, scopes, subject, actor };
    black_box(decide(black_box(question), NOW).unwrap())
}

/// How many answers are kept beside the one that is asked for.
const KEPT: usize = 1000;

fn full() -> (&'static VerdictCache, Question) {
    let signed = kept(Signed::new());
    let config = configuration("http://127.0.0.1:1");
    let client = &config.clients.first().unwrap().id;
    let view = Snapshot::of(&config).caller(client).unwrap().view;
    let revocations = Arc::new(MemoryRevocations::new(Arc::new(ManualClock::new(NOW))));
    let cache = kept(VerdictCache::new(64 * 1024 * 1024, revocations));
    let keep = |token: Fingerprint| {
        let ends = NOW.plus(Seconds::minutes(5));
        let standing = Standing::new(ends, Some(Arc::clone(&signed.key)), Box::default(), 0);
        let (body, issuer) = (Bytes::from(vec![b'x'; 1100]), TokenIssuer::Tessera);
        let entry = Entry { body, issuer, standing: Arc::new(standing) };
        let decided = async { Ok::<_, ()>(((), Some(entry))) };
        crate::requests::at_once(cache.decide(&Question { token, view }, decided)).unwrap();
    };
    (0..KEPT).for_each(|number| keep(Fingerprint::of(&number.to_be_bytes())));
    let token = Fingerprint::of(signed.token.as_bytes());
    keep(token);
    (cache, Question { token, view })
}

// Finds an answer that was given before. The digest of the token is not counted here: it is most
// of the work, and none of ours.
#[library_benchmark(config = at_most(470))]
#[bench::among_1000(full())]
fn recall((cache, question): (&'static VerdictCache, Question)) -> Recalled {
    black_box(cache.recall(black_box(&question), NOW, || true).unwrap())
}

library_benchmark_group!(
    name = pieces,
    benchmarks = [
        form,
        parse_token,
        check_signature,
        apply_rules,
        apply_mapping,
        write_answer,
        decide_exchange,
        recall
    ]
);
