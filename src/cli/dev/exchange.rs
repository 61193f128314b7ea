//! The printed lines about token exchange: from a user to an agent to a second agent, and back.

use super::lines::{TOKEN_ONLY, TYK, World};
use crate::dev::apps::INVOICE_AGENT;
use crate::protocol::exchange::GRANT_TYPE;

/// The second agent, as `name:secret`.
const PLANNER: &str = "planner:planner-dev-secret-5a1d7c90e2b84f36";
const ORDERS: &str = "https://orders.internal";
const TASKS: &str = "https://tasks.internal";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn lines(world: &World<'_>) -> Vec<(&'static str, String)> {
    let (public, admin) = (world.public, world.admin);
    let orders = |more: &str| format!("{}{more}", parameters(&world.alice(), ORDERS));
    vec![
        (
            "Exchange: a gateway swaps Alice's token for one of the orders backend (RFC 8693)",
            format!("curl -s http://{public}/token -u {TYK} {}", orders(" -d scope=orders.read")),
        ),
        (
            "Exchange: user, agent, second agent; introspection shows the chain of actors",
            format!("{}; {}", family(world), world.introspect("$C")),
        ),
        (
            "Exchange: the agent holds an opaque handle; the gateway gets the JWT behind it",
            format!(
                "{}; curl -s -H 'Accept: application/jwt' http://{public}/introspect -u {TYK} \
                 -d token=$B",
                family(world)
            ),
        ),
        (
            "Exchange: revoke Alice's token, and all three end",
            format!(
                "{}; curl -s http://{admin}/revocations -d token=$A; for T in $A $B $C; do {}; done",
                family(world),
                world.introspect("$T")
            ),
        ),
        (
            "Exchange: what would be issued, and which rule says so? For the operator only",
            format!("curl -s http://{admin}/explain -d client=tyk {}", orders("")),
        ),
        (
            "Exchange: and why not? Asked at the terminal",
            format!(
                "{} --exchange --client tyk --resource {ORDERS} --scope orders.export {}",
                world.command(),
                world.alice()
            ),
        ),
        (
            "Exchange: where everything is (RFC 8414)",
            format!("curl -s http://{public}/.well-known/oauth-authorization-server"),
        ),
        (
            "Exchange: order a new signing key; it signs when gateways can have seen it",
            format!("curl -s http://{admin}/keys/rotate -d algorithm=ES256"),
        ),
    ]
}

/// Sets `A` to Alice's token, `B` to the agent's for her, and `C` to the second agent's.
fn family(world: &World<'_>) -> String {
    let public = world.public;
    let agent = world.app(&INVOICE_AGENT, "api://tessera/.default");
    let first = format!(
        "$(curl -s http://{public}/token -H \"Authorization: Bearer {agent}\" {} | {TOKEN_ONLY})",
        parameters("$A", TASKS)
    );
    let second = format!(
        "$(curl -s http://{public}/token -u {PLANNER} {} | {TOKEN_ONLY})",
        parameters("$B", ORDERS)
    );
    format!("A={}; B={first}; C={second}", world.alice())
}

fn parameters(subject: &str, resource: &str) -> String {
    format!(
        "-d grant_type={GRANT_TYPE} -d subject_token={subject} \
         -d subject_token_type={ACCESS_TOKEN} -d resource={resource}"
    )
}
