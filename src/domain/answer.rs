//! How an answer about a token came about, as far as operators count it.

use std::fmt;

use crate::protocol::ids::Guid;

/// Who issued a token, as one of a closed list: nothing that a token says, but what the
/// configuration says about it. Of a refused token it is who it says that issued it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenIssuer {
    /// Nobody whom the configuration names, or the token could not be read.
    #[default]
    Unknown,
    /// This service.
    Tessera,
    /// A configured tenant.
    Tenant(Guid),
}

/// As labels spell it.
impl fmt::Display for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown"),
            Self::Tessera => f.write_str("tessera"),
            Self::Tenant(tenant) => tenant.fmt(f),
        }
    }
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Source {
    /// It had been decided before, or for somebody else who asked at the same time.
    Memory,
    /// Another replica had decided it.
    Redis,
    /// It was decided now.
    Decided,
}

impl Source {
    /// As labels spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
