//! §14.4: time claims. The leeway is 60 s.

use serde_json::{Value, json};
use tessera::domain::rejection::Reason;
use tessera::protocol::time::Seconds;

use super::{all_refused, named, with_payload};
use crate::support::{START, World};

const NOW: i64 = START.seconds();

#[test]
fn a70_a71_a72_a74_a75_the_expiry_is_a_plausible_number() {
    let world = World::start();
    world.assert_refused(&world.sign(&world.alice().without("exp")), Reason::ClaimMissing);
    let values: Vec<Value> = vec![
        (NOW + 600).to_string().into(),
        true.into(),
        Value::Null,
        json!([NOW + 600]),
        json!({ "at": NOW + 600 }),
        (-1).into(),
        0.into(),
        (NOW * 1000).into(),
        253_402_300_799_i64.into(),
        i64::MAX.into(),
        u64::MAX.into(),
        json!(1e18),
        (NOW + 49 * 3600).into(),
    ];
    let tokens: Vec<_> =
        values.into_iter().map(|value| world.alice().claim("exp", value)).collect();
    all_refused(&world, "A71 A72 A74 A75", named(&tokens, &world));
}

#[test]
fn a73_a_fraction_of_a_second_is_legal_and_floored() {
    let world = World::start();
    let token = world.sign(&world.alice().claim("exp", f64::from(1_795_436_000) + 0.5));
    let body = world.assert_active(&token);
    assert_eq!(body["exp"], json!(1_795_436_000), "INT-14");
}

#[test]
fn a76_the_leeway_ends_to_the_second() {
    let world = World::start();
    let token = |exp: i64| {
        let token = world.alice().claim("iat", NOW - 600).claim("nbf", NOW - 600);
        world.sign(&token.claim("exp", exp))
    };
    for exp in [NOW, NOW - 1, NOW - 59] {
        world.assert_active(&token(exp));
    }
    for exp in [NOW - 60, NOW - 61] {
        world.assert_refused(&token(exp), Reason::Expired);
    }
}

#[test]
fn a77_a78_a79_a_token_has_begun_and_not_ended_before() {
    let world = World::start();
    let alice = || world.alice();
    world.assert_active(&world.sign(&alice().claim("nbf", NOW + 60).claim("iat", NOW + 60)));
    let early = alice().claim("nbf", NOW + 61);
    world.assert_refused(&world.sign(&early), Reason::NotYetValid);
    let backwards = alice().claim("nbf", NOW + 30).claim("exp", NOW + 20);
    world.assert_refused(&world.sign(&backwards), Reason::LifetimeImplausible);
    let future = alice().claim("iat", NOW + 61).without("nbf");
    world.assert_refused(&world.sign(&future), Reason::IssuedInFuture);
}

#[test]
fn a80_the_other_times_are_numbers_too() {
    let world = World::start();
    let mut tokens = Vec::new();
    for claim in ["iat", "nbf"] {
        for value in [json!(NOW.to_string()), json!(-1), json!(null), json!([NOW]), json!(true)] {
            tokens.push(world.alice().claim(claim, value));
        }
    }
    tokens.push(world.alice().claim("iat", NOW + 50).claim("exp", NOW + 40));
    all_refused(&world, "A80", named(&tokens, &world));
    let huge = with_payload(&world, |text| {
        text.replacen(&format!("\"iat\":{NOW}"), "\"iat\":99999999999999999999999", 1)
    });
    world.introspect(&huge).assert_inactive();
}

#[test]
fn a81_no_access_token_lives_for_days() {
    let world = World::start();
    let old = world.alice().claim("iat", NOW - 3 * 86_400).claim("nbf", NOW - 3 * 86_400);
    world.assert_refused(&world.sign(&old), Reason::LifetimeImplausible);
}

#[test]
fn a83_a_clock_set_back_revives_nothing_it_remembers() {
    let world = World::start();
    let token = world.sign(&world.alice());
    world.assert_active(&token);
    world.clock.advance(Seconds::hours(2));
    world.introspect(&token).assert_inactive();
    // The system's own clock never goes back: see `adapters::clock`. The refusal stands meanwhile.
    world.clock.advance(Seconds::new(1));
    world.introspect(&token).assert_inactive();
}
