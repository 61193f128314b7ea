//! `tessera keys`: the keys that sign what the service issues, in the folder or the Redis that they
//! are kept in.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::runtime::Runtime;

use super::output::say;
use super::stop::runtime;
use super::{Answer, ConfigFile, Failure, load};
use crate::adapters::clock::SystemClock;
use crate::adapters::redis::Replica;
use crate::adapters::signing::{RingError, SigningKeys};
use crate::config::{Redis, Signing};
use crate::domain::keyring::{KeyStatus, Rotation, SigningAlgorithm};
use crate::ports::Clock;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Show every key: what it is for, since when and until when
    List {
        #[command(flatten)]
        file: ConfigFile,
        /// Write JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the next keys sign, and announce new ones
    ///
    /// A key that was announced too short a time ago signs as soon as gateways can have seen it, so
    /// that no token is ever unverifiable because of a rotation.
    Rotate {
        #[command(flatten)]
        file: ConfigFile,
        /// Only the key of this algorithm: ES256 or RS256
        #[arg(long, value_name = "NAME", value_parser = algorithm)]
        algorithm: Option<SigningAlgorithm>,
    },
    /// Take out a key that others may hold; every token that it signed is good no more
    Retire {
        #[command(flatten)]
        file: ConfigFile,
        /// The key, as `list` names it
        kid: String,
    },
}

fn algorithm(name: &str) -> Result<SigningAlgorithm, String> {
    name.parse().map_err(|_unknown| "it is ES256 or RS256".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    match &arguments.order {
        Order::List { file, json } => {
            list(&open(file)?.keys, *json);
            Ok(Answer::Yes)
        }
        Order::Rotate { file, algorithm } => rotate(&open(file)?.keys, *algorithm),
        Order::Retire { file, kid } => retire(&open(file)?.keys, kid),
    }
}

/// The keys, and what they need to be reached.
struct Opened {
    keys: SigningKeys,
    /// Keeps the connection to Redis going.
    _runtime: Option<Runtime>,
}

/// A running service takes up what is changed here within a second or so.
fn open(file: &ConfigFile) -> Result<Opened, Failure> {
    let config = load::config(&file.config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    if let Some(redis) = &config.redis {
        return Ok(of_replicas(&config.signing, redis, clock)?);
    }
    if config.signing.folder.is_none() {
        let why = "there is neither `signing.folder` nor `store.redis`: the keys live in the memory \
                   of the service; ask it at its admin listener (GET /keys, POST /keys/rotate, POST \
                   /keys/retire)";
        return Err(Failure::Usage(why.to_owned()));
    }
    let keys = SigningKeys::start(&config.signing, clock).map_err(anyhow::Error::from)?;
    Ok(Opened { keys, _runtime: None })
}

/// The keys that all replicas share.
fn of_replicas(signing: &Signing, redis: &Redis, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let runtime = runtime()?;
    let replica = Replica::new(redis, &clock)?;
    runtime.block_on(replica.connect())?;
    let keys = SigningKeys::shared(signing, &replica, runtime.handle().clone(), clock)?;
    keys.take_up()?;
    Ok(Opened { keys, _runtime: Some(runtime) })
}

fn list(keys: &SigningKeys, as_json: bool) {
    let statuses = keys.statuses();
    if as_json {
        say(format!("{:#}", json!({ "keys": statuses })));
        return;
    }
    say(format_args!("{:<44}{:<11}{:<9}{:<22}until", "kid", "algorithm", "state", "since"));
    for KeyStatus { entry, until } in statuses {
        let (algorithm, state) = (entry.algorithm.as_str(), entry.state.to_string());
        let since = entry.since.to_string();
        say(format_args!("{:<44}{algorithm:<11}{state:<9}{since:<22}{until}", entry.kid));
    }
}

fn rotate(keys: &SigningKeys, only: Option<SigningAlgorithm>) -> Result<Answer, Failure> {
    for (algorithm, rotation) in keys.rotate_now(only).map_err(anyhow::Error::from)? {
        let algorithm = algorithm.as_str();
        match rotation {
            Rotation::Done => say(format_args!("{algorithm}: rotated")),
            Rotation::Waits { until } => say(format_args!(
                "{algorithm}: will rotate at {until}, when the next key has been published for \
                 `signing.announce`"
            )),
        }
    }
    Ok(Answer::Yes)
}

fn retire(keys: &SigningKeys, kid: &str) -> Result<Answer, Failure> {
    match keys.retire_now(kid) {
        Ok(()) => {
            say(format_args!("{kid}: retired; what it signed is good no more"));
            Ok(Answer::Yes)
        }
        Err(RingError::Unknown(_)) => {
            Err(Failure::Usage(format!("{kid}: no key of the ring has this name; see `keys list`")))
        }
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}
