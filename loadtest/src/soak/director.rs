//! What goes wrong, one thing after the other, again and again.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::tenant::OldKey;

use super::replica::{Logs, Replica};
use super::site::{Site, readiness, wait_until};
use super::stage::{At, REPLICAS, Stage};
use crate::load::connection::{get, once};
use crate::load::population::form;

type Act = fn(&mut Director) -> anyhow::Result<()>;

/// The first one is what there is in between.
pub(super) const PHASES: [&str; ACTS.len() + 1] = {
    let mut names = ["all is well"; ACTS.len() + 1];
    let mut place = 0;
    while place < ACTS.len() {
        names[place + 1] = ACTS[place].0;
        place += 1;
    }
    names
};

const ACTS: [(&str, Act); 15] = [
    ("the master of Redis stops for 0.4 s", Director::stop_redis),
    ("the configuration changes", Director::reconfigure),
    ("the master of Redis is killed, and sentinels fail over", Director::kill_redis),
    ("Entra answers 503", Director::entra_down),
    ("a replica stops (SIGTERM), and another starts", Director::restart),
    ("a broken configuration is pushed", Director::misconfigure),
    ("Entra's keys rotate", Director::rotate_entra),
    ("a replica is killed (SIGKILL), and another starts", Director::kill),
    ("Entra does not answer", Director::entra_hangs),
    (
        "the master of Redis is frozen, sentinels fail over, and it comes back",
        Director::freeze_redis,
    ),
    ("our signing keys rotate", Director::rotate_ours),
    ("a replica is frozen for 2 s", Director::freeze),
    ("Entra answers with a web page", Director::entra_lies),
    ("Redis loses everything", Director::empty_redis),
    ("a replica starts while Entra answers 503", Director::start_without_entra),
];

/// How long opaque tokens may be unknown after Redis is back (docs/replicas.md), and a little.
const SETTLING: Duration = Duration::from_secs(6);
/// How long Entra misbehaves.
const OUTAGE: Duration = Duration::from_secs(15);
/// `key_sets.cooldown`, twice, and a little: an unknown key causes no fetch sooner, and the last one
/// may have failed just before all was well.
const COOLDOWN: Duration = Duration::from_secs(25);
/// How long Entra publishes a key before it signs. Long beside `key_sets.cooldown`, as hours are
/// beside minutes.
const AHEAD: Duration = Duration::from_secs(30);
const STOPPING: Duration = Duration::from_secs(40);

/// Lets everything happen.
pub(super) struct Director {
    site: Site,
    stage: Arc<Stage>,
    rest: Duration,
    configuration: u64,
}

/// What has happened.
pub(super) struct Event {
    pub(super) phase: usize,
    /// Since the beginning.
    pub(super) seconds: f64,
    /// Until all was well again.
    pub(super) took: f64,
    /// What did not go as it should.
    pub(super) trouble: Option<String>,
}

impl Director {
    pub(super) fn new(site: Site, stage: Arc<Stage>, rest: Duration) -> Self {
        Self { site, stage, rest, configuration: 1 }
    }

    /// Until the time is over, and all is well.
    pub(super) fn direct(&mut self, lasting: Duration) -> Vec<Event> {
        let mut events = Vec::new();
        let begun = Instant::now();
        'all: loop {
            for (place, (what, act)) in ACTS.into_iter().enumerate() {
                sleep(self.rest);
                if self.stage.is_over() || begun.elapsed() > lasting {
                    break 'all;
                }
                self.stage.enter(place + 1);
                let seconds = self.stage.begun.elapsed().as_secs_f64();
                eprintln!("{seconds:7.1} s: {what}");
                let trouble = act(self).and_then(|()| self.all_run()).err();
                let trouble = trouble.map(|error| format!("{error:#}"));
                if let Some(words) = &trouble {
                    eprintln!("{seconds:7.1} s: {what}: {words}");
                }
                self.stage.enter(0);
                let took = self.stage.begun.elapsed().as_secs_f64() - seconds;
                events.push(Event { phase: place + 1, seconds, took, trouble });
            }
        }
        self.stage.end();
        events
    }

    /// Stops everything in order, and tells what was logged.
    pub(super) fn finish(mut self) -> anyhow::Result<Arc<Logs>> {
        for replica in &self.site.replicas {
            replica.signal("TERM")?;
        }
        for replica in &mut self.site.replicas {
            let status = replica.ended(STOPPING)?;
            ensure!(status.success(), "a replica that was told to stop ended with {status}");
        }
        Ok(Arc::clone(&self.site.logs))
    }

    fn all_run(&mut self) -> anyhow::Result<()> {
        for (place, replica) in self.site.replicas.iter_mut().enumerate() {
            ensure!(replica.runs()?, "the replica at {place} has ended by itself");
        }
        Ok(())
    }

    fn at(&mut self, place: usize) -> anyhow::Result<&mut Replica> {
        self.site.replicas.get_mut(place).context("no such place")
    }

    /// Something happens to Redis, and is over when every replica knows everything again.
    fn redis(
        &mut self,
        happens: impl FnOnce(&mut Site) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.site.sentinels.look();
        self.stage.redis_away.begin();
        let happened = happens(&mut self.site).and_then(|()| self.site.wait_until_current());
        sleep(SETTLING);
        self.stage.redis_away.end();
        happened
    }

    fn stop_redis(&mut self) -> anyhow::Result<()> {
        self.redis(|site| {
            site.sentinels.master()?.signal("STOP")?;
            sleep(Duration::from_millis(400));
            site.sentinels.master()?.signal("CONT")
        })
    }

    fn kill_redis(&mut self) -> anyhow::Result<()> {
        self.redis(|site| {
            let port = site.sentinels.master()?.port();
            site.sentinels.kill_master();
            site.sentinels.wait_for_new_master()?;
            site.sentinels.change_places(port)
        })
    }

    /// It believes that it is the master still when it wakes up.
    fn freeze_redis(&mut self) -> anyhow::Result<()> {
        self.redis(|site| {
            let port = site.sentinels.master()?.port();
            site.sentinels.master()?.signal("STOP")?;
            let found = site.sentinels.wait_for_new_master();
            site.sentinels.master()?.signal("CONT")?;
            found?;
            site.sentinels.change_places(port)
        })
    }

    fn empty_redis(&mut self) -> anyhow::Result<()> {
        self.redis(|site| site.sentinels.master()?.forget())
    }

    /// Entra misbehaves for a while, and then a little longer until replicas have noticed.
    fn entra(
        &mut self,
        fault: &Fault,
        meanwhile: impl FnOnce(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.stage.entra_away.begin();
        for surface in Surface::ALL {
            self.site.entra.set_fault(surface, fault.clone());
        }
        let happened = meanwhile(self);
        sleep(OUTAGE);
        self.site.entra.heal();
        sleep(COOLDOWN);
        self.stage.entra_away.end();
        happened
    }

    fn entra_down(&mut self) -> anyhow::Result<()> {
        self.entra(&Fault::Status(503), |_| Ok(()))
    }

    fn entra_hangs(&mut self) -> anyhow::Result<()> {
        self.entra(&Fault::Hang, |_| Ok(()))
    }

    fn entra_lies(&mut self) -> anyhow::Result<()> {
        let page = b"<!DOCTYPE html><title>Sign in to your account</title>";
        self.entra(&Fault::Garbage(page.to_vec().into()), |_| Ok(()))
    }

    /// It has Entra's keys from the others.
    fn start_without_entra(&mut self) -> anyhow::Result<()> {
        self.entra(&Fault::Status(503), Self::restart)
    }

    fn rotate_entra(&mut self) -> anyhow::Result<()> {
        let next = self.site.entra.rotate(OldKey::Kept).context("a key")?;
        sleep(AHEAD);
        self.stage.sign_with(next);
        Ok(())
    }

    /// If the next ones have been published for long enough; else it says so.
    fn rotate_ours(&mut self) -> anyhow::Result<()> {
        let to = self.at(0)?.admin;
        let told: Value = serde_json::from_slice(&once(to, &form("/keys/rotate", ""))?)?;
        let rotations = told.get("rotations").and_then(Value::as_array).context("no rotations")?;
        let rotated = |one: &Value| one.get("rotated").and_then(Value::as_bool) == Some(true);
        ensure!(!rotations.is_empty() && rotations.iter().all(rotated), "not rotated: {told}");
        Ok(())
    }

    /// From one configuration to the next: until it is in force everywhere, both may answer.
    fn reconfigure(&mut self) -> anyhow::Result<()> {
        let number = self.configuration + 1;
        let generation = |admin| {
            let told = readiness(admin)?;
            let found = told.pointer("/configuration/generation").and_then(Value::as_u64);
            found.context("no generation")
        };
        let admins: Vec<_> = self.site.replicas.iter().map(|one| one.admin).collect();
        let before = admins.iter().map(|one| generation(*one)).collect::<Result<Vec<_>, _>>()?;
        self.stage.announce(number);
        self.configuration = number;
        self.site.configure(&self.site.text(number))?;
        for replica in &self.site.replicas {
            replica.signal("HUP")?;
        }
        for (admin, before) in admins.into_iter().zip(before) {
            wait_until("the new configuration", || Ok(generation(admin)? > before))?;
        }
        self.stage.in_force(number);
        Ok(())
    }

    /// The one that is in force stays so.
    fn misconfigure(&mut self) -> anyhow::Result<()> {
        let good = self.site.text(self.configuration);
        let broken = good
            .replace("policies: [p-", "policies: [p-0, broken-")
            .replace("mapping:", "mappings:");
        for text in [broken, good] {
            self.site.configure(&text)?;
            for replica in &self.site.replicas {
                replica.signal("HUP")?;
            }
            sleep(Duration::from_secs(3));
        }
        Ok(())
    }

    /// Another process at this place, and only when it is ready it is over.
    fn another(&mut self, place: usize) -> anyhow::Result<At> {
        let at = self.site.replace(place)?;
        self.stage.moved(at);
        wait_until("a replica", || Ok(get(at.admin, "/readyz")?.0))?;
        Ok(at)
    }

    /// One ends, and only then another begins in its place.
    fn restart(&mut self) -> anyhow::Result<()> {
        let place = REPLICAS - 2;
        self.at(place)?.signal("TERM")?;
        let status = self.at(place)?.ended(STOPPING)?;
        let begun = self.another(place);
        ensure!(status.success(), "a replica that was told to stop ended with {status}");
        begun.map(|_| ())
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        let place = REPLICAS - 1;
        self.stage.broken[place].begin();
        self.at(place)?.signal("KILL")?;
        self.at(place)?.ended(STOPPING)?;
        let begun = self.another(place);
        self.stage.broken[place].end();
        begun.map(|_| ())
    }

    fn freeze(&mut self) -> anyhow::Result<()> {
        let place = REPLICAS - 2;
        self.stage.broken[place].begin();
        self.at(place)?.signal("STOP")?;
        sleep(Duration::from_secs(2));
        self.at(place)?.signal("CONT")?;
        sleep(Duration::from_secs(1));
        self.stage.broken[place].end();
        Ok(())
    }
}
