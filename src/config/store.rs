//! `store`: what is kept outside the process, and the keys that seal it.

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::read::{Place, Reader, Section};
use super::redis::Redis;
use super::report::Wrong;
use super::{schema, sharing};

/// How many bytes a sealing key has: those of AES-256.
pub const SEALING_KEY_BYTES: usize = 32;

/// What to do when there is none, or none that is good.
const MAKE: &str = "make one with: openssl rand -hex 32";

/// Base64 as tools write it, with and without `=` at the end.
const BASE64: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT),
    GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT),
];
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A key that seals: [`SEALING_KEY_BYTES`] bytes that do not print, and are wiped when dropped.
#[derive(Clone, Debug)]
pub struct SealingKey(SecretSlice<u8>);

impl SealingKey {
    /// A key of these bytes.
    pub fn from_bytes(bytes: [u8; SEALING_KEY_BYTES]) -> Self {
        Self(SecretSlice::from(bytes.to_vec()))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// The keys for what is kept outside the process.
#[derive(Clone, Debug)]
pub struct SealingKeys {
    /// Seals and opens.
    pub current: SealingKey,
    /// Only opens.
    pub previous: Option<SealingKey>,
}

/// What the file says about what is kept outside the process.
pub(super) struct Store {
    /// What seals it.
    pub(super) sealing: Sealing,
    /// Whether there is to be a Redis.
    pub(super) shared: bool,
    /// The Redis, unless there is none or something is wrong with it.
    pub(super) redis: Option<Redis>,
}

/// What the file says about sealing keys.
pub(super) struct Sealing {
    /// Whether there is to be one.
    named: bool,
    /// The keys, unless there are none or something is wrong with them.
    keys: Option<SealingKeys>,
}

impl Sealing {
    /// The keys for what stands at `place`, which cannot do without, and `why`.
    pub(super) fn needed(
        &self,
        reader: &mut Reader<'_>,
        place: &Place,
        why: &str,
    ) -> Option<SealingKeys> {
        if !self.named {
            let wrong = Wrong::new(format!("needs `store.sealing_key`: {why}"));
            reader.note(place, wrong.hint(MAKE));
        }
        self.keys.clone()
    }
}

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> Store {
    let Some(section) = reader.defaulted(file, "store", &schema::STORE) else {
        let sealing = Sealing { named: true, keys: None };
        return Store { sealing, shared: false, redis: None };
    };
    let named = section.get("sealing_key").is_some();
    let sealing = Sealing { named, keys: keys(reader, &section) };
    let redis = section.get("redis");
    let shared = redis.is_some();
    let redis = redis.and_then(|found| sharing::read(reader, &found, &sealing));
    Store { sealing, shared, redis }
}

fn keys(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<SealingKeys> {
    let current = sealing_key(reader, section, "sealing_key");
    let previous = sealing_key(reader, section, "previous_sealing_key");
    let place = section.place_of("previous_sealing_key");
    if previous.is_some() && section.get("sealing_key").is_none() {
        reader.note(&place, Wrong::new("without `sealing_key`").hint("set both, or neither"));
    }
    let current = current?;
    if previous.as_ref().is_some_and(|previous| previous.bytes() == current.bytes()) {
        reader.note(&place, Wrong::new("the same key as `sealing_key`").hint("remove it"));
    }
    Some(SealingKeys { current, previous })
}

fn sealing_key(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Option<SealingKey> {
    let secret = reader.secret(section, name)?;
    parse(&secret.value).map_err(|wrong| reader.note(&secret.place, wrong)).ok()
}

fn parse(text: &str) -> Result<SealingKey, Wrong> {
    let decoded = hexadecimal(text).or_else(|| {
        let decode = |engine: &GeneralPurpose| engine.decode(text).ok();
        BASE64.iter().find_map(decode).map(Zeroizing::new)
    });
    match decoded {
        Some(bytes) if bytes.len() == SEALING_KEY_BYTES => {
            Ok(SealingKey(SecretSlice::from(bytes.to_vec())))
        }
        _ => Err(Wrong::new("not 32 bytes as 64 hexadecimal digits or in base64").hint(MAKE)),
    }
}

fn hexadecimal(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    if text.len() != SEALING_KEY_BYTES.saturating_mul(2) {
        return None;
    }
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = Zeroizing::new(digits?);
    let byte = |pair: &[u32]| {
        let byte = pair.iter().fold(0_u32, |high, low| high.wrapping_mul(16).wrapping_add(*low));
        u8::try_from(byte).ok()
    };
    digits.chunks_exact(2).map(byte).collect::<Option<Vec<u8>>>().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_in_any_usual_spelling() {
        let hex = "00ff".repeat(16);
        let base64 = "AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8A/wD/AP8=";
        for text in [
            &*hex,
            &hex.to_uppercase(),
            base64,
            &base64.replace('/', "_"),
            base64.trim_end_matches('='),
        ] {
            assert_eq!(parse(text).unwrap().bytes(), [0x00, 0xff].repeat(16), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        for text in
            ["", "hunter2", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64), &"ä".repeat(32)]
        {
            let Wrong { message, hint } = parse(text).unwrap_err();
            assert!(text.is_empty() || !message.contains(text), "{message} {hint:?}");
        }
    }

    #[test]
    fn a_key_does_not_print() {
        assert!(!format!("{:?}", parse(&"ab".repeat(32)).unwrap()).contains("171"));
    }
}
