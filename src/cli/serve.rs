//! `tessera serve`: the service.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;

use super::stop::{Signals, runtime};
use super::telemetry::Telemetry;
use super::{Answer, ConfigFile, Failure};
use crate::adapters::clock::SystemClock;
use crate::app::{App, Following, Watched};
use crate::config::Config;

pub(super) fn run(file: &ConfigFile) -> Result<Answer, Failure> {
    let (config, watched) = Watched::load(&file.config)?;
    serve(&config, watched)?;
    Ok(Answer::Yes)
}

fn serve(config: &Config, watched: Watched) -> anyhow::Result<()> {
    let runtime = runtime()?;
    let telemetry = Telemetry::start(config, runtime.handle())?;
    let level = telemetry.logs.level();
    runtime.block_on(async {
        let at_once = Arc::new(Notify::new());
        let stop = Signals::listen()?.hang_up(Arc::clone(&at_once))?;
        let hurry = Signals::listen()?;
        let app = App::bind(config, Arc::new(SystemClock::new()))?;
        let app = app.following(Following { watched, at_once }).with(Box::new(level));
        let ended = app.run(stop.first(), hurry.second()).await.context("a listener broke");
        telemetry.stop().await;
        ended
    })
}
