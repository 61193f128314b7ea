//! What promtool says to the rules, to their cases, and to what is exported.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use super::{cases, scene::Scene};
use crate::gateways::{program, root};
use crate::support::World;
use crate::support::process::missing;

/// Runs promtool to its end, which must be a good one: what it wrote.
#[track_caller]
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut command = program("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running =
        command.spawn().unwrap_or_else(|error| panic!("{error}: {}", missing("promtool")));
    running.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = running.wait_with_output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(ended.status.success(), "{arguments:?}: {said}");
    said
}

#[test]
fn the_rules_are_well_formed() {
    let rules = root().join("helm/tessera/files/rules.yaml");
    let said =
        promtool(&["check", "rules", "--lint=all", "--lint-fatal", rules.to_str().unwrap()], "");
    let count = super::rules().len();
    assert!(said.contains(&format!("SUCCESS: {count} rules found")), "{said}");
}

#[test]
fn the_cases_of_the_rules_hold() {
    let files = cases();
    thread::scope(|scope| {
        for file in &files {
            scope.spawn(|| promtool(&["test", "rules", file.to_str().unwrap()], ""));
        }
    });
}

#[test]
fn what_is_exported_is_clean() {
    let without = World::start();
    without.assert_active(&without.sign(&without.alice()));
    let with = Scene::start();
    with.round(0);
    let all = [without.metrics(), with.replicas.all[0].metrics()];
    assert!(!all[0].contains("tessera_store_") && all[1].contains("tessera_store_"));
    for text in all {
        assert_eq!(promtool(&["check", "metrics"], &text), "", "{text}");
    }
}

/// A program that is not there is named, with what installs it.
#[test]
fn prometheus_is_there() {
    for name in ["prometheus", "promtool"] {
        let ran: &mut Command = &mut program(name);
        let ran = ran.arg("--version").output();
        assert!(ran.is_ok_and(|ended| ended.status.success()), "{}", missing(name));
    }
}
