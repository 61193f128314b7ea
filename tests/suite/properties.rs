//! What holds for every input (P6, P7, P13 of the matrix, and the mapping's own laws).

use std::sync::LazyLock;

use proptest::prelude::*;
use tessera::domain::mapping::{Facts, Grant, Mapping, Rule, When};
use tessera::domain::principal::PrincipalType;
use tessera::protocol::ids::Guid;
use tessera::protocol::json::Object;
use tessera::protocol::jws::UnverifiedJwt;
use tessera::protocol::params::Form;

use crate::support::World;

/// One service for all cases of a property: each case only asks.
static WORLD: LazyLock<(World, String)> = LazyLock::new(|| {
    let world = World::start();
    let token = world.sign(&world.alice());
    world.assert_active(&token);
    (world, token)
});

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-e]", 0..4)
}

fn rule() -> impl Strategy<Value = Rule> {
    (names(), names(), names(), "[p-s]").prop_map(|(groups, roles, scopes, policy)| Rule {
        name: policy.clone(),
        when: When { groups, roles, scopes, ..When::default() },
        grant: Grant { policies: vec![policy], ..Grant::default() },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p6_p7_no_changed_byte_survives(at in 0_usize..4096, byte in any::<u8>()) {
        let (world, token) = &*WORLD;
        let mut bytes = token.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte && byte.is_ascii_graphic());
        bytes[at] = byte;
        let answer = world.introspect(&String::from_utf8(bytes).unwrap());
        prop_assert_eq!(answer.text(), r#"{"active":false}"#);
    }

    #[test]
    fn p13_no_text_makes_a_parser_panic(text in ".{0,200}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(UnverifiedJwt::parse(&text));
        drop(Object::parse(&bytes));
        drop(Object::parse(text.as_bytes()));
        drop(Form::parse(&bytes));
    }

    #[test]
    fn a_form_is_read_as_it_was_written(values in proptest::collection::vec("[^\0]{1,40}", 0..10)) {
        let named: Vec<_> =
            values.iter().enumerate().map(|(number, value)| (format!("p{number}"), value)).collect();
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&named).finish();
        let form = Form::parse(body.as_bytes()).unwrap();
        for (name, value) in &named {
            prop_assert_eq!(form.get(name), Some(value.as_str()));
        }
    }

    #[test]
    fn knowing_less_never_grants_more(
        rules in proptest::collection::vec(rule(), 0..8),
        groups in names(),
        roles in names(),
        scopes in names(),
    ) {
        let claims = Object::parse(b"{}").unwrap();
        let id: Guid = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490".parse().unwrap();
        let mapping = Mapping::new(rules);
        let facts = |groups, roles, scopes| Facts {
            app: id, claims: &claims, groups, principal_type: PrincipalType::User, roles, scopes, tenant: id,
        };
        let all = mapping.apply(&facts(Some(&groups), &roles, &scopes));
        let less = [
            mapping.apply(&facts(None, &roles, &scopes)),
            mapping.apply(&facts(Some(&groups), &[], &scopes)),
            mapping.apply(&facts(Some(&groups), &roles, &[])),
            mapping.apply(&facts(Some(groups.get(1..).unwrap_or(&[])), &roles, &scopes)),
        ];
        for mapped in less {
            prop_assert!(mapped.grant.policies.iter().all(|policy| all.grant.policies.contains(policy)));
            prop_assert!(mapped.rules.iter().all(|rule| all.rules.contains(rule)));
        }
    }
}
