//! What every key is called. None holds a token, a claim or a name from outside.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::protocol::ids::Fingerprint;

/// The names of one installation.
///
/// All stand in one slot of a cluster, by their hash tag: `{tessera}:…`. So they are lost together
/// or not at all, and whether one is missing because Redis was replaced can be asked in one command.
#[derive(Clone, Debug)]
pub(in crate::adapters) struct Names {
    prefix: String,
}

impl Names {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Which log of revocations is the present one.
    pub(super) fn generation(&self) -> String {
        self.named("generation")
    }

    /// The log of revocations of one generation.
    pub(super) fn log(&self, generation: &str) -> String {
        self.named(&format!("revocations:{generation}"))
    }

    /// What replicas tell each other, and nobody needs later.
    pub(super) fn news(&self) -> String {
        self.named("news")
    }

    /// Written to find out whether writing is possible.
    pub(super) fn beat(&self) -> String {
        self.named("beat")
    }

    /// The keys that sign.
    pub(super) fn ring(&self) -> String {
        self.named("signing-keys")
    }

    /// The audit trail.
    pub(super) fn audit(&self) -> String {
        self.named("audit")
    }

    /// What is behind an opaque token.
    pub(super) fn opaque(&self, id: &Fingerprint) -> String {
        self.named(&format!("opaque:{}", short(id)))
    }

    /// An assertion that was used.
    pub(super) fn used(&self, id: &Fingerprint) -> String {
        self.named(&format!("used:{}", short(id)))
    }

    /// The keys of an issuer.
    pub(in crate::adapters) fn key_set(&self, hidden: &str) -> String {
        self.named(&format!("keys:{hidden}"))
    }

    /// The groups of a principal.
    pub(in crate::adapters) fn groups(&self, hidden: &str) -> String {
        self.named(&format!("groups:{hidden}"))
    }

    /// A prepared answer.
    pub(super) fn answer(&self, hidden: &str) -> String {
        self.named(&format!("answer:{hidden}"))
    }

    fn named(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.prefix)
    }
}

/// The right to find out for everybody what `name` is to hold.
pub(super) fn lease(name: &str) -> String {
    format!("{name}:lease")
}

/// 128 bits, which name anything for ever.
fn short(id: &Fingerprint) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(id.first::<16>())
}
