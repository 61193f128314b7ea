use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use strum::VariantArray as _;

use super::*;

const RULES: Rules =
    Rules { rotate: Seconds::hours(48), announce: Seconds::hours(24), keep: Seconds::hours(2) };
const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

fn at(hours: i64) -> UnixTime {
    UnixTime::from_seconds(1_000_000).plus(Seconds::hours(hours))
}

/// Gives the ring the keys it lacks, named by number.
fn fill(ring: &mut Ring, made: &mut u32, now: UnixTime) {
    for state in [KeyState::Active, KeyState::Next] {
        for algorithm in ring.lacking(state) {
            *made = made.wrapping_add(1);
            ring.add(made.to_string().into(), algorithm, now);
        }
    }
}

/// A ring made at hour 0: `1` (ES256) and `2` (RS256) sign, `3` and `4` follow.
fn fresh() -> (Ring, u32) {
    let (mut ring, mut made) = (Ring::default(), 0);
    fill(&mut ring, &mut made, at(0));
    (ring, made)
}

fn state(ring: &Ring, kid: &str) -> Option<KeyState> {
    ring.find(kid).map(|entry| entry.state)
}

fn told(before: &Ring, after: &Ring, now: i64) -> Vec<(String, Change)> {
    let all = changes(before, after, &RULES, at(now)).into_iter();
    all.map(|(entry, change)| (entry.kid.to_string(), change)).collect()
}

#[test]
fn the_first_key_signs_at_once_and_the_next_is_published_ahead() {
    let (ring, _) = fresh();
    assert_eq!(state(&ring, "1"), Some(KeyState::Active));
    assert_eq!(state(&ring, "3"), Some(KeyState::Next));
    assert!(!ring.is_due(&RULES, at(47)));
    let mut full = ring.clone();
    full.add("5".into(), ES256, at(1));
    assert_eq!(full, ring, "one next key is enough");
}

#[test]
fn a_key_lives_by_the_clock() {
    let (mut ring, mut made) = fresh();
    ring.advance(&RULES, at(47));
    assert_eq!(ring, fresh().0);
    assert!(ring.is_due(&RULES, at(48)));
    let before = ring.clone();
    ring.advance(&RULES, at(48));
    fill(&mut ring, &mut made, at(48));
    assert_eq!(
        told(&before, &ring, 48),
        [
            ("1".to_owned(), Change::Retired),
            ("2".to_owned(), Change::Retired),
            ("3".to_owned(), Change::Activated),
            ("4".to_owned(), Change::Activated),
            ("5".to_owned(), Change::Announced),
            ("6".to_owned(), Change::Announced),
        ]
    );
    ring.advance(&RULES, at(49));
    assert_eq!(state(&ring, "1"), Some(KeyState::Retired));
    assert!(ring.is_due(&RULES, at(50)));
    let before = ring.clone();
    ring.advance(&RULES, at(50));
    assert_eq!(told(&before, &ring, 50)[0], ("1".to_owned(), Change::Expired));
    assert!(!ring.is_due(&RULES, at(50)));
}

#[test]
fn a_next_key_made_late_is_announced_before_it_signs() {
    let (mut ring, mut made) = (Ring::default(), 0);
    for algorithm in SigningAlgorithm::VARIANTS {
        made += 1;
        ring.add(made.to_string().into(), *algorithm, at(0));
    }
    ring.advance(&RULES, at(90));
    assert_eq!(state(&ring, "1"), Some(KeyState::Active), "an old key is better than none");
    fill(&mut ring, &mut made, at(90));
    ring.advance(&RULES, at(113));
    assert_eq!(state(&ring, "1"), Some(KeyState::Active));
    ring.advance(&RULES, at(114));
    assert_eq!(state(&ring, "3"), Some(KeyState::Active));
}

#[test]
fn an_order_to_rotate_waits_until_the_next_key_is_known() {
    let (mut ring, _) = fresh();
    let waits = Rotation::Waits { until: at(24) };
    assert_eq!(ring.rotate(ES256, &RULES, at(1)), waits);
    assert_eq!(ring.rotate(ES256, &RULES, at(23)), waits, "a second order changes nothing");
    assert_eq!(ring.statuses(&RULES)[0].until, at(24));
    ring.advance(&RULES, at(24));
    assert_eq!(state(&ring, "3"), Some(KeyState::Active));
    assert_eq!(state(&ring, "2"), Some(KeyState::Active), "RS256 was not ordered");
    assert!(ring.ordered().is_empty());
    assert_eq!(ring.rotate(SigningAlgorithm::Rs256, &RULES, at(24)), Rotation::Done);
    assert_eq!(state(&ring, "4"), Some(KeyState::Active));
    assert_eq!(ring.rotate(ES256, &RULES, at(25)), Rotation::Waits { until: at(49) });
}

#[test]
fn a_compromised_key_leaves_at_once_and_the_next_one_signs() {
    let (mut ring, mut made) = fresh();
    let before = ring.clone();
    ring.retire("1", at(1)).unwrap();
    assert_eq!(
        told(&before, &ring, 1),
        [("3".to_owned(), Change::Activated), ("1".to_owned(), Change::Revoked)]
    );
    assert_eq!(ring.lacking(KeyState::Next), [ES256]);
    ring.retire("3", at(1)).unwrap();
    assert_eq!(ring.lacking(KeyState::Active), [ES256], "whoever ordered that makes another");
    fill(&mut ring, &mut made, at(1));
    assert!(ring.lacking(KeyState::Active).is_empty() && ring.lacking(KeyState::Next).is_empty());
    assert_eq!(ring.retire("1", at(1)), Err(UnknownKey));
}

#[test]
fn an_order_outlives_the_next_key_it_waits_for() {
    let (mut ring, mut made) = fresh();
    ring.rotate(ES256, &RULES, at(1));
    ring.retire("3", at(2)).unwrap();
    fill(&mut ring, &mut made, at(2));
    ring.advance(&RULES, at(26));
    assert_eq!(state(&ring, "5"), Some(KeyState::Active));
}

#[test]
fn what_is_no_ring_is_not_restored() {
    let (ring, _) = fresh();
    let restore = |entries: Vec<Entry>| Ring::restore(entries, ring.ordered().clone());
    assert_eq!(restore(ring.entries().to_vec()).as_ref(), Ok(&ring));
    let spoilt: [fn(&mut Vec<Entry>); 4] = [
        Vec::clear,
        |entries| drop(entries.remove(0)),
        |entries| entries[2].state = KeyState::Active,
        |entries| entries[2].kid = Arc::clone(&entries[0].kid),
    ];
    for spoil in spoilt {
        let mut entries = ring.entries().to_vec();
        spoil(&mut entries);
        assert_eq!(restore(entries), Err(DamagedRing));
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Wait(i64),
    Rotate(bool),
    Retire(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0_i64..40 * 3600).prop_map(Deed::Wait),
        2 => any::<bool>().prop_map(Deed::Rotate),
        1 => any::<usize>().prop_map(Deed::Retire),
    ]
}

/// What anybody could have seen so far.
#[derive(Default)]
struct Seen {
    published: HashMap<Arc<str>, UnixTime>,
    last_signed: HashMap<Arc<str>, UnixTime>,
    revoked: HashSet<Arc<str>>,
    /// Keys that may sign without having been announced.
    excused: Vec<Arc<str>>,
}

impl Seen {
    fn look(&mut self, ring: &Ring, now: UnixTime) {
        for algorithm in SigningAlgorithm::VARIANTS {
            let active = ring
                .entries()
                .iter()
                .filter(|entry| entry.algorithm == *algorithm && entry.state == KeyState::Active);
            assert_eq!(active.count(), 1, "one key signs with {algorithm:?}");
        }
        for entry in ring.entries() {
            let published = *self.published.entry(Arc::clone(&entry.kid)).or_insert(now);
            if entry.state == KeyState::Active {
                let announced = now >= published.plus(RULES.announce);
                assert!(announced || self.excused.contains(&entry.kid), "{entry:?} at {now}");
                self.last_signed.insert(Arc::clone(&entry.kid), now);
            }
        }
        for (kid, signed) in &self.last_signed {
            let needed = now < signed.plus(RULES.keep) && !self.revoked.contains(kid);
            assert!(!needed || ring.find(kid).is_some(), "{kid} left too early");
        }
        for kid in &self.revoked {
            assert!(ring.find(kid).is_none(), "{kid} is still there");
        }
    }

    fn excuse_active(&mut self, ring: &Ring) {
        let active = ring.entries().iter().filter(|entry| entry.state == KeyState::Active);
        self.excused.extend(active.map(|entry| Arc::clone(&entry.kid)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_and_no_moment_breaks_the_ring(deeds in prop::collection::vec(deed(), 1..60)) {
        let (mut ring, mut made) = fresh();
        let (mut seen, mut now) = (Seen::default(), at(0));
        seen.excuse_active(&ring);
        seen.look(&ring, now);
        for deed in deeds {
            match deed {
                // Time passes between two looks as well: until the last moment nothing has changed.
                Deed::Wait(seconds) => {
                    now = now.plus(Seconds::new(seconds));
                    seen.look(&ring, now);
                }
                Deed::Rotate(rsa) => {
                    let algorithm = if rsa { SigningAlgorithm::Rs256 } else { ES256 };
                    ring.rotate(algorithm, &RULES, now);
                }
                Deed::Retire(index) => {
                    let kid = Arc::clone(&ring.entries()[index.checked_rem(ring.entries().len()).unwrap()].kid);
                    ring.retire(&kid, now).unwrap();
                    fill(&mut ring, &mut made, now);
                    seen.revoked.insert(kid);
                    seen.excuse_active(&ring);
                }
            }
            seen.look(&ring, now);
            ring.advance(&RULES, now);
            fill(&mut ring, &mut made, now);
            seen.look(&ring, now);
            prop_assert!(!ring.is_due(&RULES, now));
            let entries = ring.entries().to_vec();
            prop_assert!(Ring::restore(entries, ring.ordered().clone()).is_ok());
            prop_assert!(ring.entries().len() < 40);
        }
    }
}
