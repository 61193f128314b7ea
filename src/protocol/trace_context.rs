//! `traceparent` (W3C Trace Context, level 2): which trace a request belongs to.

use std::fmt;

/// How long version 00 is, in bytes (§3.2.2).
const LENGTH: usize = 55;
/// What stands before the caller's span (§3.2.2.3).
const FLAGS: usize = 53;
/// The version that there never will be (§3.2.2.1).
const INVALID: &str = "ff";
/// The flag of a trace that the caller records (§3.2.2.5.1).
const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace.
    pub trace: u128,
    /// The span that is the parent of what comes next.
    pub span: u64,
    /// Whether whoever comes before records the trace.
    pub sampled: bool,
}

impl TraceParent {
    /// What the header says, unless it is malformed: then it says nothing (§3.2.2, §4.3).
    pub fn read(text: &str) -> Option<Self> {
        let version = hexadecimal(text.get(..2)?)?;
        // A later version may say more behind a further hyphen (§4.3).
        let longer = version != 0 && text.as_bytes().get(LENGTH) == Some(&b'-');
        if text.get(..2) == Some(INVALID) || !(text.len() == LENGTH || longer) {
            return None;
        }
        let hyphens = [2, 35, FLAGS.checked_sub(1)?];
        if hyphens.iter().any(|at| text.as_bytes().get(*at) != Some(&b'-')) {
            return None;
        }
        let trace = hexadecimal(text.get(3..35)?)?;
        let span = u64::try_from(hexadecimal(text.get(36..52)?)?).ok()?;
        let flags = u8::try_from(hexadecimal(text.get(FLAGS..LENGTH)?)?).ok()?;
        // All zeros is nobody (§3.2.2.3, §3.2.2.4).
        (trace != 0 && span != 0).then_some(Self { trace, span, sampled: flags & SAMPLED != 0 })
    }
}

/// As the header spells it.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, sampled } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*sampled))
    }
}

/// Digits in lower case and nothing else: no sign, no capital.
fn hexadecimal(text: &str) -> Option<u128> {
    let legal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !text.bytes().all(legal) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All but the version.
    const REST: &str = "-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_well_formed_is_read_and_written_again() {
        let read = TraceParent::read(GOOD).unwrap();
        assert_eq!(read.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((read.span, read.sampled), (0x00f0_67aa_0ba9_02b7, true));
        assert_eq!(read.to_string(), GOOD);
        for (flags, sampled) in [("00", false), ("02", false), ("03", true), ("ff", true)] {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            assert_eq!(TraceParent::read(&text).unwrap().sampled, sampled, "{flags}");
        }
        for later in [format!("01{REST}"), format!("cc{REST}-what-comes")] {
            assert_eq!(TraceParent::read(&later), Some(read), "{later}");
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        let long = format!("{GOOD}-more");
        for text in [
            "",
            "00",
            GOOD.strip_prefix('0').unwrap(),
            GOOD.strip_suffix('1').unwrap(),
            &long,
            &format!("{GOOD} "),
            &format!(" {GOOD}"),
            &format!("ff{REST}"),
            &format!("cc{REST}x"),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            &GOOD.replacen("4bf9", "4b+9", 1),
            &GOOD.replacen("4bf9", "4bé", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        ] {
            assert_eq!(TraceParent::read(text), None, "{text:?}");
        }
    }
}
