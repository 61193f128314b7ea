//! What is to be done about a configuration that has changed while the service runs.

use std::collections::BTreeSet;

use super::stated::{Stated, is_within};

/// What is read at the start alone.
const AT_START: [&str; 11] = [
    "audit",
    "cache",
    "listen.admin",
    "listen.envoy",
    "listen.public",
    "listen.tyk",
    "log.format",
    "shutdown",
    "signing",
    "store",
    "traces",
];
/// What is taken up at any time all the same.
const BUT: [&str; 1] = ["audit.introspections"];
/// Whether there is such a section is decided at the start; what stands in it is not.
const PRESENCE: [&str; 4] =
    ["listen.tls.admin", "listen.tls.envoy", "listen.tls.public", "listen.tls.tyk"];

/// What has changed, by when it is taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Keys that are taken up now.
    pub live: Vec<String>,
    /// Keys that the service must be started anew for, since it was started with something else.
    pub restart: Vec<String>,
}

impl Plan {
    /// What to do when `wanted` comes after `running`, in a service that was started with
    /// `started`.
    pub fn of(started: &Stated, running: &Stated, wanted: &Stated) -> Self {
        let live = running.differences(wanted).into_iter().filter(|key| !is_at_start(key));
        let restart = started.differences(wanted).into_iter().filter(|key| is_at_start(key));
        let mut restart: BTreeSet<_> = restart.map(str::to_owned).collect();
        let moved =
            PRESENCE.into_iter().filter(|section| started.has(section) != wanted.has(section));
        restart.extend(moved.map(str::to_owned));
        Self { live: live.map(str::to_owned).collect(), restart: restart.into_iter().collect() }
    }
}

fn is_at_start(key: &str) -> bool {
    let within = |section: &&str| is_within(key, section);
    AT_START.iter().any(within) && !BUT.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(keys: &[(&str, &str)]) -> Stated {
        let mut stated = Stated::default();
        for (key, text) in keys {
            stated.add(key, text);
        }
        stated
    }

    fn plan(before: &[(&str, &str)], after: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let (before, after) = (stated(before), stated(after));
        let Plan { live, restart } = Plan::of(&before, &before, &after);
        (live, restart)
    }

    #[test]
    fn what_decides_is_taken_up_and_what_holds_the_process_together_is_not() {
        let live = [
            "apis.orders.scopes[0]",
            "audit.introspections",
            "clients.tyk.secret",
            "clusters.prod.issuer",
            "entra[0].audiences[1]",
            "entra[1].graph.client_secret",
            "issuer",
            "key_sets.refresh",
            "listen.tls.public.certificate",
            "log.level",
            "mapping[2].when.groups[0]",
            "resources.https://listen.public.ttl",
        ];
        for key in live {
            let there = [("listen.tls.public.key", "k"), (key, "1")];
            let changed = [("listen.tls.public.key", "k"), (key, "2")];
            assert_eq!(plan(&there, &changed), (vec![key.to_owned()], vec![]));
        }
        let at_start = [
            "audit.to",
            "audit.key",
            "cache.bytes",
            "listen.admin",
            "listen.envoy",
            "listen.public",
            "listen.tyk",
            "log.format",
            "shutdown.grace",
            "signing.folder",
            "store.redis.url",
            "store.sealing_key",
            "traces.headers.authorization",
        ];
        for key in at_start {
            assert_eq!(plan(&[(key, "1")], &[(key, "2")]), (vec![], vec![key.to_owned()]));
            assert_eq!(plan(&[], &[(key, "2")]), (vec![], vec![key.to_owned()]), "added");
            assert_eq!(plan(&[(key, "1")], &[]), (vec![], vec![key.to_owned()]), "removed");
        }
    }

    #[test]
    fn a_listener_gets_or_loses_tls_at_the_start_alone() {
        let with = [("listen.tls.tyk.certificate", "c")];
        let (live, restart) = plan(&[], &with);
        assert_eq!(restart, ["listen.tls.tyk"]);
        assert_eq!(live, ["listen.tls.tyk.certificate"]);
        assert_eq!(plan(&with, &[]).1, ["listen.tls.tyk"]);
        let more = [with[0], ("listen.tls.tyk.client_ca", "ca")];
        assert_eq!(plan(&with, &more), (vec!["listen.tls.tyk.client_ca".to_owned()], vec![]));
    }

    #[test]
    fn a_restart_is_needed_until_the_old_value_is_back() {
        let started = stated(&[("cache.bytes", "1"), ("log.level", "info")]);
        let second = stated(&[("cache.bytes", "2"), ("log.level", "warn")]);
        let third = stated(&[("cache.bytes", "2"), ("log.level", "debug")]);
        let back = stated(&[("cache.bytes", "1"), ("log.level", "debug")]);
        let plan = Plan::of(&started, &started, &second);
        assert_eq!(
            (plan.live, plan.restart),
            (vec!["log.level".into()], vec!["cache.bytes".into()])
        );
        let plan = Plan::of(&started, &second, &third);
        assert_eq!(
            (plan.live, plan.restart),
            (vec!["log.level".into()], vec!["cache.bytes".into()])
        );
        assert_eq!(Plan::of(&started, &third, &back), Plan::default());
    }
}
