//! Those who flood: each over a connection of its own, as fast as it is answered.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::{Context as _, ensure};
use tessera::dev::token::raw_token;

use crate::load::connection::{Answer, Connection};
use crate::load::expect::Expect;
use crate::load::population::introspection;
use crate::system::mint::SECRET;

/// How many different unknown keys are named, one after the other.
const NAMES: usize = 20_000;
/// How many different secrets are guessed.
const GUESSES: usize = 2000;

/// What is sent by those who flood. Cheap to clone.
#[derive(Clone)]
pub(super) struct Hostile {
    connections: usize,
    unknown_keys: Rc<Vec<Vec<u8>>>,
    guesses: Rc<Vec<Vec<u8>>>,
}

/// Which of it.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    UnknownKeys = 1,
    Guesses = 2,
}

impl Hostile {
    /// Tokens like the first of these, but each naming another key, from a client with a good secret;
    /// and good tokens from clients whose secret is guessed.
    pub(super) fn new(tokens: &[String], connections: usize) -> anyhow::Result<Self> {
        let token = tokens.first().context("no token")?;
        let unknown_keys =
            (0..NAMES).map(|number| Ok(introspection("tyk", SECRET, &renamed(token, number)?)));
        let guess = |number| format!("loadtest-guess-{number:022}");
        let guesses = (0..GUESSES).map(|number| introspection("tyk", &guess(number), token));
        Ok(Self {
            connections,
            unknown_keys: Rc::new(unknown_keys.collect::<anyhow::Result<_>>()?),
            guesses: Rc::new(guesses.collect()),
        })
    }

    /// One connection for each, from an address of its own, so that the server has to keep count of
    /// many guessers. Who guesses is told to wait, and so is whoever else has that address: the two
    /// floods and good traffic (127.0.0.1) come from different ones.
    pub(super) async fn connect(
        &self,
        kind: Kind,
        to: SocketAddr,
    ) -> anyhow::Result<Vec<Connection>> {
        let mut open = Vec::new();
        for number in 0..self.connections {
            let last = u8::try_from(2 + number % 250)?;
            let from = Ipv4Addr::new(127, 0, kind as u8, last);
            open.push(Connection::open_from(from, to).await?);
        }
        Ok(open)
    }

    /// Asks for as long as `flooding`, counts the answers, and fails on a wrong one.
    pub(super) async fn flood(
        &self,
        kind: Kind,
        (mut connection, first): (Connection, usize),
        flooding: Rc<Cell<bool>>,
        answers: Rc<Cell<u64>>,
    ) -> anyhow::Result<()> {
        let requests = match kind {
            Kind::UnknownKeys => &self.unknown_keys,
            Kind::Guesses => &self.guesses,
        };
        let mut next = first;
        while flooding.get() {
            let request = requests.get(next % requests.len()).context("no request")?;
            let answer = connection.answer(request).await?;
            ensure!(kind.is_right(answer), "a wrong answer to a flood: {answer}");
            answers.set(answers.get() + 1);
            next += self.connections;
        }
        Ok(())
    }
}

impl Kind {
    /// A token whose key is unknown is not active; who guesses is refused, and soon told to wait.
    fn is_right(self, answer: Answer<'_>) -> bool {
        match self {
            Self::UnknownKeys => Expect::Inactive.is_met_by(answer),
            Self::Guesses => matches!(answer.status, 401 | 429),
        }
    }
}

/// The same token under the name of a key that nobody has.
fn renamed(token: &str, number: usize) -> anyhow::Result<String> {
    let (_, rest) = token.split_once('.').context("a token")?;
    let header = format!(r#"{{"alg":"RS256","kid":"flood-{number:020}","typ":"JWT"}}"#);
    let made = raw_token(header.as_bytes(), b"", |_| Vec::new());
    let header = made.split('.').next().context("a header")?;
    Ok(format!("{header}.{rest}"))
}
