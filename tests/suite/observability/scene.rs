//! Two processes that share a Redis, and traffic of every kind.

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, BOB, CAROL, HOME_TENANT};
use tessera::dev::token::TokenBuilder;

use crate::replicas::{Replicas, store};
use crate::support::redis::RedisServer;
use crate::support::{ORDERS_API, Request, TASKS_API, TYK};

/// What stands in the configuration beside the store.
const MORE: &str = "apis: { orders: { client: tyk, audiences: [\"6731de76-14a6-49ae-97bc-6eba6914391e\"], policies: optional } }";

pub(super) struct Scene {
    pub(super) replicas: Replicas,
    pub(super) redis: RedisServer,
}

impl Scene {
    pub(super) fn start() -> Self {
        let redis = RedisServer::start();
        let replicas = Replicas::start(2, &format!("{}\n{MORE}", store(&redis.url(), "")));
        replicas.wait_until_current();
        Self { replicas, redis }
    }

    /// Alice's token, another one in each round.
    fn alice(&self, round: u32) -> TokenBuilder {
        let issuer = self.replicas.entra.issuer(HOME_TENANT);
        let token = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
        token.claim("uti", round.to_string())
    }

    /// A little of everything that people, agents, gateways and attackers send.
    pub(super) fn round(&self, round: u32) {
        let [one, other] = &self.replicas.all[..] else { panic!("two replicas") };
        let sign = |token: &TokenBuilder| self.replicas.entra.sign(token).unwrap();
        let good = sign(&self.alice(round));
        for _ in 0..2 {
            assert!(one.introspect(&good).is_active());
        }
        assert!(other.introspect(&good).is_active());
        let carol = self.replicas.entra.issuer(HOME_TENANT);
        let carol = carol.delegated(&PORTAL, &CAROL, &ORDERS, &["orders.read"]);
        assert!(one.introspect(&sign(&carol.claim("uti", round.to_string()))).is_active());
        let stranger = SigningKey::pooled("stranger").unwrap();
        for bad in [
            sign(&self.alice(round).claim("exp", 1_000_000)),
            format!("{}AAAA", &good[..good.len() - 4]),
            self.alice(round).sign(&stranger).unwrap(),
            "x".to_owned(),
        ] {
            one.introspect(&bad).assert_inactive();
        }
        if round == 0 {
            // More often, and the gateway itself would be throttled.
            Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(one.public);
        }
        one.issued(&good, ORDERS_API);
        let handle = one.issued(&good, TASKS_API);
        assert!(other.introspect(&handle).is_active());
        assert_eq!(one.exchange("x", ORDERS_API).status, 400);
        assert_eq!(one.exchange(&good, "https://nowhere.internal").status, 400);
        let verify = |api: &str| Request::get(&format!("/verify/{api}"));
        assert_eq!(verify("orders").bearer(&good).gateway(TYK).send(one.public).status, 200);
        verify("orders").bearer("x").gateway(TYK).send(one.public);
        verify("nothing").bearer(&good).gateway(TYK).send(one.public);
        assert_eq!(one.revoke(&handle).status, 200);
        assert_eq!(one.order("principal", &format!("{}.{HOME_TENANT}", BOB.oid)).status, 200);
    }
}
