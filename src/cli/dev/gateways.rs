//! The printed lines about gateways: what one asks, and what it is told.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::lines::{TYK, World};

pub(super) fn lines(world: &World<'_>) -> Vec<(&'static str, String)> {
    let public = world.public;
    let ask = format!(
        "curl -s -i http://{public}/verify/orders -H 'Tessera-Authorization: Basic {}'",
        BASE64_STANDARD.encode(TYK)
    );
    vec![
        (
            "Gateway: it asks about Alice's request; what it tells the API, and the token it swaps in",
            format!("{ask} -H \"Authorization: Bearer {}\"", world.alice()),
        ),
        ("Gateway: a request without a token, and where to get one", ask),
        (
            "Gateway: which issuer's tokens an API takes (RFC 9728)",
            format!("curl -s http://{public}/.well-known/oauth-protected-resource/orders"),
        ),
    ]
}
