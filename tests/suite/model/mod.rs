//! The rules of tessera as a model (standards §17): random configurations, tokens, times and sequences
//! of sign-ins, introspections, exchanges, revocations, rotations and reloads, played to running
//! services over HTTP and to a reference that is small, slow and obviously right. They must agree
//! about every answer.
//!
//! `MODEL_CASES` says how many cases of each, `MODEL_SEED` which. Failing cases are made small, and
//! their seeds kept in `regressions.txt`, which is played first.

mod case;
mod play;
mod reference;
mod rig;
mod setup;
mod tokens;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed, TestRunner};

use case::case;
use play::{Seen, play};
use rig::Rig;
use setup::setup;

/// The seeds of cases that failed once.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/model/regressions.txt");

#[expect(clippy::disallowed_methods, reason = "how long a run is, for whoever runs it")]
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// What a case is drawn from is large, and moved about on the stack.
const STACK: usize = 64 << 20;

fn in_room(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(test).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

/// Plays `cases` cases, or as many as the environment says, to `rig`.
#[expect(clippy::print_stderr, reason = "the seed of a failed run")]
fn play_many(cases: u32, rig: fn(&setup::Setup) -> Rig) {
    let cases = number("MODEL_CASES").map_or(cases, |cases| cases.try_into().unwrap());
    let seed = number("MODEL_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let mut rig = rig(&setup().new_tree(&mut runner).unwrap().current());
    let mut found = Seen::default();
    let ended = {
        let cell = std::cell::RefCell::new((&mut rig, &mut found));
        runner.run(&case(), |case| {
            let (rig, found) = &mut *cell.borrow_mut();
            play(&case, rig, found);
            Ok(())
        })
    };
    if let Err(failed) = ended {
        eprintln!("MODEL_SEED={seed} MODEL_CASES={cases}");
        panic!("{failed}");
    }
    // None of this is true of a run in which everything is refused.
    let Seen { active, inactive, issued, refused, revoked, depth, hops } = found;
    let cases = usize::try_from(cases).unwrap();
    let enough =
        active > 4 * cases && inactive > 4 * cases && refused > cases && issued * 3 > cases;
    let rich = revoked * 5 > cases && depth >= 2 && hops >= 2;
    assert!(cases < 30 || (enough && rich), "{found:?}");
}

#[test]
fn p1_to_p10_p14_one_replica_agrees_with_the_reference() {
    in_room(|| play_many(80, Rig::alone));
}

#[test]
fn p1_to_p10_p14_three_replicas_that_share_a_redis_agree_with_the_reference() {
    in_room(|| play_many(30, |first| Rig::sharing(3, first)));
}
