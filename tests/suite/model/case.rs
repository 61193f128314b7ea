//! Random cases: what happens, one thing after the other.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::reference::Declared;
use super::setup::{CLIENTS, RESOURCES, SCOPES, Setup, setup};
use super::tokens::{SignIn, sign_in};

/// A configuration, sign-ins to begin with, and what happens then.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) setup: Setup,
    pub(super) sign_ins: Vec<SignIn>,
    pub(super) steps: Vec<Step>,
}

/// One thing that happens. Numbers choose among what there is then.
#[derive(Clone, Debug)]
pub(super) enum Step {
    SignIn(SignIn),
    Introspect {
        at: usize,
        client: usize,
        token: usize,
    },
    Exchange(Exchange),
    /// The same token, spelled with the other signature.
    Mirror {
        token: usize,
    },
    Revoke {
        at: usize,
        client: usize,
        token: usize,
    },
    Order {
        at: usize,
        what: Target,
        token: usize,
        back: i64,
    },
    Advance(i64),
    Rotate {
        kept: bool,
    },
    RotateOwn {
        at: usize,
    },
    Reload(Setup),
    /// One part of the configuration is as in another one, and all else as it was.
    Adjust {
        part: usize,
        like: Setup,
    },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Principal,
    Client,
    Token,
    Tree,
}

#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) at: usize,
    pub(super) client: usize,
    pub(super) token: usize,
    pub(super) declared: Declared,
    /// The application whose proof is sent and how long it lives; or another token of the case.
    pub(super) actor: Option<Result<(&'static str, i64), usize>>,
    pub(super) targets: Vec<&'static str>,
    pub(super) scopes: Option<Vec<&'static str>>,
    pub(super) jwt: bool,
    /// Whether client, token and target are such that it is granted, if there are such.
    pub(super) eager: bool,
}

/// Chooses among what there is, which is never more.
fn number() -> impl Strategy<Value = usize> {
    0_usize..60
}

prop_compose! {
    fn exchange()(
        (at, client) in (number(), number()), token in number(),
        declared in prop_oneof![6 => Just(Declared::AccessToken), 2 => Just(Declared::Jwt), 1 => Just(Declared::IdToken)],
        actor in prop_oneof![
            8 => Just(None),
            2 => (select(vec![2_usize, 3]), prop_oneof![3 => Just(900_i64), 1 => 0_i64..200])
                .prop_map(|(client, ends)| Some(Ok((CLIENTS[client].2.unwrap(), ends)))),
            1 => number().prop_map(|token| Some(Err(token))),
        ],
        targets in prop_oneof![6 => subsequence(RESOURCES.to_vec(), 1), 1 => subsequence(RESOURCES.to_vec(), 0..=2), 1 => Just(vec!["api://nobody"])],
        scopes in prop_oneof![4 => Just(None), 2 => subsequence(SCOPES.to_vec(), 1..=2).prop_map(Some), 1 => Just(Some(vec!["s1", "s0", "s1"]))],
        jwt in prop::bool::weighted(0.2), eager in prop::bool::weighted(0.4),
    ) -> Exchange { Exchange { at, client, token, declared, actor, targets, scopes, jwt, eager } }
}

fn step() -> impl Strategy<Value = Step> {
    let n = number;
    let target = prop_oneof![
        1 => Just(Target::Principal), 1 => Just(Target::Client), 3 => Just(Target::Token), 2 => Just(Target::Tree),
    ];
    let seconds = prop_oneof![3 => 1_i64..60, 2 => 60_i64..1000, 1 => 1000_i64..5000];
    prop_oneof![
        3 => sign_in().prop_map(Step::SignIn),
        6 => (n(), n(), n()).prop_map(|(at, client, token)| Step::Introspect { at, client, token }),
        12 => exchange().prop_map(Step::Exchange),
        1 => n().prop_map(|token| Step::Mirror { token }),
        2 => (n(), n(), n()).prop_map(|(at, client, token)| Step::Revoke { at, client, token }),
        2 => (n(), target, n(), prop_oneof![2 => Just(0_i64), 1 => 1_i64..900])
            .prop_map(|(at, what, token, back)| Step::Order { at, what, token, back }),
        3 => seconds.prop_map(Step::Advance),
        1 => setup().prop_map(Step::Reload),
        3 => (n(), setup()).prop_map(|(part, like)| Step::Adjust { part, like }),
    ]
}

/// Rarely, since a new key is slow to make.
fn rotation() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(|kept| Step::Rotate { kept }),
        number().prop_map(|at| Step::RotateOwn { at }),
    ]
}

/// Any case.
pub(super) fn case() -> impl Strategy<Value = Case> {
    let sign_ins = proptest::collection::vec(sign_in(), 1..4);
    let steps = proptest::collection::vec(step(), 6..24);
    let rotation = proptest::option::weighted(0.2, (number(), rotation()));
    (setup(), sign_ins, steps, rotation).prop_map(|(setup, sign_ins, mut steps, rotation)| {
        if let Some((at, rotation)) = rotation {
            let at = at % (steps.len() + 1);
            steps.insert(at, rotation);
        }
        Case { setup, sign_ins, steps }
    })
}
