//! Who acts for whom, as claims say it (RFC 8693 §4.1, §4.4).

use serde::Serialize;

use super::json::{Json, Object};

/// `act`: the party that acts now, and, nested in it, those that acted before (TEX-41).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Act {
    /// Who named the party.
    pub iss: String,
    /// The party.
    pub sub: String,
    /// The party that acted before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

/// `may_act`: the only party that may act for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MayAct {
    /// Who named the party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The party.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
}

/// A claim about delegation is not what RFC 8693 says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// Not an object, or a member of the wrong type.
    #[error("not an object of strings that identify a party")]
    Malformed,
    /// A member that does not identify anybody, or that is not compared here.
    #[error("a member other than `iss`, `sub` and a nested `act`")]
    Member,
}

impl Act {
    /// Reads a chain as we write it: `iss`, `sub` and the nested `act`, and nothing else (TEX-40,
    /// A170). How deep it may be is bounded where JSON is read.
    pub fn parse(claim: &Json) -> Result<Self, DelegationError> {
        let Json::Object(members) = claim else { return Err(DelegationError::Malformed) };
        only(members, &["iss", "sub", "act"])?;
        let required =
            |name| text(members, name).and_then(|found| found.ok_or(DelegationError::Malformed));
        let act = members.get("act").map(Self::parse).transpose()?.map(Box::new);
        Ok(Self { iss: required("iss")?, sub: required("sub")?, act })
    }

    /// The parties, the present one first.
    pub fn parties(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |party| party.act.as_deref())
    }

    /// How many parties there are.
    pub fn depth(&self) -> usize {
        self.parties().count()
    }
}

impl MayAct {
    /// Reads the claim; at least one member must identify somebody (A166). A member that is not
    /// understood cannot be matched, so it refuses everybody.
    pub fn parse(claim: &Json) -> Result<Self, DelegationError> {
        let Json::Object(members) = claim else { return Err(DelegationError::Malformed) };
        only(members, &["iss", "sub"])?;
        let (iss, sub) = (text(members, "iss")?, text(members, "sub")?);
        if iss.is_none() && sub.is_none() {
            return Err(DelegationError::Malformed);
        }
        Ok(Self { iss, sub })
    }
}

fn only(members: &Object, known: &[&str]) -> Result<(), DelegationError> {
    if members.members().all(|(name, _)| known.contains(&name)) {
        Ok(())
    } else {
        Err(DelegationError::Member)
    }
}

fn text(members: &Object, name: &str) -> Result<Option<String>, DelegationError> {
    match members.get(name) {
        None => Ok(None),
        Some(Json::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(DelegationError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        let document = Object::parse(format!(r#"{{"x":{text}}}"#).as_bytes()).unwrap();
        document.get("x").unwrap().clone()
    }

    #[test]
    fn a_chain_is_read_as_it_is_written() {
        let text = r#"{"iss":"i","sub":"b","act":{"iss":"i","sub":"a"}}"#;
        let act = Act::parse(&json(text)).unwrap();
        assert_eq!(serde_json::to_string(&act).unwrap(), text, "TEX-41");
        assert_eq!((act.depth(), act.sub.as_str()), (2, "b"));
    }

    #[test]
    fn a_malformed_chain_is_refused_whole() {
        for text in [
            r#""b""#,
            "[]",
            "{}",
            "null",
            r#"{"sub":"b"}"#,
            r#"{"iss":"i","sub":""}"#,
            r#"{"iss":"i","sub":7}"#,
            r#"{"iss":"i","sub":"b","exp":1}"#,
            r#"{"iss":"i","sub":"b","aud":"x"}"#,
            r#"{"iss":"i","sub":"b","act":"a"}"#,
            r#"{"iss":"i","sub":"b","act":{"sub":"a"}}"#,
        ] {
            assert!(Act::parse(&json(text)).is_err(), "A170 {text}");
        }
    }

    #[test]
    fn may_act_names_somebody_or_is_refused() {
        assert!(MayAct::parse(&json(r#"{"sub":"a"}"#)).is_ok());
        for text in ["{}", "[]", r#""a""#, r#"{"sub":1}"#, r#"{"sub":"a","email":"a@b"}"#] {
            assert!(MayAct::parse(&json(text)).is_err(), "A166 {text}");
        }
    }
}
