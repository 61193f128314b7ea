//! What is measured about answers, for each client. A client's counters are looked up once, when it
//! is first answered under a configuration; after that an answer costs one increment.

use std::sync::{Arc, OnceLock};

use prometheus::{IntCounter, IntCounterVec};
use strum::VariantArray as _;

use super::maker::Maker;
use crate::domain::answer::{Source, TokenIssuer};
use crate::domain::rejection::Reason;
use crate::domain::tenant::Tenant;
use crate::ports::Tally;
use crate::protocol::ids::ClientId;

/// The counters of all clients. Those of a client that left the configuration stay, as counters do,
/// and go on where they were should it come back.
#[derive(Debug)]
pub(super) struct ClientMetrics {
    answers: IntCounterVec,
    refusals: IntCounterVec,
}

impl ClientMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            answers: make.counters(
                "tessera_introspections_total",
                "Tokens that were answered about, by who asked, who issued the token, the result \
                 and where the answer came from.",
                &["client", "issuer", "result", "source"],
            )?,
            refusals: make.counters(
                "tessera_token_refusals_total",
                "Tokens answered as not active, by who asked and why.",
                &["client", "reason"],
            )?,
        })
    }

    /// The counters of `client`, where `tenants` are trusted.
    pub(super) fn tally(&self, client: &ClientId, tenants: &[Tenant]) -> ClientTally {
        let named = tenants.iter().map(|tenant| TokenIssuer::Tenant(tenant.id));
        let mut issuers: Vec<_> =
            [TokenIssuer::Unknown, TokenIssuer::Tessera].into_iter().chain(named).collect();
        issuers.sort_unstable();
        issuers.dedup();
        ClientTally {
            client: client.to_string(),
            answers: self.answers.clone(),
            refusals: self.refusals.clone(),
            issuers: issuers.into_iter().map(|issuer| (issuer, Cells::default())).collect(),
            reasons: Reason::VARIANTS.iter().map(|_| OnceLock::new()).collect(),
        }
    }
}

/// The counters of one issuer: by source, not active and active.
type Cells = [[OnceLock<IntCounter>; 2]; Source::VARIANTS.len()];

/// The counters of one client. A series is there from its first answer on.
#[derive(Debug)]
pub(super) struct ClientTally {
    client: String,
    answers: IntCounterVec,
    refusals: IntCounterVec,
    /// In order.
    issuers: Box<[(TokenIssuer, Cells)]>,
    /// By the number of the reason.
    reasons: Box<[OnceLock<IntCounter>]>,
}

impl ClientTally {
    fn cells(&self, issuer: TokenIssuer) -> Option<&(TokenIssuer, Cells)> {
        let place = self.issuers.binary_search_by_key(&issuer, |(known, _)| *known);
        // One that no tenant of this configuration is, is nobody to it. The first is that one.
        place.map_or_else(|_| self.issuers.first(), |place| self.issuers.get(place))
    }
}

impl Tally for ClientTally {
    fn told(&self, issuer: TokenIssuer, source: Source, refused: Option<Reason>) {
        let active = refused.is_none();
        if let Some((issuer, cells)) = self.cells(issuer)
            && let Some(cell) =
                cells.get(source as usize).and_then(|of| of.get(usize::from(active)))
        {
            let made = || {
                let result = if active { "active" } else { "inactive" };
                let issuer = issuer.to_string();
                self.answers.with_label_values(&[
                    self.client.as_str(),
                    &issuer,
                    result,
                    source.as_str(),
                ])
            };
            cell.get_or_init(made).inc();
        }
        if let Some(reason) = refused
            && let Some(cell) = self.reasons.get(reason as usize)
        {
            let made = || self.refusals.with_label_values(&[self.client.as_str(), reason.as_str()]);
            cell.get_or_init(made).inc();
        }
    }
}

impl From<ClientTally> for Arc<dyn Tally> {
    fn from(tally: ClientTally) -> Self {
        Arc::new(tally)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder as _, TextEncoder};

    use super::*;

    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

    fn text(make: Maker) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&make.made().gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_answer_is_counted_in_its_place_across_configurations() {
        let make = Maker::new();
        let metrics = ClientMetrics::new(&make).unwrap();
        let client: ClientId = "tyk".parse().unwrap();
        let tenant = TokenIssuer::Tenant(TENANT.parse().unwrap());
        for issuers in [Vec::new(), vec![tenant]] {
            // The second configuration trusts a tenant that the first does not.
            let tally = ClientTally {
                issuers: [TokenIssuer::Unknown, TokenIssuer::Tessera]
                    .into_iter()
                    .chain(issuers)
                    .map(|issuer| (issuer, Cells::default()))
                    .collect(),
                ..metrics.tally(&client, &[])
            };
            tally.told(tenant, Source::Decided, None);
            for source in Source::VARIANTS {
                tally.told(TokenIssuer::Tessera, *source, None);
                tally.told(TokenIssuer::Unknown, *source, Some(Reason::VersionNotAccepted));
            }
        }
        let text = text(make);
        let count = |issuer: &str, result: &str, source: &str| {
            format!(
                "tessera_introspections_total{{client=\"tyk\",issuer=\"{issuer}\",\
                 result=\"{result}\",source=\"{source}\"}}"
            )
        };
        for source in ["memory", "redis", "decided"] {
            for (issuer, result) in [("tessera", "active"), ("unknown", "inactive")] {
                let line = format!("{} 2", count(issuer, result, source));
                assert!(text.lines().any(|have| have == line), "{line}\n{text}");
            }
        }
        for issuer in [TENANT, "unknown"] {
            let line = format!("{} 1", count(issuer, "active", "decided"));
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        let refused =
            "tessera_token_refusals_total{client=\"tyk\",reason=\"version_not_accepted\"} 6";
        assert!(text.lines().any(|have| have == refused), "{text}");
    }
}
