//! `tessera serve`: the service.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::Notify;

use super::stop::{Signals, runtime};
use super::{Answer, ConfigFile, Failure};
use crate::adapters::clock::SystemClock;
use crate::app::{App, Following, Watched};
use crate::config::Config;
use crate::telemetry::logs;

pub(super) fn run(file: &ConfigFile) -> Result<Answer, Failure> {
    let (config, watched) = Watched::load(&file.config)?;
    serve(&config, watched)?;
    Ok(Answer::Yes)
}

fn serve(config: &Config, watched: Watched) -> anyhow::Result<()> {
    let level = logs::start(config.log)?;
    runtime()?.block_on(async {
        let at_once = Arc::new(Notify::new());
        let stop = Signals::listen()?.hang_up(Arc::clone(&at_once))?;
        let hurry = Signals::listen()?;
        let app = App::bind(config, Arc::new(SystemClock::new()))?;
        let app = app.following(Following { watched, at_once }).with(Box::new(level));
        app.run(stop.first(), hurry.second()).await.context("a listener broke")
    })
}
