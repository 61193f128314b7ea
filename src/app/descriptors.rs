//! How many connections each listener takes, so that whoever reaches one leaves enough file
//! descriptors for the others, and for what the service opens itself: connections to Entra, Graph and
//! Redis, the audit trail, the configuration.

use std::fs;
use std::num::NonZero;
use std::thread::available_parallelism;

/// What there is room for where the system sets no limit, or does not tell it.
const UNTOLD: usize = 1_048_576;
/// Most connections that a thread of the public listener serves.
const MOST_OF_A_THREAD: usize = 25_000;
/// Most connections to the listener of a gateway, which has one for all of its requests.
const MOST_OF_A_GATEWAY: usize = 256;
/// Most connections to the admin listener.
const MOST_OF_ADMIN: usize = 256;

/// The most connections of each listener at a time. More wait until one of them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    /// For each of the threads of the public listener.
    pub(super) public: usize,
    /// For the admin listener.
    pub(super) admin: usize,
    /// For the listener of one gateway.
    pub(super) gateway: usize,
}

impl Connections {
    /// Those of this process.
    pub(super) fn of_this_process() -> Self {
        let threads = available_parallelism().map_or(1, NonZero::get);
        Self::of(limit().unwrap_or(UNTOLD), threads)
    }

    /// Half of the descriptors for the public listener, an eighth for each of two gateways, a
    /// sixteenth for operators; the rest is ours.
    fn of(descriptors: usize, threads: usize) -> Self {
        let part = |of: usize, most| descriptors.checked_div(of).unwrap_or_default().clamp(1, most);
        let all = part(2, usize::MAX);
        Self {
            public: all.checked_div(threads).unwrap_or(all).clamp(1, MOST_OF_A_THREAD),
            admin: part(16, MOST_OF_ADMIN),
            gateway: part(8, MOST_OF_A_GATEWAY),
        }
    }
}

/// How many descriptors this process may have (proc(5)).
fn limit() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_leaves_descriptors_for_the_others_and_for_us() {
        for descriptors in [64, 256, 1024, 4096, 65_536, UNTOLD] {
            for threads in [1, 2, 8, 32] {
                let Connections { public, admin, gateway } = Connections::of(descriptors, threads);
                let taken = public * threads + admin + 2 * gateway;
                assert!(descriptors - taken >= descriptors / 8, "{descriptors} {threads}: {taken}");
                assert!(public >= 1 && admin >= 4 && gateway >= 8, "{descriptors} {threads}");
            }
        }
        let usual = Connections::of(1024, 2);
        assert_eq!(usual, Connections { public: 256, admin: 64, gateway: 128 });
        let many = Connections::of(UNTOLD, 8);
        assert_eq!(many, Connections { public: 25_000, admin: 256, gateway: 256 });
    }
}
