//! Each alert has its section in the runbook, and its cases; and the reverse.

use std::collections::BTreeSet;
use std::fs;

use super::{alerts, cases, list, yaml};
use crate::gateways::root;

fn runbook() -> String {
    fs::read_to_string(root().join("docs/runbook.md")).unwrap()
}

/// Everything in the runbook that Prometheus is to be asked.
pub(super) fn queries() -> Vec<String> {
    let runbook = runbook();
    let blocks = runbook.split("```promql\n").skip(1);
    let lines = blocks.flat_map(|rest| rest.split("```").next().unwrap().lines().map(str::trim));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    let prose = runbook.split("```").step_by(2);
    let spans = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    let named = |span: &&str| span.contains("tessera_") || span.contains("process_");
    let queries: Vec<_> = spans.filter(named).chain(lines).map(str::to_owned).collect();
    assert!(queries.len() > 30, "{queries:?}");
    queries
}

#[test]
fn every_alert_has_its_section_and_the_reverse() {
    let runbook = runbook();
    let sections: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts: Vec<_> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(sections, alerts, "in the same order");
}

#[test]
fn every_alert_says_how_bad_it_is_what_users_notice_and_where_to_read_on() {
    let runbook = runbook();
    for alert in alerts() {
        let (name, rule) = (&alert.name, &alert.rule);
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        assert!(
            runbook.contains(&format!("### {name}\n\n{severity}. ")),
            "{name}: another severity"
        );
        let told = &rule["annotations"];
        let anchor = format!("docs/runbook.md#{}", name.to_lowercase());
        assert_eq!(told["runbook_url"], anchor.as_str());
        for member in ["summary", "description"] {
            assert!(told[member].as_str().is_some_and(|text| text.len() > 15), "{name}: {member}");
        }
        assert!(told["description"].as_str().unwrap().contains("{{ "), "{name}: of whom?");
    }
}

#[test]
fn every_section_answers_the_same_questions() {
    let runbook = runbook();
    for section in runbook.split("\n### ").skip(1) {
        let section = section.split("\n## ").next().unwrap();
        let name = section.lines().next().unwrap();
        for question in ["Users notice:", "First look:", "Fix:", "Safe to ignore:"] {
            assert_eq!(section.matches(&format!("- **{question}**")).count(), 1, "{name}");
        }
    }
}

#[test]
fn every_link_within_the_runbook_leads_somewhere() {
    let runbook = runbook();
    let headings = runbook.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<_> = headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    let links: Vec<_> =
        runbook.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
    assert!(links.len() > 20);
    for link in links {
        match link.split_once('#') {
            Some(("", anchor)) => assert!(anchors.contains(anchor), "{link}"),
            file => {
                let name = file.map_or(link, |(name, _)| name);
                assert!(root().join("docs").join(name).exists(), "{link}");
            }
        }
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_is_silent() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for file in cases() {
        let cases = yaml(&fs::read_to_string(file).unwrap());
        for case in list(&cases, "tests") {
            assert!(
                !list(case, "input_series").is_empty(),
                "silent since nothing was said: {case}"
            );
            for expected in list(case, "promql_expr_test") {
                let expression = expected["expr"].as_str().unwrap();
                let Some(rest) = expression.strip_prefix("count(ALERTS{alertname=\"") else {
                    continue;
                };
                let name = rest.split('"').next().unwrap().to_owned();
                let is_silent = list(expected, "exp_samples").is_empty();
                if is_silent { &mut silent } else { &mut fires }.insert(name);
            }
        }
    }
    let all: BTreeSet<_> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fires, all);
    assert_eq!(silent, all);
}
