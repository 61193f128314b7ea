//! The self-signed certificate around an RSA key, as Entra's key sets show one (`x5c`, `x5t`).
//!
//! Only as much of X.509 (RFC 5280 §4.1) as that takes, in version 1, which has no extensions.
//! Nothing trusts these certificates: the keys are what counts, and the wrapping is for show.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// `sha256WithRSAEncryption` (RFC 4055 §5), with its NULL parameters.
const SHA256_WITH_RSA: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00];
/// `id-at-commonName` (RFC 5280 appendix A).
const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
/// Who the certificate says it is for and by.
const NAME: &[u8] = b"look-alike.accesscontrol.invalid";
/// The certificate's life. Wide and fixed: a verifier of tokens does not look at it.
const LIFE: [&[u8]; 2] = [b"200101000000Z", b"491231235959Z"];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The DER of a certificate for `public_key` (a `SubjectPublicKeyInfo`); `sign` makes the RS256
/// signature of that same key.
pub(super) fn self_signed<E>(
    public_key: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let common_name = tlv(SEQUENCE, &[&COMMON_NAME, &tlv(UTF8_STRING, &[NAME])]);
    let name = tlv(SEQUENCE, &[&tlv(SET, &[&common_name])]);
    let [from, until] = LIFE.map(|moment| tlv(UTC_TIME, &[moment]));
    let life = tlv(SEQUENCE, &[&from, &until]);
    let serial = tlv(INTEGER, &[&[1]]);
    let body = tlv(SEQUENCE, &[&serial, &SHA256_WITH_RSA, &name, &life, &name, public_key]);
    let signature = tlv(BIT_STRING, &[&[0], &sign(&body)?]);
    Ok(tlv(SEQUENCE, &[&body, &SHA256_WITH_RSA, &signature]))
}

/// The SHA-1 of a certificate, which `x5t` names it by (RFC 7517 §4.8).
pub(super) fn thumbprint(certificate: &[u8]) -> Vec<u8> {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate).as_ref().to_vec()
}

/// One element of DER (X.690 §8.1): tag, length, content.
fn tlv(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&[tag], &*length(content.len()), &content].concat()
}

fn length(of: usize) -> Vec<u8> {
    let digits: Vec<u8> = of.to_be_bytes().into_iter().skip_while(|digit| *digit == 0).collect();
    match digits.as_slice() {
        [] => vec![0],
        [short] if *short < 0x80 => vec![*short],
        long => {
            let count = u8::try_from(long.len()).unwrap_or_default();
            [&[0x80 | count], long].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_shortest_form() {
        assert_eq!(length(0), [0]);
        assert_eq!(length(127), [127]);
        assert_eq!(length(128), [0x81, 128]);
        assert_eq!(length(256), [0x82, 1, 0]);
    }

    #[test]
    fn the_signed_part_stands_whole_in_the_certificate() {
        let mut signed = Vec::new();
        let certificate = self_signed(b"key", |body| {
            signed = body.to_vec();
            Ok::<_, ()>(b"signature".to_vec())
        });
        let certificate = certificate.unwrap();
        let after_header = certificate.get(3..).unwrap();
        assert!(after_header.starts_with(&signed));
        assert!(certificate.ends_with(b"\x03\x0a\x00signature"));
        assert_eq!(thumbprint(&certificate).len(), 20);
    }
}
