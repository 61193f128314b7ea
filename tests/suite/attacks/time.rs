//! §14.4: time claims. The leeway is 60 s.

use serde_json::{Value, json};
use tessera::domain::rejection::Reason;
use tessera::protocol::time::Seconds;

use super::places::{Place, Stand};
use super::{attack, world};
use crate::support::START;

const NOW: i64 = START.seconds();

#[test]
fn a70_a71_a72_a74_a75_the_expiry_is_a_plausible_number() {
    let world = world();
    attack("A70 A71 A72 A74 A75").tries_in(&world, |stand| {
        let values: [Value; 13] = [
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
        let absent = stand.signed([stand.good().without("exp")]);
        [stand.with_claim("exp", values), absent].concat()
    });
    world.assert_refused(&world.sign(&world.alice().without("exp")), Reason::ClaimMissing);
}

#[test]
fn a73_a_fraction_of_a_second_is_legal_and_floored() {
    let world = world();
    let token = world.sign(&world.alice().claim("exp", f64::from(1_795_436_000) + 0.5));
    let body = world.assert_active(&token);
    assert_eq!(body["exp"], json!(1_795_436_000), "INT-14");
    for place in Place::ALL {
        let stand = Stand::new(&world, place);
        let exp = f64::from(1_795_435_260) + 0.5;
        stand.accepts(&stand.sign(&stand.good().claim("exp", exp)));
    }
}

/// Good until `exp`, and issued a while ago.
fn until(stand: &Stand<'_>, exp: i64) -> String {
    let token = stand.good().claim("iat", NOW - 200).claim("nbf", NOW - 200);
    stand.sign(&token.claim("exp", exp))
}

/// A82 too: what was good to the last second of the leeway lives on in nothing that is issued.
#[test]
fn a76_the_leeway_ends_to_the_second() {
    let world = world();
    for place in
        [Place::Introspected, Place::Assertion, Place::Account, Place::Bearer, Place::Gateway]
    {
        let stand = Stand::new(&world, place);
        for exp in [NOW, NOW - 1, NOW - 59] {
            stand.accepts(&until(&stand, exp));
        }
    }
    attack("A76").tries_in(&world, |stand| {
        [NOW - 60, NOW - 61].map(|exp| (format!("{exp}"), until(stand, exp))).to_vec()
    });
    attack("A82").at(&[Place::Subject, Place::Actor]).tries_in(&world, |stand| {
        [NOW + 29, NOW, NOW - 59].map(|exp| (format!("{exp}"), until(stand, exp))).to_vec()
    });
    let expired = until(&Stand::new(&world, Place::Introspected), NOW - 60);
    world.assert_refused(&expired, Reason::Expired);
}

#[test]
fn a77_a78_a79_a_token_has_begun_and_not_ended_before() {
    let world = world();
    for place in Place::ALL {
        let stand = Stand::new(&world, place);
        let skewed = stand.good().claim("nbf", NOW + 60).claim("iat", NOW + 60);
        stand.accepts(&stand.sign(&skewed.claim("exp", NOW + 120)));
    }
    attack("A77 A78 A79").tries_in(&world, |stand| {
        stand.signed([
            stand.good().claim("nbf", NOW + 61),
            stand.good().claim("nbf", NOW + 50).claim("exp", NOW + 40),
            stand.good().claim("iat", NOW + 61).without("nbf"),
        ])
    });
    for (token, reason) in [
        (world.alice().claim("nbf", NOW + 61), Reason::NotYetValid),
        (world.alice().claim("nbf", NOW + 30).claim("exp", NOW + 20), Reason::LifetimeImplausible),
        (world.alice().claim("iat", NOW + 61).without("nbf"), Reason::IssuedInFuture),
    ] {
        world.assert_refused(&world.sign(&token), reason);
    }
}

#[test]
fn a80_the_other_times_are_numbers_too() {
    attack("A80").tries(|stand| {
        let values = || [json!(NOW.to_string()), json!(-1), json!(null), json!([NOW]), json!(true)];
        let mut tokens = [stand.with_claim("iat", values()), stand.with_claim("nbf", values())];
        let backwards = stand.good().claim("iat", NOW + 50).claim("exp", NOW + 40);
        tokens[0].extend(stand.signed([backwards]));
        let (old, new) = (format!("\"iat\":{NOW}"), "\"iat\":99999999999999999999999");
        let huge = stand.with_payload(|text| text.replacen(&old, new, 1));
        tokens[0].push(("huge".to_owned(), huge));
        tokens.concat()
    });
}

#[test]
fn a81_no_token_lives_for_longer_than_its_kind() {
    let world = world();
    let days = NOW - 3 * 86_400;
    attack("A81").at(&Place::OF_ENTRA).tries_in(&world, |stand| {
        stand.signed([stand.good().claim("iat", days).claim("nbf", days)])
    });
    attack("A81").at(&[Place::Account]).tries_in(&world, |stand| {
        let long = stand.good().claim("exp", NOW + 86_401);
        stand.signed([long, stand.good().claim("iat", days).claim("nbf", days)])
    });
    attack("A81 A210").at(&[Place::Assertion]).tries_in(&world, |stand| {
        let old = stand.good().claim("iat", NOW - 601).claim("nbf", NOW - 601);
        let unborn = stand.good().claim("iat", NOW + 40).claim("exp", NOW + 341);
        stand.signed([old, unborn])
    });
    let old = world.alice().claim("iat", days).claim("nbf", days);
    world.assert_refused(&world.sign(&old), Reason::LifetimeImplausible);
}

#[test]
fn a83_a_clock_set_back_revives_nothing_it_remembers() {
    let world = world();
    let token = world.sign(&world.alice());
    world.assert_active(&token);
    world.clock.advance(Seconds::hours(2));
    world.introspect(&token).assert_inactive();
    // The system's own clock never goes back: see `adapters::clock`. The refusal stands meanwhile.
    world.clock.advance(Seconds::new(1));
    world.introspect(&token).assert_inactive();
}
