//! `tessera serve`: the service.

use std::sync::Arc;

use anyhow::Context as _;

use super::stop::{Signals, runtime};
use super::{Answer, ConfigFile, Failure, load};
use crate::adapters::clock::SystemClock;
use crate::app::App;
use crate::config::Config;
use crate::telemetry::logs;

pub(super) fn run(file: &ConfigFile) -> Result<Answer, Failure> {
    let config = load::config(&file.config)?;
    serve(&config)?;
    Ok(Answer::Yes)
}

fn serve(config: &Config) -> anyhow::Result<()> {
    let _level = logs::start(config.log)?;
    runtime()?.block_on(async {
        let (stop, hurry) = (Signals::listen()?, Signals::listen()?);
        let app = App::bind(config, Arc::new(SystemClock::new()))?;
        app.run(stop.first(), hurry.second()).await.context("a listener broke")
    })
}
