//! The keys that sign what we issue: which of them signs, and which are only published.

/// The algorithms we sign with. Every gateway can check RS256; ES256 signs ten times as fast.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[strum(serialize = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[strum(serialize = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    /// The registered name (RFC 7518 §3.1).
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
