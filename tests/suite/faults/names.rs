//! Names that are not found.

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{DAVE, HOME_TENANT, PARTNER_TENANT};
use tessera::protocol::time::Seconds;

use crate::support::{Request, World, and_partner, eventually};

/// Nobody may register a name below this one (RFC 6761 §6.4).
const NOWHERE: &str = "https://login.partner.invalid";

#[test]
fn a_tenant_whose_name_is_not_found_troubles_no_other() {
    let world = World::unready(|usual| {
        let with_partner = and_partner(usual);
        let own = with_partner.lines().find(|line| line.trim().starts_with("authority:"));
        with_partner.replacen(own.unwrap(), &format!("    authority: {NOWHERE}"), 1)
    });
    let of = |name: &str, tenant: &str| {
        world.metric(&format!("{name}{{issuer=\"{tenant}\",version=\"2.0\"}}"))
    };
    eventually("the failure", || of("tessera_key_set_failures", PARTNER_TENANT) > 0);
    eventually("the keys of the other", || of("tessera_key_set_trusted", HOME_TENANT) == 1);
    assert_eq!(of("tessera_key_set_trusted", PARTNER_TENANT), 0);
    world.assert_active(&world.sign(&world.alice()));
    // Its tokens may be good: nobody knows.
    let issuer = format!("{NOWHERE}/{PARTNER_TENANT}/v2.0");
    let dave = world.entra.issuer(PARTNER_TENANT);
    let dave = dave.delegated(&PORTAL, &DAVE, &ORDERS, &["orders.read"]).claim("iss", issuer);
    world.introspect(&world.sign(&dave)).assert_error(503, "temporarily_unavailable");
    assert_eq!(world.readiness(), 503, "it cannot answer for all of its tenants");
    assert_eq!(Request::get("/livez").send(world.admin).status, 200);
    let told = Request::get("/readyz?verbose").send(world.admin).text();
    assert!(told.contains("login.partner.invalid"), "{told}");
    // It goes on trying, less and less often.
    let tried = of("tessera_key_set_failures", PARTNER_TENANT);
    eventually("another attempt", || {
        world.clock.advance(Seconds::minutes(1));
        of("tessera_key_set_failures", PARTNER_TENANT) > tried
    });
    world.assert_active(&world.sign(&world.alice()));
}
