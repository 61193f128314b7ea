//! What an active token's answer holds (RFC 7662 §2.2; design of the identity context).

use serde_json::json;
use tessera::dev::people::HOME_TENANT;

use crate::support::World;

#[test]
fn a_delegated_users_token_is_answered_with_the_whole_context() {
    let world = World::start();
    let body = world.assert_active(&world.sign(&world.alice()));
    let authority = world.entra.authority();
    assert_eq!(body["iss"], format!("{authority}/{HOME_TENANT}/v2.0"));
    assert_eq!(body["scope"], "orders.read orders.write orders.export", "INT-15");
    assert_eq!(body["policies"], json!(["gold", "approvals"]));
    assert_eq!(body["roles"], json!(["Orders.Approver", "approver"]));
    assert_eq!(body["identity"]["grants"], json!(["gold-customers", "approvers"]));
    assert!(body.get("username").is_none(), "INT-22");
}
