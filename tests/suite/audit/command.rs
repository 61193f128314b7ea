//! `tessera audit`: what was done to a trail shows, and others can read it.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Recorded, assert_whole};
use crate::cli::{Folder, run, text};
use crate::exchange::{fields, token};
use crate::support::TASKS_API;

const PAGE: &str = include_str!("../../../docs/audit.md");

/// A trail of a whole run, under `more`.
fn trail(name: &str, more: &str) -> String {
    let recorded = Recorded::with(name, more);
    let world = &recorded.world;
    for _ in 0..4 {
        let alice = world.sign(&world.alice());
        token(world, crate::support::TYK, &fields(&alice, TASKS_API));
    }
    let Recorded { world, file, _folder: folder } = recorded;
    drop(world);
    let trail = fs::read_to_string(&file).unwrap();
    drop(folder);
    trail
}

/// The trail without one of its lines.
fn without(trail: &str, line: usize) -> String {
    let kept = trail.lines().enumerate().filter(|(at, _)| *at != line);
    kept.flat_map(|(_, line)| [line, "\n"]).collect()
}

/// What `verify` finds: its exit code, and what it says.
fn verified(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(&[&["audit", "verify"], arguments].concat());
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn whatever_is_done_to_a_file_is_named_with_its_line() {
    let folder = Folder::new("audit-command-touched");
    let whole = trail("to-be-touched", "introspections: off");
    let lines: Vec<_> = whole.lines().collect();
    assert!(lines.len() > 5, "{whole}");
    let removed = without(&whole, 3);
    let altered = whole.replacen("https://tasks.internal", "https://tasks.intern4l", 1);
    let at = lines.iter().position(|line| line.contains("tasks.internal")).unwrap() + 1;
    let mut moved = lines.clone();
    moved.swap(3, 4);
    let torn = format!("{whole}{{\"schema\":1,\"chain");
    let foreign = format!("hello\n{whole}");
    let after = lines.len() + 1;
    for (what, text, expected) in [
        ("removed", removed, "trail.jsonl:4: record 4 of chain ".to_owned()),
        ("altered", altered, format!("trail.jsonl:{at}: record {} of chain ", at - 1)),
        ("moved", moved.join("\n"), "trail.jsonl:4: record 4 of chain ".to_owned()),
        ("torn", torn, format!("trail.jsonl:{after}: not a record")),
        ("foreign", foreign, "trail.jsonl:1: not a record".to_owned()),
        ("emptied", String::new(), "there is no record".to_owned()),
    ] {
        let file = folder.file("trail.jsonl", &text);
        let (code, said) = verified(&[&file]);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains(&expected), "{what}: {said}");
    }
    let file = folder.file("trail.jsonl", &whole);
    let said = assert_whole(&[&file]);
    let head = said.split("the last hash ").nth(1).unwrap()[..64].to_owned();
    assert_whole(&[&file, "--head", &head]);
    // What is cut off at the end leaves no gap, but no such hash either.
    let cut = lines[..lines.len() - 1].join("\n");
    let file = folder.file("trail.jsonl", &cut);
    let (code, said) = verified(&[&file, "--head", &head]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("open") && said.contains(&head), "{said}");
}

#[test]
fn with_a_key_only_who_has_it_can_make_a_trail() {
    let folder = Folder::new("audit-command-keyed");
    let key = "audit-test-key-5f0c1d9e7b3a2846c1d9e7b3";
    let keyed = folder.file("keyed.jsonl", &trail("keyed", &format!("key: {key}")));
    let plain = folder.file("plain.jsonl", &trail("plain", "introspections: off"));
    let right = folder.file("right", &format!("{key}\n"));
    let wrong = folder.file("wrong", "another-test-key-5f0c1d9e7b3a2846c1d9");
    assert_whole(&[&keyed, "--key-file", &right]);
    assert_whole(&[&plain]);
    for arguments in
        [&[&*keyed] as &[&str], &[&keyed, "--key-file", &wrong], &[&plain, "--key-file", &right]]
    {
        let (code, said) = verified(arguments);
        assert_eq!(code, Some(1), "{arguments:?} {said}");
        assert!(said.contains("altered") && !said.contains(key), "{said}");
    }
    let (code, said) = verified(&[&keyed, "--key-file", "/nowhere"]);
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn the_script_of_the_page_finds_the_same() {
    let script = PAGE.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let script_finds = |trail: &str| {
        let mut python = Command::new("python3");
        let python = python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut python = python.stderr(Stdio::null()).spawn().unwrap();
        let mut input = python.stdin.take().unwrap();
        // A script that has seen enough does not read the rest.
        drop(std::io::Write::write_all(&mut input, trail.as_bytes()));
        drop(input);
        let output = python.wait_with_output().unwrap();
        (output.status.success(), text(&output.stdout))
    };
    let whole = trail("script", "introspections: off");
    assert_eq!(script_finds(&whole), (true, "1 chains are whole\n".to_owned()));
    let removed = without(&whole, 2);
    assert!(!script_finds(&removed).0);
    assert!(!script_finds(&whole.replacen("token_issued", "token_issueD", 1)).0);
}

#[test]
fn records_can_be_read_as_events_of_ocsf() {
    let folder = Folder::new("audit-command-ocsf");
    let file = folder.file("trail.jsonl", &trail("ocsf", "introspections: off"));
    let output = run(&["audit", "ocsf", &file]);
    assert_eq!(output.status.code(), Some(0));
    let said = text(&output.stdout);
    let events: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), fs::read_to_string(&file).unwrap().lines().count());
    let issued = events.iter().find(|event| event["class_uid"] == 6003).unwrap();
    assert_eq!(issued["api"]["operation"], "token_exchange");
    assert_eq!(issued["type_uid"], 600_301);
    assert_eq!(issued["actor"]["app_uid"], "tyk");
    assert!(issued["unmapped"]["scopes"].is_array(), "{issued:#}");
    let file = folder.file("other.txt", "hello\n");
    let output = run(&["audit", "ocsf", &file]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("other.txt:1: not an audit record"));
}
