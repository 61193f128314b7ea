//! What can be seen of an attack from outside the answer: a line of log, and requests to Entra.

use std::collections::HashSet;

use serde_json::Value;
use tessera::dev::faults::Surface;

use crate::support::World;

/// Longest line about one refused request, in bytes: three texts of the caller, each cut, with
/// everything that is not printable escaped twice.
const MAX_LINE: usize = 4096;
/// Shortest piece of a token that is not to be seen anywhere (P11).
const PIECE: usize = 16;

/// Asserts that a refusal of `token` is told in one line, which cannot be taken for two, is not long,
/// and holds no piece of it. What `is_new` must be told, what is known need not.
#[track_caller]
pub(super) fn assert_told_once(what: &str, lines: &[String], token: &str, is_new: bool) {
    let told = if is_new { lines.len() == 1 } else { lines.len() <= 1 };
    assert!(told, "{what}: {} lines: {lines:#?}", lines.len());
    for line in lines {
        assert_bounded(what, line, token);
    }
}

/// Asserts that a line is one line of JSON in ASCII, is not long, and holds no piece of `token`.
#[track_caller]
pub(super) fn assert_bounded(what: &str, line: &str, token: &str) {
    let line = line.trim_end_matches('\n');
    assert!(line.len() <= MAX_LINE, "{what}: {} bytes: {line}", line.len());
    // What was cut ends with this mark.
    let plain = |letter: char| matches!(letter, ' ' | '…') || letter.is_ascii_graphic();
    assert!(line.chars().all(plain), "{what}: A226: {line:?}");
    let told: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert!(["INFO", "WARN"].contains(&told["level"].as_str().unwrap()), "{what}: {line}");
    assert_no_piece(what, line, token);
}

/// Asserts that `text` holds no piece of `token`.
#[track_caller]
pub(super) fn assert_no_piece(what: &str, text: &str, token: &str) {
    let seen: HashSet<&[u8]> = text.as_bytes().windows(PIECE).collect();
    let piece = token.as_bytes().windows(PIECE).find(|piece| seen.contains(piece));
    let piece = piece.map(String::from_utf8_lossy);
    assert_eq!(piece, None, "{what}: P11: a piece of the token in {text}");
}

/// How often Entra was asked for anything.
pub(super) struct Asked([u64; 4]);

impl Asked {
    pub(super) fn now(world: &World) -> Self {
        Self(Surface::ALL.map(|surface| world.entra.requests(surface)))
    }

    /// Asserts that since then keys were fetched so often at most, each time after a look at where
    /// they are, and that nothing else was asked for at all.
    #[track_caller]
    pub(super) fn assert_no_more_than(&self, fetches: u64, row: &str, world: &World) {
        let Self(now) = Self::now(world);
        for ((surface, before), after) in Surface::ALL.into_iter().zip(self.0).zip(now) {
            let allowed = match surface {
                Surface::Discovery | Surface::Keys => fetches,
                Surface::Token | Surface::Graph => 0,
            };
            let asked = after - before;
            assert!(asked <= allowed, "{row}: {surface:?} was asked {asked} times");
        }
    }
}
