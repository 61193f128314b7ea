//! What is kept outside the process: opened only as what was sealed, under its own name and by a key
//! we have; and read as it was written, or not at all.

use std::sync::LazyLock;

use tessera::adapters::redis::Seals;
use tessera::adapters::{sealed, signing};
use tessera::config::{SealingKey, SealingKeys};
use tessera::domain::issued::IssuedToken;
use tessera::domain::lineage::Exposure;
use tessera::domain::revocation::Mark;
use tessera::protocol::json::Object;
use tessera::protocol::time::UnixTime;

const ISSUER: &str = "https://sts.example.com";
const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);
const PURPOSE: &[u8] = b"tessera fuzz 1\n";

static KEYS: LazyLock<[SealingKeys; 2]> = LazyLock::new(|| {
    let key = |byte| SealingKey::from_bytes([byte; 32]);
    let (before, after) = (SealingKeys { current: key(1), previous: None }, (key(2), Some(key(1))));
    [before, SealingKeys { current: after.0, previous: after.1 }]
});

/// The first byte says what follows: an entry as somebody else put it there (`e`), something to be
/// sealed and tampered with (`t`), the ring of signing keys (`r`), the record of an opaque token
/// (`o`), a revocation (`m`), or what an answer depends on (`x`).
pub(crate) fn check(data: &[u8]) -> bool {
    let Some((kind, rest)) = data.split_first() else { return false };
    match kind {
        b'e' => foreign(rest),
        b't' => tampered(rest),
        b'r' => ring(rest),
        b'o' => record(rest),
        b'm' => same_again::<Mark>(rest),
        b'x' => same_again::<Exposure>(rest),
        _ => false,
    }
}

/// Nobody without the key writes an entry.
fn foreign(entry: &[u8]) -> bool {
    for keys in &*KEYS {
        let seals = Seals::new(keys).unwrap();
        assert!(seals.open("{tessera}:opaque:a", entry).is_none());
        assert!(sealed::open(keys, PURPOSE, entry).is_none());
        assert!(sealed::open(keys, PURPOSE, &[PURPOSE, entry].concat()).is_none());
    }
    false
}

/// The first three bytes say what is done to what the rest was sealed as.
fn tampered(data: &[u8]) -> bool {
    let Some(([how, at, mask], text)) = data.split_first_chunk() else { return false };
    let [old, new] = &*KEYS;
    let seals = [Seals::new(old).unwrap(), Seals::new(new).unwrap()];
    let name = String::from_utf8_lossy(text);
    let entry = seals[0].seal(&name, text).unwrap();
    let file = sealed::seal(&old.current, PURPOSE, text).unwrap();
    assert_eq!(entry.len(), text.len() + 28, "a nonce and a tag, and nothing else");
    for (seals, keys) in seals.iter().zip([old, new]) {
        assert_eq!(seals.open(&name, &entry).unwrap().as_slice(), text);
        assert_eq!(sealed::open(keys, PURPOSE, &file).unwrap().as_slice(), text);
        assert!(seals.open(&format!("{name}x"), &entry).is_none(), "another name");
        assert!(sealed::open(keys, b"tessera other 1\n", &file).is_none(), "another purpose");
        for sealed in [&entry, &file] {
            let altered = altered(sealed, (*how, *at, *mask));
            if altered == *sealed {
                continue;
            }
            assert!(seals.open(&name, &altered).is_none());
            assert!(sealed::open(keys, PURPOSE, &altered).is_none());
        }
    }
    let by_new = seals[1].seal(&name, text).unwrap();
    assert!(seals[0].open(&name, &by_new).is_none(), "sealed by a key that it has not");
    assert_eq!(seals[0].hidden(&name)[0], seals[1].hidden(&name)[1]);
    true
}

fn altered(sealed: &[u8], (how, at, mask): (u8, u8, u8)) -> Vec<u8> {
    let at = usize::from(at) * sealed.len() / 256;
    let mut altered = sealed.to_vec();
    match how % 4 {
        0 => altered[at] ^= mask,
        1 => altered.truncate(at),
        2 => altered.insert(at, mask),
        _ => drop(altered.remove(at)),
    }
    altered
}

fn ring(text: &[u8]) -> bool {
    let Some(held) = signing::read(text) else { return false };
    let written = signing::written(&held).expect("what was read can be written");
    let again = signing::read(&written).expect("what was written can be read");
    assert_eq!(signing::written(&again).unwrap().as_slice(), written.as_slice());
    let shown = format!("{held:?}");
    let text = std::str::from_utf8(&written).unwrap();
    let secrets = text.split("\"pkcs8\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    for secret in secrets {
        assert!(!shown.contains(secret), "a private key is shown");
    }
    true
}

/// RFC 9068 §4, and canonical: claims that are believed are written as others that say the same.
fn record(text: &[u8]) -> bool {
    let Ok(claims) = Object::parse(text) else { return false };
    let Ok(token) = IssuedToken::read(&claims, ISSUER, NOW) else { return false };
    assert!(token.expires > NOW);
    let written = token.to_claims(ISSUER).unwrap();
    let again = Object::parse(&written).expect("what was written can be read");
    assert_eq!(IssuedToken::read(&again, ISSUER, NOW).as_ref(), Ok(&token));
    let lineage = token.lineage(ISSUER);
    assert_eq!(lineage.hops.len(), token.ancestors.len() + 1);
    // One mark against the token ends it, whatever it says of itself (P14).
    let own = Mark::token(token.token_id(ISSUER), token.expires);
    assert!(lineage.exposures().iter().any(|exposure| own.ends(exposure)));
    true
}

fn same_again<T>(text: &[u8]) -> bool
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let Ok(read) = serde_json::from_slice::<T>(text) else { return false };
    let written = serde_json::to_vec(&read).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), read);
    true
}
