//! A small configuration for the look-alike's tokens, for tests and load tests of a whole tessera.

use super::apps::ORDERS;
use super::people::{GOLD_CUSTOMERS, HOME_TENANT};

/// Accepts tokens for orders from the look-alike at `authority`, on any free ports. The one client
/// is `tyk`, which may also exchange them for `https://orders.internal`; its secret is the environment variable `TYK_SECRET`.
pub fn for_orders(authority: &str) -> String {
    let orders = ORDERS.client_id;
    format!(
        r#"
issuer: https://sts.example.com
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
entra:
  - tenant: {HOME_TENANT}
    authority: {authority}
    audiences: [{orders}]
clients:
  tyk:
    secret: "${{env:TYK_SECRET}}"
    introspect: {{ audiences: [{orders}] }}
    exchange: [{{ resource: "https://orders.internal", scopes: [orders.read], subjects: [user] }}]
resources:
  https://orders.internal: {{ scopes: {{ orders.read: [orders.read] }}, callers: [tyk] }}
mapping:
  - name: gold
    when: {{ groups: [{GOLD_CUSTOMERS}] }}
    grant: {{ policies: [gold], scopes: [orders.export] }}
"#
    )
}
