//! What is measured about the gateways that ask whether a request may pass.

use std::time::Duration;

use prometheus::{Histogram, IntCounterVec};
use strum::VariantArray as _;

use super::maker::Maker;

/// How a gateway asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Gateway {
    /// Envoy's external authorization by gRPC.
    Envoy,
    /// Tyk's plugin.
    Tyk,
    /// `/verify`.
    Verify,
}

impl Gateway {
    /// As labels spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A gateway whose configuration does not fit ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Misuse {
    /// What it says of the API cannot be read.
    ConfigData,
    /// The plugin is called for something else than authentication.
    Hook,
    /// Parts of the message are missing.
    Message,
    /// It names no API of ours.
    NoSuchApi,
    /// It does not prove that it is the API's client.
    Unproved,
}

impl Misuse {
    /// As labels spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What the operator has to do.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ConfigData => {
                "a gateway does not say which API it asks about; run `tessera doctor` on its \
                 definition"
            }
            Self::Hook => {
                "the plugin is called by another hook than authentication; use it as `auth_check`"
            }
            Self::Message => "a gateway sent a message without a request",
            Self::NoSuchApi => "a gateway asks about an API that is not under `apis`",
            Self::Unproved => {
                "a gateway asks without the secret of the API's client; set it, or `guard: network`"
            }
        }
    }
}

/// The metrics of gateways.
#[derive(Debug)]
pub struct GatewayMetrics {
    decisions: IntCounterVec,
    misuses: IntCounterVec,
    /// By the number of the gateway.
    seconds: Vec<Histogram>,
}

impl GatewayMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let decisions = make.counters(
            "tessera_gateway_requests_total",
            "Requests at gateways that were decided, by gateway, API and outcome.",
            &["gateway", "api", "outcome"],
        )?;
        let misuses = make.counters(
            "tessera_gateway_misuses_total",
            "Calls of gateways that were refused because their configuration does not fit.",
            &["gateway", "problem"],
        )?;
        let seconds = make.seconds_by(
            "tessera_gateway_seconds",
            "From the whole message of a gateway to its answer.",
            &["gateway"],
        )?;
        for gateway in Gateway::VARIANTS {
            for misuse in Misuse::VARIANTS {
                drop(misuses.with_label_values(&[gateway.as_str(), misuse.as_str()]));
            }
        }
        let of = |gateway: &Gateway| seconds.with_label_values(&[gateway.as_str()]);
        let seconds = Gateway::VARIANTS.iter().map(of).collect();
        Ok(Self { decisions, misuses, seconds })
    }

    /// A request to an API was decided after `took`.
    pub fn decided(&self, gateway: Gateway, (api, outcome): (&str, &str), took: Duration) {
        self.decisions.with_label_values(&[gateway.as_str(), api, outcome]).inc();
        if let Some(seconds) = self.seconds.get(gateway as usize) {
            seconds.observe(took.as_secs_f64());
        }
    }

    /// A call was refused because the gateway's configuration does not fit.
    pub fn misused(&self, gateway: Gateway, misuse: Misuse) {
        self.misuses.with_label_values(&[gateway.as_str(), misuse.as_str()]).inc();
    }
}
