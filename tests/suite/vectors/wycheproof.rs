//! Wycheproof's vectors for the three algorithms that keys can have here, by the one function that
//! checks signatures. Its suites of whole tokens are in no package; the rows A01 to A26 of the attack
//! matrix try the same ideas.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use wycheproof::TestResult;
use wycheproof::{ecdsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::key;

fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The numbers of a big-endian integer that count.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn rsa(alg: &str, modulus: &[u8], exponent: &[u8]) -> Value {
    let [n, e] = [modulus, exponent].map(|number| base64url(significant(number)));
    json!({ "kty": "RSA", "alg": alg, "n": n, "e": e })
}

/// How many vectors there were: good, bad, and by a key that is not used here.
#[derive(Debug, Default, PartialEq)]
struct Tried {
    good: usize,
    bad: usize,
    without_key: usize,
}

/// A vector: its number, message, signature, and what should become of it.
type Vector<'v> = (usize, &'v [u8], &'v [u8], TestResult);

impl Tried {
    fn all<'v>(&mut self, jwk: &Value, vectors: impl Iterator<Item = Vector<'v>>) {
        let key = key(jwk);
        for (number, message, signature, expected) in vectors {
            let Some(key) = &key else {
                self.without_key += 1;
                continue;
            };
            let believed = key.signed(message, &base64url(signature));
            match expected {
                TestResult::Valid => {
                    assert!(believed, "{number} is good");
                    self.good += 1;
                }
                TestResult::Invalid => {
                    assert!(!believed, "{number} is bad");
                    self.bad += 1;
                }
                // Where one may be lenient, we are not known for it.
                TestResult::Acceptable => {
                    assert!(!believed, "{number} is odd");
                    self.bad += 1;
                }
            }
        }
    }
}

#[test]
fn es256() {
    let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let mut tried = Tried::default();
    for group in set.test_groups {
        let point = group.key.key.strip_prefix(&[4]).unwrap();
        let (x, y) = point.split_at(32);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) });
        tried.all(
            &jwk,
            group.tests.iter().map(|one| (one.tc_id, &**one.msg, &**one.sig, one.result)),
        );
    }
    assert_eq!(tried, Tried { good: 173, bad: 89, without_key: 0 });
}

#[test]
fn rs256() {
    use rsa_pkcs1_verify::{TestName, TestSet};
    let mut tried = Tried::default();
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        for group in TestSet::load(name).unwrap().test_groups {
            let jwk = rsa("RS256", &group.key.n, &group.key.e);
            tried.all(
                &jwk,
                group.tests.iter().map(|one| (one.tc_id, &**one.msg, &**one.sig, one.result)),
            );
        }
    }
    assert_eq!(tried, Tried { good: 21, bad: 752, without_key: 3 });
}

#[test]
fn ps256() {
    use rsa_pss_verify::{TestName, TestSet};
    let mut tried = Tried::default();
    let names = [
        TestName::RsaPss2048Sha256Mgf1SaltLen32,
        TestName::RsaPss3072Sha256Mgf1SaltLen32,
        TestName::RsaPss4096Sha256Mgf1SaltLen32,
    ];
    for name in names {
        for group in TestSet::load(name).unwrap().test_groups {
            let jwk = rsa("PS256", &group.key.n, &group.key.e);
            tried.all(
                &jwk,
                group.tests.iter().map(|one| (one.tc_id, &**one.msg, &**one.sig, one.result)),
            );
        }
    }
    assert_eq!(tried, Tried { good: 189, bad: 135, without_key: 0 });
}

/// A salt of another length than that of the digest is not PS256 (RFC 7518 §3.5), and neither is
/// another function to make the mask with.
#[test]
fn what_is_only_like_ps256() {
    use rsa_pss_verify::{TestName, TestSet};
    for name in [TestName::RsaPss2048Sha256Mgf1SaltLen0, TestName::RsaPss2048Sha256Mgf1Sha1_20] {
        let mut tried = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            let key = key(&rsa("PS256", &group.key.n, &group.key.e)).unwrap();
            for one in group.tests.iter().filter(|one| one.result == TestResult::Valid) {
                assert!(!key.signed(&one.msg, &base64url(&one.sig)), "{}", one.tc_id);
                tried += 1;
            }
        }
        assert!(tried > 0);
    }
}
