//! What goes wrong around a running tessera, beyond Redis: each promise is kept, all is well again
//! without anybody doing anything, and the metrics tell.
//!
//! | fault | here | elsewhere |
//! |---|---|---|
//! | Entra is down | | `outages` |
//! | Entra is slow | [`entra`] | `plugin::refusals::a_decision_that_comes_too_late_is_a_refusal_that_tyk_understands` |
//! | Entra lies | [`entra`] | `outages::a251_the_last_good_set_survives_every_lie`, and beside `adapters::issuer_keys` |
//! | Graph throttles, is slow, refuses | [`graph`] | beside `adapters::graph` |
//! | names are not found | [`names`] | beside `adapters::http_client` |
//! | the clock is set, both ways | [`clock`] | beside `adapters::clock` |
//! | the disk is full | [`disk`] | `audit::sinks` |
//! | file descriptors run out | [`descriptors`] | |
//! | the processor is taken away | [`starved`] | |
//! | Redis, in every way | | `replicas::faults` |

mod clock;
mod descriptors;
mod disk;
mod entra;
mod graph;
mod names;
mod starved;
