//! Who a token speaks for.

use crate::protocol::ids::{Guid, GuidError};

/// The stable identity behind a token: `oid` and `tid`, and nothing else (ENT-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrincipalId {
    /// The object id in the tenant.
    pub object: Guid,
    /// The tenant.
    pub tenant: Guid,
}

/// `<oid>.<tid>`
impl std::fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.object, self.tenant)
    }
}

impl std::str::FromStr for PrincipalId {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        let (object, tenant) = text.split_once('.').ok_or(GuidError)?;
        Ok(Self { object: object.parse()?, tenant: tenant.parse()? })
    }
}

/// What kind of principal it is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum PrincipalType {
    /// An AI agent: an agent identity acting alone, or an agent's own user account.
    Agent,
    /// An application or a managed identity.
    Service,
    /// A person.
    User,
}

impl PrincipalType {
    /// As the identity context spells it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
