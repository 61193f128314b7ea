//! Tokens to test with: start from a good one, spoil one thing, sign it with any key.

use serde_json::{Map, Value, json};

use super::keys::{KeyError, SigningKey, base64url};
use crate::protocol::jws::algorithm_name;
use crate::protocol::time::{Seconds, UnixTime};

/// A token before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenBuilder {
    header: Map<String, Value>,
    header_without: Vec<String>,
    claims: Map<String, Value>,
}

impl TokenBuilder {
    /// A token of these claims; anything but a JSON object counts as none.
    pub fn of(claims: Value) -> Self {
        let claims = if let Value::Object(members) = claims { members } else { Map::new() };
        let header = Map::from_iter([("typ".to_owned(), "JWT".into())]);
        Self { header, header_without: Vec::new(), claims }
    }

    /// A client assertion that lives for a minute (RFC 7523 §3). `jti` is what makes it one of a
    /// kind.
    pub fn client_assertion(client_id: &str, audience: &str, jti: &str, now: UnixTime) -> Self {
        Self::of(json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": jti,
            "iat": now, "nbf": now, "exp": now.plus(Seconds::minutes(1)),
        }))
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a header member, also one that the key would set (`alg`, `kid`).
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header_without.retain(|gone| gone != name);
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header member, also one that the key would set.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self.header_without.push(name.to_owned());
        self
    }

    /// The claims as they are now.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The claims as JSON, the payload of the token.
    pub fn payload(&self) -> Vec<u8> {
        Value::Object(self.claims.clone()).to_string().into_bytes()
    }

    /// The header as JSON, when `key` signs.
    pub fn header_for(&self, key: &SigningKey) -> Vec<u8> {
        let mut header = self.header.clone();
        for (name, value) in [("alg", algorithm_name(key.algorithm())), ("kid", key.kid())] {
            if !header.contains_key(name) {
                header.insert(name.to_owned(), value.into());
            }
        }
        // v1 tokens name the key twice (ENT-06).
        if self.claims.get("ver") == Some(&json!("1.0")) && !header.contains_key("x5t") {
            header.insert("x5t".to_owned(), key.kid().into());
        }
        header.retain(|name, _| !self.header_without.contains(name));
        Value::Object(header).to_string().into_bytes()
    }

    /// The compact token, signed by `key`.
    pub fn sign(&self, key: &SigningKey) -> Result<String, KeyError> {
        let input = signing_input(&self.header_for(key), &self.payload());
        let signature = key.sign(input.as_bytes())?;
        Ok(format!("{input}.{}", base64url(&signature)))
    }
}

/// A compact token of any bytes at all; `sign` is given the signing input (RFC 7515 §5.1).
pub fn raw_token(header: &[u8], payload: &[u8], sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = signing_input(header, payload);
    let signature = sign(input.as_bytes());
    format!("{input}.{}", base64url(&signature))
}

fn signing_input(header: &[u8], payload: &[u8]) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dev::keys::hs256;
    use crate::protocol::jwk::{KeySet, KeyUse};
    use crate::protocol::jws::{JwsError, SignatureError, UnverifiedJwt};

    fn verified(token: &str, key: &SigningKey) -> Result<(), SignatureError> {
        let document = json!({ "keys": [key.jwk()] }).to_string();
        let keys = KeySet::parse(document.as_bytes(), KeyUse::Client).unwrap();
        let [key] = keys.keys() else { panic!("one key") };
        UnverifiedJwt::parse(token).unwrap().verify(Arc::clone(key)).map(|_| ())
    }

    #[test]
    fn each_kind_of_key_signs_what_its_public_half_verifies() {
        let rsa = SigningKey::pooled("token").unwrap();
        for key in [rsa.clone(), rsa.as_ps256(), SigningKey::ec().unwrap()] {
            let token = TokenBuilder::of(json!({ "a": 1 })).sign(&key).unwrap();
            assert_eq!(verified(&token, &key), Ok(()), "{key:?}");
        }
        let token = TokenBuilder::of(json!({})).sign(&rsa).unwrap();
        let stranger = SigningKey::pooled("stranger").unwrap();
        assert_eq!(verified(&token, &stranger), Err(SignatureError::Mismatch), "A23");
    }

    #[test]
    fn any_member_can_be_changed_or_left_out() {
        let key = SigningKey::pooled("token").unwrap();
        let good = TokenBuilder::of(json!({ "ver": "1.0", "tid": "t" }));
        let header: Value = serde_json::from_slice(&good.header_for(&key)).unwrap();
        let kid = key.kid();
        assert_eq!(header, json!({ "typ": "JWT", "alg": "RS256", "kid": kid, "x5t": kid }));
        let spoiled = good.claim("exp", "soon").without("tid").header("kid", 7);
        let spoiled = spoiled.without_header("typ").without_header("x5t").header("alg", "none");
        let header: Value = serde_json::from_slice(&spoiled.header_for(&key)).unwrap();
        assert_eq!(header, json!({ "alg": "none", "kid": 7 }));
        assert_eq!(spoiled.payload(), br#"{"exp":"soon","ver":"1.0"}"#);
    }

    #[test]
    fn forgeries_can_be_built_from_bytes() {
        let key = SigningKey::pooled("token").unwrap();
        let twice = raw_token(br#"{"alg":"RS256","alg":"none"}"#, b"{}", |_| Vec::new());
        assert!(matches!(UnverifiedJwt::parse(&twice), Err(JwsError::Header(_))), "A42");
        let pem = key.public_pem();
        let confused =
            raw_token(br#"{"alg":"HS256"}"#, b"{}", |input| hs256(pem.as_bytes(), input));
        assert_eq!(verified(&confused, &key), Err(SignatureError::Algorithm), "A06");
        assert!(pem.lines().count() > 6 && key.public_der().len() > 256);
    }
}
