//! Tokens as Entra would sign them: RS256, about 1.3 KB, eight groups, each one of a kind.

use std::ops::Range;
use std::thread;

use anyhow::Context as _;
use serde_json::Value;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::issue::Issuer;
use tessera::dev::people::{ALICE, GOLD_CUSTOMERS, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::token::TokenBuilder;

/// The secret of the one client.
pub(crate) const SECRET: &str = "loadtest-secret-4c9e1b7a6d2f8035e1a9";

/// Clients where there are several.
pub(crate) const CALLERS: [&str; 4] = ["orders", "portal", "finance", "mesh"];

/// The secret of one of several clients, which a server has as `SECRET_NAME` in its environment.
pub(crate) fn secret_of(caller: &str) -> String {
    format!("{SECRET}-{caller}")
}

/// What replicas seal with.
pub(crate) const SEAL: &str = "5c0e8f1d7a3b49266bd2e94f10a785c3d91e60fb27c84a35e2179d0b6f83ac54";

/// What the token of this number is called (`uti`).
pub(crate) fn name(number: usize) -> String {
    format!("loadtest-{number:013}")
}

/// The token that clients send most: of a person in eight groups.
pub(crate) fn typical(issuer: &Issuer) -> TokenBuilder {
    let token = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read", "orders.write"]);
    // Of about 1.3 KB, as the aims name it: without the claims that only Entra itself reads.
    let opaque = ["aio", "rh", "xms_ftd", "wids", "name", "preferred_username", "roles"];
    opaque.into_iter().fold(token, TokenBuilder::without).claim("groups", groups(8))
}

/// So many groups, the first of which is that of gold customers.
pub(crate) fn groups(count: usize) -> Value {
    let others = (1..count).map(|n| format!("9e000000-0000-4000-8000-{n:012x}"));
    std::iter::once(GOLD_CUSTOMERS.to_owned()).chain(others).collect()
}

/// Signs the tokens of these numbers, each different, on every core.
pub(crate) fn tokens(entra: &Running, numbers: Range<usize>) -> anyhow::Result<Vec<String>> {
    changed(entra, numbers, &|token, _| token)
}

/// The same, each changed before it is signed.
pub(crate) fn changed(
    entra: &Running,
    numbers: Range<usize>,
    change: &(dyn Fn(TokenBuilder, usize) -> TokenBuilder + Sync),
) -> anyhow::Result<Vec<String>> {
    let key = entra.signing_key();
    let base = typical(&entra.issuer(HOME_TENANT));
    let cores = thread::available_parallelism()?.get();
    let part_of = numbers.clone();
    let part = |core: usize| -> anyhow::Result<Vec<String>> {
        let share = part_of.clone().skip(core).step_by(cores);
        share
            .map(|number| {
                let token = base.clone().claim("uti", name(number));
                change(token, number).sign(&key).context("a token cannot be signed")
            })
            .collect()
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..cores)
            .map(|core| {
                scope.spawn({
                    let part = &part;
                    move || part(core)
                })
            })
            .collect();
        let mut shares = Vec::new();
        for part in parts {
            let share = part.join().map_err(|_| anyhow::anyhow!("a signer panicked"))??;
            shares.push(share.into_iter());
        }
        // In the order of their numbers again.
        Ok((0..numbers.len()).filter_map(|at| shares.get_mut(at % cores)?.next()).collect())
    })
}
