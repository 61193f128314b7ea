//! Where a token comes from: the sign-in at its root, and every exchange since.
//!
//! A token carries its whole ancestry, so that one mark against any ancestor ends all that came
//! from it, at any depth, without a list of what that is.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use super::principal::PrincipalId;
use crate::protocol::ids::{ClientId, Fingerprint};
use crate::protocol::json::{Json, Object};
use crate::protocol::time::UnixTime;

/// Names one token of one issuer, whoever reads it and however it is spelled: 128 bits of the
/// SHA-256 of the issuer's name and the token's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId([u8; 16]);

impl TokenId {
    /// The token that `iss` calls `name`. An issuer's name has no NUL, so no two pairs are one.
    pub fn of(iss: &str, name: &str) -> Self {
        let digest = Fingerprint::of([iss, name].join("\0").as_bytes());
        Self(digest.first())
    }

    fn parse(text: &str) -> Option<Self> {
        BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// Base64url, 22 characters.
impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One token in an ancestry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// The token.
    pub id: TokenId,
    /// When it was issued.
    #[serde(rename = "iat")]
    pub issued_at: UnixTime,
    /// The clients that had a part in it: who got it, and who acted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<ClientId>,
}

impl Hop {
    /// Reads what [`Serialize`] wrote.
    pub fn parse(entry: &Json) -> Option<Self> {
        let Json::Object(members) = entry else { return None };
        let Some(Json::Number(iat)) = members.get("iat") else { return None };
        Some(Self {
            id: TokenId::parse(members.get("id")?.as_str()?)?,
            issued_at: UnixTime::from_seconds(iat.as_i64()?),
            by: clients(members)?,
        })
    }
}

fn clients(members: &Object) -> Option<Vec<ClientId>> {
    match members.get("by") {
        None => Some(Vec::new()),
        Some(Json::Array(names)) => names.iter().map(|name| name.as_str()?.parse().ok()).collect(),
        Some(_) => None,
    }
}

/// The whole ancestry of one token, itself included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// For whom it speaks, and which principals the issuer says act for them.
    pub principals: Vec<PrincipalId>,
    /// The sign-in first, the token itself last; never empty.
    pub hops: Vec<Hop>,
}

/// One thing by which a token can be revoked: it ends when the key is marked up to a moment not
/// before `issued_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Exposure {
    /// What would be marked.
    pub key: MarkKey,
    /// From when on the token does not depend on it any more.
    pub issued_at: UnixTime,
}

/// What a revocation is kept under: 64 bits of a digest, since every cached answer holds some. Two
/// things that shared one would be revoked together, which nobody can bring about on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct MarkKey(u64);

impl MarkKey {
    /// For a principal.
    pub fn principal(principal: PrincipalId) -> Self {
        Self::of("principal", &principal.to_string())
    }

    /// For a client.
    pub fn client(client: &ClientId) -> Self {
        Self::of("client", client.as_str())
    }

    /// For a token and everything that was exchanged from it.
    pub fn token(id: TokenId) -> Self {
        Self::of("token", &id.to_string())
    }

    fn of(kind: &str, name: &str) -> Self {
        let digest = Fingerprint::of([kind, name].join("\0").as_bytes()).first();
        Self(u64::from_be_bytes(digest))
    }
}

impl Lineage {
    /// Everything by which the token can be revoked.
    pub fn exposures(&self) -> Box<[Exposure]> {
        let sign_in = self.hops.first().map_or_else(UnixTime::default, |root| root.issued_at);
        let of_principal = |principal: &PrincipalId| Exposure {
            key: MarkKey::principal(*principal),
            issued_at: sign_in,
        };
        let of_hop = |hop: &Hop| {
            let issued_at = hop.issued_at;
            let clients = hop.by.iter().map(MarkKey::client).collect::<Vec<_>>();
            std::iter::once(MarkKey::token(hop.id))
                .chain(clients)
                .map(move |key| Exposure { key, issued_at })
        };
        self.principals.iter().map(of_principal).chain(self.hops.iter().flat_map(of_hop)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_is_read_as_it_is_written() {
        let hop = Hop {
            id: TokenId::of("https://sts.example.com", "a"),
            issued_at: UnixTime::from_seconds(7),
            by: vec!["tyk".parse().unwrap()],
        };
        let text = serde_json::to_string(&hop).unwrap();
        let read = Object::parse(text.as_bytes()).unwrap();
        assert_eq!(Hop::parse(&Json::Object(read)), Some(hop));
        for bad in [r#"{"id":"x","iat":1}"#, r#"{"iat":1}"#, r#"{"id":"AAAAAAAAAAAAAAAAAAAAAA"}"#] {
            assert_eq!(Hop::parse(&Json::Object(Object::parse(bad.as_bytes()).unwrap())), None);
        }
    }

    #[test]
    fn two_issuers_may_give_one_name() {
        assert_ne!(TokenId::of("https://a", "x"), TokenId::of("https://b", "x"));
    }
}
