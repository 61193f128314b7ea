//! The clock of the host is set. Beside `adapters::clock` stands what is shown then; here, what a
//! whole service does by it.

use std::time::Duration;

use tessera::adapters::clock::Course;
use tessera::domain::rejection::Reason;
use tessera::protocol::time::{Seconds, UnixTime};

use crate::exchange::{ask, fields, token};
use crate::support::{ORDERS_API, Request, START, TASKS_API, TYK, World, eventually};

/// A world by whose two clocks is told what time it is.
struct Clocks {
    world: World,
    course: Course,
    /// By how much the wall clock was set, and what has passed.
    set: i64,
    passed: i64,
}

impl Clocks {
    fn start() -> Self {
        let mut clocks =
            Self { world: World::start(), course: Course::default(), set: 0, passed: 1_000 };
        clocks.pass(0);
        clocks
    }

    /// Time passes.
    fn pass(&mut self, seconds: i64) {
        self.passed += seconds;
        let wall = START.seconds() - 1_000 + self.passed + self.set;
        let duration = |seconds: i64| Duration::from_secs(seconds.try_into().unwrap());
        let (now, _) = self.course.show(duration(wall), duration(self.passed));
        let now = UnixTime::from_seconds(now.as_secs().try_into().unwrap());
        self.world.clock.set(now);
    }

    /// Somebody sets the wall clock.
    fn step(&mut self, seconds: i64) {
        self.set += seconds;
        self.pass(0);
    }

    /// A token of Alice that ends in so many seconds.
    fn ends_in(&self, seconds: i64) -> String {
        let world = &self.world;
        world.sign(&world.alice().claim("exp", world.clock_at(seconds)))
    }
}

#[test]
fn a83_a_clock_that_is_set_back_revives_nothing_and_prolongs_nothing_for_long() {
    let mut clocks = Clocks::start();
    let over = clocks.ends_in(60);
    let ends_soon = clocks.ends_in(600);
    for good in [&over, &ends_soon] {
        clocks.world.assert_active(good);
    }
    let subject = clocks.ends_in(3600);
    let swapped = token(&clocks.world, TYK, &fields(&subject, TASKS_API));
    clocks.pass(180);
    clocks.world.introspect(&over).assert_inactive();
    clocks.step(-3600);
    clocks.world.assert_refused(&over, Reason::Expired);
    clocks.world.assert_active(&ends_soon);
    clocks.world.assert_active(&swapped);
    // Less than an hour later, by far, everything has ended that was to end.
    clocks.pass(1_000);
    clocks.world.assert_refused(&ends_soon, Reason::Expired);
    clocks.world.assert_refused(&swapped, Reason::Expired);
    clocks.pass(10_000);
    assert_eq!(clocks.world.clock_at(0), START.seconds() + 11_180 - 3600, "both clocks agree");
    let fresh = clocks.ends_in(600);
    clocks.world.assert_active(&fresh);
}

#[test]
fn a_clock_that_jumps_ahead_ends_what_has_expired_and_takes_up_what_comes() {
    let mut clocks = Clocks::start();
    let token = clocks.ends_in(3600);
    clocks.world.assert_active(&token);
    let order = [("token", &*token)];
    assert_eq!(Request::form("/revocations", &order).send(clocks.world.admin).status, 200);
    let other = clocks.ends_in(3500);
    clocks.world.assert_active(&other);
    // The machine was asleep for a day and a half: keys, too, are too old by now.
    clocks.step(36 * 3600);
    clocks.world.introspect(&other).assert_inactive();
    let world = &clocks.world;
    eventually("fresh keys", || world.readiness() == 200);
    world.assert_active(&world.sign(&world.alice()));
    let fresh = world.sign(&world.alice());
    assert_eq!(ask(world, TYK, &fields(&fresh, ORDERS_API)).status, 200);
    // Back again, as if it had been a mistake: nothing that ended or was revoked is good again.
    clocks.step(-36 * 3600);
    for dead in [&token, &other] {
        clocks.world.introspect(dead).assert_inactive();
    }
    clocks.pass(60);
    clocks.world.introspect(&token).assert_inactive();
    assert!(clocks.world.clock_at(0) >= START.plus(Seconds::hours(36)).seconds());
}
