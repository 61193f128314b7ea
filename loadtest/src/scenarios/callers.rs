//! Several callers, each with audiences of its own.

use anyhow::ensure;
use serde_json::{Value, json};
use tessera::dev::apps::{BILLING, LEDGER, ORDERS};

use crate::load::expect::Expect;
use crate::load::population::{Question, introspection};
use crate::system::configuration::Configuration;
use crate::system::mint::{self, CALLERS};

/// What each caller may ask about: audiences of its own, and so answers of its own.
const AUDIENCES: [&[&str]; CALLERS.len()] = [
    &[ORDERS.client_id],
    &[ORDERS.client_id, BILLING.client_id],
    &[ORDERS.client_id, LEDGER.client_id],
    &[ORDERS.client_id, BILLING.client_id, LEDGER.client_id],
];

/// Each token is asked about by one of the callers.
pub(crate) fn questions(tokens: &[String]) -> Vec<Question> {
    let ask = |(token, caller): (&String, &&str)| Question {
        bytes: introspection(caller, &mint::secret_of(caller), token),
        expect: Expect::Active,
    };
    tokens.iter().zip(CALLERS.iter().cycle()).map(ask).collect()
}

/// The whole answer about the token of this number.
pub(crate) fn good(number: usize, body: &[u8]) -> anyhow::Result<()> {
    let answer: Value = serde_json::from_slice(body)?;
    let expected = [
        ("jti", json!(mint::name(number))),
        ("aud", json!(ORDERS.client_id)),
        ("scope", json!("orders.read orders.write orders.export")),
        ("policies", json!(["gold"])),
    ];
    for (name, value) in expected {
        ensure!(answer.get(name) == Some(&value), "{name} is not {value}: {answer}");
    }
    Ok(())
}

/// With several callers. Everything else is at its default.
pub(crate) fn configuration(authority: &str) -> Configuration {
    let client = |(name, audiences): (&&str, &&'static [&'static str])| {
        (name.to_string(), format!("${{env:SECRET_{name}}}"), *audiences)
    };
    Configuration::new(authority)
        .audiences(authority, &[ORDERS, BILLING, LEDGER].map(|app| app.client_id))
        .clients(CALLERS.iter().zip(&AUDIENCES).map(client))
}
