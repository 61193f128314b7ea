//! Where what is recorded came from, and whether it is recorded at all.

use serde::Serialize;

use crate::protocol::ids::Guid;

/// Which introspections are recorded.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Introspections {
    /// Every one.
    All,
    /// Those that were not answered from memory.
    #[default]
    Decisions,
    /// None.
    Off,
}

impl Introspections {
    /// Whether one is recorded, which was answered from memory or not.
    pub const fn include(self, from_memory: bool) -> bool {
        match self {
            Self::All => true,
            Self::Decisions => !from_memory,
            Self::Off => false,
        }
    }
}

/// By which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    /// The public listener's own endpoints.
    Public,
    /// The listener for operators.
    Admin,
    /// Tyk's plugin.
    Tyk,
    /// Envoy's external authorization.
    Envoy,
    /// `/verify` on the public listener.
    Verify,
}

/// What a request is called (`X-Request-Id`); spelled only when it is recorded.
#[derive(Clone, Copy, Debug)]
pub enum RequestName<'a> {
    /// By its caller, in letters that are safe.
    Given(&'a str),
    /// By us.
    Made(Guid),
}

/// Where a request came from, as far as a record tells.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// By which door.
    pub door: Door,
    /// The name of the request, where it has one.
    pub request: Option<RequestName<'a>>,
    /// The API that a gateway asked about.
    pub api: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// A request by `door`.
    pub const fn by(door: Door) -> Self {
        Self { door, request: None, api: None }
    }

    /// The same, with the name of the request.
    #[must_use]
    pub const fn named(self, request: Option<RequestName<'a>>) -> Self {
        Self { request, ..self }
    }

    /// The same, about an API.
    #[must_use]
    pub const fn about(self, api: &'a str) -> Self {
        Self { api: Some(api), ..self }
    }
}
