//! What happens, and when: events in a row, each with time around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tessera::dev::keys::SigningKey;
use tessera::dev::people::HOME_TENANT;
use tessera::domain::tenant::TokenVersion;

use super::mix::Truth;
use super::site::{Site, readiness};
use crate::load::connection::{get, once};
use crate::load::population::form;
use crate::system::wait::wait_until;

/// One after the other; what happens, happens at the beginning of each.
pub(super) const PHASES: [&str; 7] = [
    "nothing",
    "Entra's keys rotate",
    "our signing keys rotate",
    "the configuration changes, three times",
    "a replica stops (SIGTERM), and another starts",
    "the master of Redis is killed, and sentinels fail over",
    "nothing again",
];
/// How long opaque tokens may be unknown after Redis is back (docs/replicas.md), and a little.
const SETTLING: Duration = Duration::from_secs(6);
/// How often a balancer looks whether a replica is ready. Well below `shutdown.drain`.
const LOOK: Duration = Duration::from_millis(50);

/// What the clients, a balancer and the director know of each other.
pub(super) struct Stage {
    phase: AtomicUsize,
    over: AtomicBool,
    new_key: AtomicBool,
    redis_is_away: AtomicBool,
    oldest: AtomicU64,
    newest: AtomicU64,
    /// The ports of replicas that are to be given new connections; 0: not now.
    ready: [AtomicU16; 2],
    /// Where they are listening, whether ready or not.
    public: [AtomicU16; 2],
    admin: [AtomicU16; 2],
}

/// Lets everything happen.
pub(super) struct Director {
    pub(super) site: Site,
    pub(super) stage: Arc<Stage>,
    pub(super) next_key: SigningKey,
    /// After each event.
    pub(super) pause: Duration,
}

/// What has happened.
pub(super) struct Event {
    pub(super) what: &'static str,
    /// Since the beginning.
    pub(super) seconds: f64,
    /// Until it was over, without the pause.
    pub(super) took: f64,
}

impl Stage {
    pub(super) fn new(site: &Site) -> anyhow::Result<Self> {
        let stage = Self {
            phase: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            new_key: AtomicBool::new(false),
            redis_is_away: AtomicBool::new(false),
            oldest: AtomicU64::new(1),
            newest: AtomicU64::new(1),
            ready: Default::default(),
            public: Default::default(),
            admin: Default::default(),
        };
        for place in 0..2 {
            stage.open(site, place)?;
        }
        Ok(stage)
    }

    /// The replica at `place` is there, and ready.
    fn open(&self, site: &Site, place: usize) -> anyhow::Result<()> {
        let replica = site.replicas.get(place).and_then(Option::as_ref).context("no replica")?;
        let (public, admin) = (replica.address.public.port(), replica.address.admin.port());
        let set = |ports: &[AtomicU16; 2], port: u16| {
            if let Some(one) = ports.get(place) {
                one.store(port, Ordering::SeqCst);
            }
        };
        set(&self.public, public);
        set(&self.admin, admin);
        set(&self.ready, public);
        Ok(())
    }

    /// As a balancer does: looks all the time whether replicas are ready.
    pub(super) fn balance(&self) {
        while !self.is_over() {
            for ((ready, public), admin) in self.ready.iter().zip(&self.public).zip(&self.admin) {
                let at = ([127, 0, 0, 1], admin.load(Ordering::SeqCst)).into();
                let is_ready = get(at, "/readyz").is_ok_and(|(ready, _)| ready);
                let port = if is_ready { public.load(Ordering::SeqCst) } else { 0 };
                ready.store(port, Ordering::SeqCst);
            }
            sleep(LOOK);
        }
    }

    /// The port for a new connection of this client: half of them prefer each replica.
    pub(super) fn replica(&self, client: usize) -> Option<u16> {
        let ports = self.ready.each_ref().map(|port| port.load(Ordering::SeqCst));
        let (own, other) = (ports[client % 2], ports[1 - client % 2]);
        [own, other].into_iter().find(|port| *port != 0)
    }

    /// Whether a client stays with the connection that it has: it leaves only for the replica that
    /// it prefers. One that is about to stop says itself that the connection ends.
    pub(super) fn goes_on(&self, client: usize, port: u16) -> bool {
        let own = self.ready[client % 2].load(Ordering::SeqCst);
        own == 0 || own == port
    }

    pub(super) fn truth(&self) -> Truth {
        let configurations =
            (self.oldest.load(Ordering::SeqCst), self.newest.load(Ordering::SeqCst));
        Truth { configurations, redis_is_away: self.redis_is_away.load(Ordering::SeqCst) }
    }

    pub(super) fn phase(&self) -> usize {
        self.phase.load(Ordering::Relaxed)
    }

    pub(super) fn new_key_signs(&self) -> bool {
        self.new_key.load(Ordering::SeqCst)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Director {
    /// Everything in a row. The load ends with it, however it ends; the site stays until the last
    /// answer has come.
    pub(super) fn direct(&mut self) -> anyhow::Result<Vec<Event>> {
        let happened = self.play();
        self.stage.over.store(true, Ordering::Relaxed);
        happened
    }

    fn play(&mut self) -> anyhow::Result<Vec<Event>> {
        let acts: [fn(&mut Self) -> anyhow::Result<()>; PHASES.len()] = [
            |_| Ok(()),
            Self::rotate_entra,
            Self::rotate_ours,
            Self::reconfigure,
            Self::restart,
            Self::fail_over,
            |_| Ok(()),
        ];
        let begun = Instant::now();
        let mut events = Vec::new();
        for (phase, (what, act)) in PHASES.iter().zip(acts).enumerate() {
            self.stage.phase.store(phase, Ordering::Relaxed);
            let seconds = begun.elapsed().as_secs_f64();
            eprintln!("{seconds:5.1} s: {what}");
            act(self).context(*what)?;
            let took = begun.elapsed().as_secs_f64() - seconds;
            events.push(Event { what, seconds, took });
            sleep(self.pause);
        }
        Ok(events)
    }

    /// Publishes a further key, and lets it sign at once, which Entra does not do: no replica can
    /// have fetched it before.
    fn rotate_entra(&mut self) -> anyhow::Result<()> {
        let issuer = self.site.entra.issuer(HOME_TENANT).name(TokenVersion::V2);
        self.site.entra.publish(self.next_key.entra_jwk(&issuer));
        self.stage.new_key.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn rotate_ours(&mut self) -> anyhow::Result<()> {
        let [replica, _] = self.site.both()?;
        let told: Value =
            serde_json::from_slice(&once(replica.address.admin, &form("/keys/rotate", ""))?)?;
        let rotations = told.get("rotations").and_then(Value::as_array).context("no rotations")?;
        let rotated = |one: &Value| one.get("rotated").and_then(Value::as_bool) == Some(true);
        ensure!(!rotations.is_empty() && rotations.iter().all(rotated), "not rotated: {told}");
        Ok(())
    }

    /// From one configuration to the next: until it is in force everywhere both may answer.
    fn reconfigure(&mut self) -> anyhow::Result<()> {
        for number in 2..=4 {
            self.stage.newest.store(number, Ordering::SeqCst);
            self.site.configure(number)?;
            for replica in self.site.both()? {
                replica.signal("HUP")?;
            }
            for replica in self.site.both()? {
                wait_until("the new configuration", || {
                    let (_, told) = readiness(&replica.address)?;
                    let generation = told.pointer("/configuration/generation");
                    Ok(generation.and_then(Value::as_u64) == Some(number))
                })?;
            }
            self.stage.oldest.store(number, Ordering::SeqCst);
        }
        Ok(())
    }

    /// One ends, and only then another begins in its place.
    fn restart(&mut self) -> anyhow::Result<()> {
        let place = 1;
        let slot = self.site.replicas.get_mut(place).context("no replica")?;
        let mut going = slot.take().context("no replica")?;
        going.signal("TERM")?;
        let status = going.ended()?;
        ensure!(status.success(), "a replica that was told to stop ended with {status}");
        drop(going);
        let coming = self.site.replica()?;
        if let Some(slot) = self.site.replicas.get_mut(place) {
            *slot = Some(coming);
        }
        self.stage.open(&self.site, place)
    }

    /// Until both replicas are proved to know everything again, and have given back what was lost.
    fn fail_over(&mut self) -> anyhow::Result<()> {
        self.stage.redis_is_away.store(true, Ordering::SeqCst);
        self.site.sentinels.kill_master();
        self.site.sentinels.wait_for_new_master()?;
        for replica in self.site.both()? {
            wait_until("being current", || {
                let (_, told) = readiness(&replica.address)?;
                let state = told.pointer("/store/state").and_then(Value::as_str);
                let proved = told.pointer("/store/proved_seconds_ago").and_then(Value::as_f64);
                // Sooner than a sentinel takes to notice: it is the new master that proved it.
                Ok(state == Some("current") && proved.is_some_and(|seconds| seconds < 1.0))
            })?;
        }
        sleep(SETTLING);
        self.stage.redis_is_away.store(false, Ordering::SeqCst);
        Ok(())
    }
}
