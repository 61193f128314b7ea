//! What Redis holds is sealed: whoever reads it learns nothing, and whoever writes it is found out.
//!
//! Each entry has a key of its own, derived (HKDF, RFC 5869) from the sealing key and the entry's
//! name. So no entry can pass for another, and no two entries can ever share a nonce.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use secrecy::zeroize::Zeroizing;

use crate::config::{SealingKey, SealingKeys};

/// Sets these keys apart from every other use of a sealing key.
const SALT: &[u8] = b"tessera redis 1";
/// Bytes of a nonce.
const NONCE_BYTES: usize = 12;
/// Bytes of a hidden name: 128 bits.
const NAME_BYTES: usize = 16;

/// The keys that seal entries, and hide names.
pub struct Seals {
    current: One,
    previous: Option<One>,
}

/// Which sealing key opened an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapters) enum SealedBy {
    /// The present one.
    Current,
    /// The one before it, or, on a replica that was not changed yet, the one after it.
    Previous,
}

/// What one sealing key gives.
struct One {
    entries: Prk,
    names: hmac::Key,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seals").finish_non_exhaustive()
    }
}

impl Seals {
    /// The keys that `keys` give; `None` when the cryptographic library refuses.
    pub fn new(keys: &SealingKeys) -> Option<Self> {
        let previous = match &keys.previous {
            Some(previous) => Some(One::new(previous)?),
            None => None,
        };
        Some(Self { current: One::new(&keys.current)?, previous })
    }

    /// `text`, sealed as the entry `name`.
    pub fn seal(&self, name: &str, text: &[u8]) -> Option<Vec<u8>> {
        let mut sealed = text.to_vec();
        let key = self.current.entry(name)?;
        let nonce = key.seal_in_place_append_tag(Aad::empty(), &mut sealed).ok()?;
        Some([nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// What was sealed as the entry `name`, by the present sealing key or the previous one.
    pub fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open_dated(name, sealed).map(|(text, _)| text)
    }

    /// The same, and by which of them: what the previous one sealed must be sealed anew before that
    /// is taken away.
    pub(super) fn open_dated(
        &self,
        name: &str,
        sealed: &[u8],
    ) -> Option<(Zeroizing<Vec<u8>>, SealedBy)> {
        let by = |key: &One, by| key.open(name, sealed).map(|text| (text, by));
        by(&self.current, SealedBy::Current)
            .or_else(|| by(self.previous.as_ref()?, SealedBy::Previous))
    }

    /// Other words for `name`, which only replicas can find: the one to write under first, then the
    /// one that the previous sealing key gave.
    pub fn hidden(&self, name: &str) -> Vec<String> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        keys.into_iter().flatten().map(|key| key.hidden(name)).collect()
    }
}

impl One {
    fn new(key: &SealingKey) -> Option<Self> {
        let entries = Salt::new(HKDF_SHA256, SALT).extract(key.bytes());
        let names = derived(&entries, "names", "")?;
        Some(Self { names: hmac::Key::new(hmac::HMAC_SHA256, &*names), entries })
    }

    fn entry(&self, name: &str) -> Option<RandomizedNonceKey> {
        let key = derived(&self.entries, "entry", name)?;
        RandomizedNonceKey::new(&AES_256_GCM, &*key).ok()
    }

    fn open(&self, name: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.entry(name)?.open_in_place(nonce, Aad::empty(), &mut text).ok()?.len();
        text.truncate(opened);
        Some(text)
    }

    fn hidden(&self, name: &str) -> String {
        let tag = hmac::sign(&self.names, name.as_bytes());
        let tag = tag.as_ref().get(..NAME_BYTES).unwrap_or_default();
        BASE64_URL_SAFE_NO_PAD.encode(tag)
    }
}

/// The key for one purpose. The words before `name` are fixed and none begins another.
fn derived(keys: &Prk, purpose: &str, name: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut key = Zeroizing::new([0; 32]);
    let words = [purpose.as_bytes(), b"\0", name.as_bytes()];
    keys.expand(&words, HKDF_SHA256).ok()?.fill(&mut *key).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_bytes([byte; 32])
    }

    fn seals(current: u8, previous: Option<u8>) -> Seals {
        Seals::new(&SealingKeys { current: key(current), previous: previous.map(key) }).unwrap()
    }

    #[test]
    fn an_entry_opens_only_under_its_own_name_and_unaltered() {
        let seals = seals(1, None);
        let sealed = seals.seal("tessera:a", b"secret").unwrap();
        assert_eq!(seals.open("tessera:a", &sealed).unwrap().as_slice(), b"secret");
        assert!(seals.open("tessera:b", &sealed).is_none(), "swapped");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(seals.open("tessera:a", &altered).is_none(), "byte {at}");
            assert!(seals.open("tessera:a", &sealed[..at]).is_none(), "cut at {at}");
        }
        assert!(!sealed.windows(6).any(|bytes| bytes == b"secret"));
        assert_ne!(seals.seal("tessera:a", b"secret").unwrap(), sealed, "no two are alike");
    }

    #[test]
    fn the_sealing_key_can_be_changed_while_replicas_run() {
        let (old, both, new) = (seals(1, Some(2)), seals(2, Some(1)), seals(2, None));
        let by_old = old.seal("a", b"x").unwrap();
        let by_both = both.seal("a", b"x").unwrap();
        assert!(both.open("a", &by_old).is_some() && old.open("a", &by_both).is_some());
        assert!(new.open("a", &by_both).is_some() && new.open("a", &by_old).is_none());
        assert_eq!(both.hidden("n"), [new.hidden("n"), seals(1, None).hidden("n")].concat());
    }

    #[test]
    fn names_are_hidden_and_short() {
        let name = &seals(1, None).hidden("11111111-2222-3333-4444-555555555555")[0];
        assert_eq!(name.len(), 22);
        assert_ne!(name, &seals(2, None).hidden("11111111-2222-3333-4444-555555555555")[0]);
    }
}
