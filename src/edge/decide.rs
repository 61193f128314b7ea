//! A gateway's question, answered in time: it keeps its own caller waiting meanwhile.

use std::time::Duration;

use super::traced;
use crate::ports::{Dependency, Unavailable};
use crate::service::gate::{Admitted, Asked, Entrance, Gate, Refused};
use crate::service::snapshot::Snapshot;
use crate::telemetry::traces;

/// How long a decision may take. Only one that waits for Entra, Graph or Redis takes longer than some
/// milliseconds; what it waits for goes on, for the next who asks.
const DEADLINE: Duration = Duration::from_secs(5);

/// See [`Gate::decide`]; what comes too late cannot be known.
pub(super) async fn decide(
    gate: &Gate,
    (snapshot, entrance): (&Snapshot, &Entrance),
    asked: Asked<'_>,
) -> Result<Admitted, Refused> {
    let decided = gate.decide(snapshot, entrance, asked);
    let decided = traces::step("decide", decided, traced::admitted);
    tokio::time::timeout(DEADLINE, decided).await.unwrap_or_else(|_elapsed| {
        let detail = format!("no decision within {DEADLINE:?}");
        Err(Unavailable { dependency: Dependency::Decision, detail }.into())
    })
}
