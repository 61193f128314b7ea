//! The runtime of a command, and the orders that it is given by signals.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// The runtime for what happens beside requests: fetches, timers, signals. Requests have threads
/// of their own.
pub(super) fn runtime() -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The signals that mean: finish and go. Listening begins when this is made.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<(Signal, Arc<Notify>)>,
}

impl Signals {
    pub(super) fn listen() -> anyhow::Result<Self> {
        let interrupt = listen(SignalKind::interrupt())?;
        Ok(Self { interrupt, terminate: listen(SignalKind::terminate())?, hang_up: None })
    }

    /// The same, where SIGHUP is an order that `told` passes on. Otherwise it ends the process, as
    /// it should where somebody closes the terminal.
    pub(super) fn hang_up(self, told: Arc<Notify>) -> anyhow::Result<Self> {
        let hang_up = Some((listen(SignalKind::hangup())?, told));
        Ok(Self { hang_up, ..self })
    }

    /// Waits for the first that means: finish and go.
    pub(super) async fn first(mut self) {
        self.next().await;
    }

    /// Waits for the second of them.
    pub(super) async fn second(mut self) {
        self.next().await;
        self.next().await;
    }

    async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hang_up {
                Some((signal, told)) => {
                    while signal.recv().await.is_some() {
                        told.notify_one();
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up => {}
        }
    }
}

fn listen(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}
