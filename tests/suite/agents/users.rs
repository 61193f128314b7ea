//! The module that others copy, in a program of a few lines that works for several users at once.

use std::collections::BTreeSet;

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, BOB, HOME_TENANT, Person};

use super::rig::{Agent, Rig};
use crate::support::ORDERS_API;

/// Each line of the input is a scope and the token of a user.
const PYTHON: &str = r#"
import os, sys
from tessera import Tessera, identity_from_environment
resource, url = os.environ["RESOURCE"], os.environ["URL"]
tessera = Tessera(os.environ["TESSERA_ISSUER"], identity_from_environment())
for line in sys.stdin:
    scope, user = line.split()
    answer = tessera.call("GET", url, user, resource=resource, scopes=[scope])
    print(answer.json()["for"], tessera.exchange(user, resource, [scope]))
"#;
const TYPESCRIPT: &str = r"
import { createInterface } from 'node:readline'
import { Tessera, identityFromEnvironment } from './tessera.js'
const { RESOURCE: resource, URL: url, TESSERA_ISSUER: issuer } = process.env
const tessera = new Tessera(issuer, identityFromEnvironment())
for await (const line of createInterface({ input: process.stdin })) {
  const [scope, user] = line.split(' ')
  const answer = await tessera.call('GET', url, user, { resource, scopes: [scope] })
  console.log(answer.json().for, await tessera.exchange(user, resource, [scope]))
}
";

#[test]
fn a_token_is_reused_for_its_user_and_its_scopes_alone() {
    let rig = Rig::start();
    let sign = |person: &Person| {
        let scopes = ["orders.read", "orders.write"];
        let token =
            rig.world.entra.issuer(HOME_TENANT).delegated(&PORTAL, person, &ORDERS, &scopes);
        rig.world.sign(&token)
    };
    let (alice, bob) = (sign(&ALICE), sign(&BOB));
    let input = format!(
        "orders.read {alice}\norders.read {bob}\norders.write {alice}\norders.read {alice}\norders.read {bob}"
    );
    for (agent, text) in [(Agent::Python, PYTHON), (Agent::TypeScript, TYPESCRIPT)] {
        let before = rig.issued();
        rig.api.forget();
        let mut command = rig.as_entra_app(agent.inline(text));
        command.env("RESOURCE", ORDERS_API).env("URL", rig.url("/reads/42"));
        let ended = rig.finish(command, &input);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let people = [&ALICE, &BOB, &ALICE, &ALICE, &BOB];
        let whose = people.map(|person| format!("{}.{HOME_TENANT} Token", person.oid));
        let said: Vec<_> = ended.said.lines().filter(|line| line.contains("Token")).collect();
        assert_eq!(said.len(), people.len(), "{ended:?}");
        for (line, whose) in said.iter().zip(&whose) {
            assert!(line.starts_with(whose), "{whose} {ended:?}");
        }
        let tokens = rig.api.tokens();
        assert_eq!(tokens[..2], tokens[3..], "reused");
        let different: BTreeSet<_> = tokens.iter().collect();
        assert_eq!(different.len(), 3, "none for another user, or for other scopes");
        assert_eq!(rig.issued() - before, 3, "{ended:?}");
    }
}

/// Asks twice for a token, for a user whose token is not accepted.
const PYTHON_TWICE: &str = r#"
import os, sys
from tessera import SignInAgain, Tessera, identity_from_environment
tessera = Tessera(os.environ["TESSERA_ISSUER"], identity_from_environment())
user = sys.stdin.readline().strip()
for resource in (os.environ["RESOURCE"], os.environ["RESOURCE"]):
    try:
        tessera.exchange(user, resource)
    except SignInAgain:
        print("must sign in")
"#;
const TYPESCRIPT_TWICE: &str = r"
import { readFileSync } from 'node:fs'
import { SignInAgain, Tessera, identityFromEnvironment } from './tessera.js'
const { RESOURCE, TESSERA_ISSUER } = process.env
const tessera = new Tessera(TESSERA_ISSUER, identityFromEnvironment())
const user = readFileSync(0, 'utf8').trim()
for (const resource of [RESOURCE, RESOURCE]) {
  await tessera.exchange(user, resource).catch((error) => {
    if (error instanceof SignInAgain) console.log('must sign in')
  })
}
";

#[test]
fn a_refused_user_is_not_asked_about_again_and_again() {
    let rig = Rig::start();
    let expired = rig.world.sign(&rig.world.alice().claim("exp", rig.world.clock_at(-61)));
    for (agent, text) in [(Agent::Python, PYTHON_TWICE), (Agent::TypeScript, TYPESCRIPT_TWICE)] {
        rig.sts.forget();
        let mut command = rig.as_entra_app(agent.inline(text));
        command.env("RESOURCE", ORDERS_API);
        let ended = rig.finish(command, &expired);
        assert_eq!((ended.code, ended.said.matches("must sign in").count()), (Some(0), 2));
        assert_eq!(rig.sts.count("/token"), 1, "{ended:?}");
    }
}
