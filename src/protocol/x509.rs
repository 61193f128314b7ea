//! When a certificate ends (RFC 5280 §4.1.2.5).
//!
//! Only the way to that one date, through a certificate that a TLS library has read as a whole. All
//! else about certificates is that library's to judge.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::time::UnixTime;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version, where it is not the first: `[0]`, constructed.
const VERSION: u8 = 0xa0;

/// The last second for which the certificate is good; `None` if this is no certificate.
pub fn not_after(certificate: &[u8]) -> Option<UnixTime> {
    let (certificate, _) = of(SEQUENCE, certificate)?;
    let (body, _) = of(SEQUENCE, certificate)?;
    let after_version = of(VERSION, body).map_or(body, |(_, rest)| rest);
    let (_serial, rest) = of(INTEGER, after_version)?;
    let (_algorithm, rest) = of(SEQUENCE, rest)?;
    let (_issuer, rest) = of(SEQUENCE, rest)?;
    let (validity, _) = of(SEQUENCE, rest)?;
    let (_, _, end) = element(validity)?;
    match element(end)? {
        (UTC_TIME, text, _) => {
            let (year, rest) = digits::<2>(text)?;
            // RFC 5280 §4.1.2.5.1: the years 1950 to 2049.
            moment(if year < 50 { year.checked_add(2000)? } else { year.checked_add(1900)? }, rest)
        }
        (GENERALIZED_TIME, text, _) => {
            let (year, rest) = digits::<4>(text)?;
            moment(year, rest)
        }
        _ => None,
    }
}

/// `MMDDHHMMSSZ` of a year.
fn moment(year: i16, text: &[u8]) -> Option<UnixTime> {
    let (month, text) = digits::<2>(text)?;
    let (day, text) = digits::<2>(text)?;
    let (hour, text) = digits::<2>(text)?;
    let (minute, text) = digits::<2>(text)?;
    let (second, text) = digits::<2>(text)?;
    if text != b"Z" {
        return None;
    }
    let [month, day, hour, minute, second] =
        [month, day, hour, minute, second].map(|part| i8::try_from(part).unwrap_or(-1));
    let date = Date::new(year, month, day).ok()?;
    let time = Time::new(hour, minute, second, 0).ok()?;
    let moment = TimeZone::UTC.to_timestamp(DateTime::from_parts(date, time));
    // The last day of the year 9999 means that there is no end (§4.1.2.5).
    Some(moment.map_or(UnixTime::MAX, |moment| UnixTime::from_seconds(moment.as_second())))
}

fn digits<const COUNT: usize>(text: &[u8]) -> Option<(i16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<COUNT>()?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// The content of an element of this kind, and what follows it.
fn of(kind: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = element(input)?;
    (found == kind).then_some((content, rest))
}

/// One element of DER (X.690 §8.1): its kind, its content, and what follows it.
fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (kind, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if length.len() > 4 {
            return None;
        }
        (length.iter().fold(0, |high: usize, low| (high << 8) | usize::from(*low)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*kind, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A certificate as far as this goes, which ends at `end`.
    fn certificate(version: &[u8], end: &[u8]) -> Vec<u8> {
        let tlv = |kind: u8, content: &[u8]| {
            [&[kind, u8::try_from(content.len()).unwrap()], content].concat()
        };
        let begin = tlv(UTC_TIME, b"200101000000Z");
        let validity = tlv(SEQUENCE, &[begin, end.to_vec()].concat());
        let body = [version, &tlv(INTEGER, &[1]), &tlv(SEQUENCE, b""), &tlv(SEQUENCE, b"")];
        tlv(SEQUENCE, &tlv(SEQUENCE, &[&body.concat(), &*validity].concat()))
    }

    fn end(kind: u8, text: &str) -> Option<i64> {
        let length = u8::try_from(text.len()).unwrap();
        let end = [&[kind, length], text.as_bytes()].concat();
        let read = not_after(&certificate(&[VERSION, 3, INTEGER, 1, 2], &end));
        assert_eq!(read, not_after(&certificate(&[], &end)), "the version may be left out");
        read.map(UnixTime::seconds)
    }

    #[test]
    fn both_kinds_of_time_are_read() {
        assert_eq!(end(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(end(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(end(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        assert_eq!(end(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(end(GENERALIZED_TIME, "99991231235959Z"), Some(i64::MAX), "no end");
        for bad in
            ["", "7001010000Z", "700101000000", "701301000000Z", "700101000000+", "7x0101000000Z"]
        {
            assert_eq!(end(UTC_TIME, bad), None, "{bad}");
        }
        assert_eq!(end(SEQUENCE, "700101000000Z"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_read_breaks_it(input: Vec<u8>, cut in 0_usize..60) {
            not_after(&input);
            let whole = certificate(&[], &[UTC_TIME, 0]);
            not_after(&[whole.get(..cut).unwrap_or(&whole), &input].concat());
        }
    }
}
