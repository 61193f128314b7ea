//! How the configuration in force came about, for operators.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::protocol::time::UnixTime;

/// What is known about the configuration in force; replaced as a whole with each change.
#[derive(Debug)]
pub struct Configuration(ArcSwap<State>);

/// The same, at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// 1 at the start, and one more with each change that was taken up.
    pub generation: u64,
    /// When the one in force was taken up.
    pub loaded_at: UnixTime,
    /// The file that is looked at for changes; `None`: it can not change.
    pub file: Option<String>,
    /// Keys that were changed, but are read at the start alone.
    pub restart_needed: Vec<String>,
    /// What became of the last change; `None`: there was none.
    pub last: Option<Change>,
}

/// A change that was found in the file, or looked for by order.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: UnixTime,
    /// What became of it.
    pub outcome: Outcome,
    /// Everything that is wrong with the file, if it was refused.
    pub mistakes: Vec<String>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// Something is wrong with it: what was in force before still is.
    Refused,
    /// The file says what is in force already.
    Unchanged,
}

impl Configuration {
    /// The first one, taken up at `loaded_at`.
    pub fn first(loaded_at: UnixTime) -> Self {
        let state =
            State { generation: 1, loaded_at, file: None, restart_needed: Vec::new(), last: None };
        Self(ArcSwap::from_pointee(state))
    }

    /// What is known now.
    pub fn state(&self) -> Arc<State> {
        self.0.load_full()
    }

    /// Puts `state` in place of what was known; done by one alone.
    pub fn tell(&self, state: State) {
        self.0.store(Arc::new(state));
    }
}
