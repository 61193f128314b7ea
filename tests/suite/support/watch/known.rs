//! Secrets and tokens, and whether a text repeats a piece of one.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Shortest piece that is a leak (P11), in bytes.
pub(super) const PIECE: usize = 16;
/// Each piece has a whole block of this length that begins at a multiple of it.
const BLOCK: usize = 8;
/// A block that so many texts have, as the beginnings of tokens do, is remembered for no more.
const ALIKE: usize = 32;
/// A piece with fewer different bytes gives nothing away: tests send long runs of one letter.
const DIFFERENT: usize = 8;
/// The sieve tells at once that most blocks are in no secret; in bits.
const SIEVE: usize = 1 << 24;

/// What must not be repeated.
pub(super) struct Known {
    texts: Vec<Box<[u8]>>,
    all: HashSet<Box<[u8]>>,
    /// Where each block stands: in which text, and from which byte on.
    blocks: HashMap<u64, Vec<(usize, usize)>>,
    sieve: Vec<u64>,
}

impl Known {
    pub(super) fn new() -> Self {
        let sieve = vec![0; SIEVE / 64];
        Self { texts: Vec::new(), all: HashSet::new(), blocks: HashMap::new(), sieve }
    }

    pub(super) fn has(&self, text: &[u8]) -> bool {
        self.all.contains(text)
    }

    pub(super) fn add(&mut self, text: &[u8]) {
        if text.len() < PIECE || !self.all.insert(text.into()) {
            return;
        }
        let (number, mut kept) = (self.texts.len(), false);
        for (place, block) in text.chunks_exact(BLOCK).enumerate() {
            let block = number_of(block);
            let places = self.blocks.entry(block).or_default();
            if places.len() < ALIKE {
                places.push((number, place * BLOCK));
                kept = true;
                let (word, bit) = sieved(block);
                self.sieve[word] |= bit;
            }
        }
        if kept {
            self.texts.push(text.into());
        }
    }

    /// The first piece of a secret in `text`, as long as it is there.
    pub(super) fn piece(&self, text: &[u8]) -> Option<Range<usize>> {
        (0..(text.len() + 1).saturating_sub(BLOCK)).find_map(|at| {
            let block = number_of(&text[at..at + BLOCK]);
            let (word, bit) = sieved(block);
            if self.sieve[word] & bit == 0 {
                return None;
            }
            let places = self.blocks.get(&block)?;
            places.iter().find_map(|(number, place)| around(&self.texts[*number], *place, text, at))
        })
    }
}

fn number_of(block: &[u8]) -> u64 {
    u64::from_le_bytes(block.try_into().unwrap())
}

/// The place of a block in the sieve: a word, and a bit of it.
fn sieved(block: u64) -> (usize, u64) {
    let mixed = block.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let place = usize::try_from(mixed).unwrap() % SIEVE;
    (place / 64, 1 << (place % 64))
}

/// The piece of `secret` in `text` around a block that both have, if it is long enough.
fn around(secret: &[u8], place: usize, text: &[u8], at: usize) -> Option<Range<usize>> {
    let same = |(one, other): &(&u8, &u8)| one == other;
    let before = secret[..place].iter().rev().zip(text[..at].iter().rev());
    let before = before.take_while(same).count();
    let after = secret[place..].iter().zip(&text[at..]).take_while(same).count();
    let piece = at - before..at + after;
    let different: HashSet<_> = text[piece.clone()].iter().collect();
    (piece.len() >= PIECE && different.len() >= DIFFERENT).then_some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

    fn known(secret: &[u8]) -> Known {
        let mut known = Known::new();
        known.add(secret);
        known
    }

    #[test]
    fn every_piece_of_sixteen_bytes_is_found_wherever_it_stands_and_no_shorter_one() {
        let known = known(SECRET);
        for from in 0..=SECRET.len() - PIECE {
            let piece = &SECRET[from..][..PIECE];
            for before in ["", "x", "token: ", "………"] {
                let text = [before.as_bytes(), piece, b"\" and more"].concat();
                let found = known.piece(&text);
                assert_eq!(found, Some(before.len()..before.len() + PIECE), "{from} {before}");
                let short = [before.as_bytes(), &piece[1..], b"\" and more"].concat();
                assert_eq!(known.piece(&short), None, "{from} {before}");
            }
        }
    }

    #[test]
    fn a_secret_that_begins_as_many_others_do_is_found_by_its_end() {
        let mut known = Known::new();
        let secret = |number: usize| format!("the same long beginning of all {number:016x}");
        for number in 0..1_000 {
            known.add(secret(number).as_bytes());
        }
        assert!(known.piece(secret(999).as_bytes()).is_some());
        assert!(known.piece(format!("so {:016x} is out", 999).as_bytes()).is_none(), "0000…");
        known.add(b"the same long beginning of all 4d0f6a2b9c8e1735");
        assert!(known.piece(b"so 4d0f6a2b9c8e1735 is out").is_some());
    }

    #[test]
    fn runs_of_few_letters_and_short_texts_are_no_secrets() {
        assert_eq!(known(&[b'a'; 100]).piece(&[b'a'; 50]), None);
        assert_eq!(known(b"0123456789abcde").piece(b"0123456789abcde"), None);
    }
}
