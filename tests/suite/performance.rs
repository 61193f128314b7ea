//! What those need who load their own deployment, and the page about performance: `loadtest/k6` and
//! `docs/performance.md`.

// What `make bench` writes the page with.
#[path = "../../loadtest/src/report/page.rs"]
mod page;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, REPORTING};
use tessera::dev::people::HOME_TENANT;

use crate::cli::{Folder, text};
use crate::support::{ORDERS_API, TYK, World};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every script for k6.
fn scripts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("loadtest/k6")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "js" || end == "mjs")).collect()
}

#[test]
fn the_scripts_for_k6_parse() {
    let scripts = scripts();
    assert!(scripts.len() >= 5, "{scripts:?}");
    for script in scripts {
        let checked = Command::new("node").arg("--check").arg(&script).output().unwrap();
        assert!(checked.status.success(), "{}", text(&checked.stderr));
    }
}

#[test]
fn the_scenarios_for_k6_fit_its_types() {
    let compiler = root().join("examples/agents/typescript/node_modules/typescript/bin/tsc");
    assert!(compiler.exists(), "the compiler is missing; run: make clients   (make test does)");
    let project = root().join("tests/clients/k6.json");
    let checked = Command::new("node").arg(compiler).arg("-p").arg(project).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked.stdout));
}

/// Runs a scenario as k6 would, so often, with these tokens.
fn run(scenario: &str, iterations: u32, tokens: &str, at: SocketAddr) -> Output {
    let folder = Folder::new(&format!("k6-{scenario}-{iterations}"));
    Command::new("node")
        .current_dir(root().join("tests/clients"))
        .args(["k6.mjs", scenario, &iterations.to_string()])
        .env("TESSERA", format!("http://{at}"))
        .envs([("CLIENT_ID", TYK.0), ("CLIENT_SECRET", TYK.1), ("ZIPF", "0")])
        .envs([("RESOURCE", ORDERS_API), ("SCOPE", "orders.read")])
        .env("TOKENS", folder.file("tokens.txt", tokens))
        .output()
        .expect("node is installed")
}

/// How often each check held.
#[track_caller]
fn held(output: &Output) -> Value {
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
    told["held"].clone()
}

#[test]
fn the_scenarios_for_k6_ask_rightly_and_see_what_is_wrong() {
    let world = World::start();
    let good = world.sign(&world.alice());
    let altered = good.replacen("eyJ", "eyK", 1);
    for scenario in ["introspect", "exchange"] {
        for (tokens, right) in [
            (format!("{good}\n"), 3),
            (format!("\n{altered} inactive\n"), 3),
            (format!("{good} inactive\n"), 0),
            (altered.clone(), 0),
        ] {
            let ran = run(scenario, 3, &tokens, world.public);
            assert_eq!(held(&ran), json!({ "is answered": 3, "is right": right }), "{scenario}");
        }
        let ran = run(scenario, 1, &format!("{good} maybe"), world.public);
        assert!(text(&ran.stderr).contains("active or inactive, not maybe"), "{ran:?}");
    }
    assert!(world.counted("tessera_introspections_total", &["result=\"active\""]) >= 6);
}

#[test]
fn tokens_are_collected_for_k6() {
    let world = World::start();
    let endpoint = format!("{}/{HOME_TENANT}/oauth2/v2.0/token", world.entra.authority());
    let scope = format!("{}/.default", ORDERS.uri);
    let collect = |secret: &str| {
        Command::new("node")
            .arg(root().join("loadtest/k6/collect.mjs"))
            .args([&*endpoint, REPORTING.client_id, &scope, "12"])
            .env("CLIENT_SECRET", secret)
            .output()
            .unwrap()
    };
    let collected = collect(REPORTING.secret.unwrap());
    let tokens = text(&collected.stdout);
    assert_eq!(tokens.lines().count(), 12, "{}", text(&collected.stderr));
    tokens.lines().for_each(|token| drop(world.assert_active(token)));
    let refused = collect("wrong");
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
}

const PAGE: &str = include_str!("../../docs/performance.md");

/// Whoever changes a figure in the page by hand, or the report without the page, learns it here.
#[test]
fn the_page_has_the_figures_of_the_report() {
    let report = include_str!("../../loadtest/report.json");
    let report = serde_json::from_str(report).unwrap();
    let renewed = page::renewed(PAGE, &report).unwrap();
    assert!(
        renewed == PAGE,
        "docs/performance.md is not of loadtest/report.json; it would be:\n{renewed}"
    );
}

#[test]
fn figures_are_computed_from_medians() {
    let runs = json!({ "core_micros": [30.0, 10.0, 20.0] });
    let report = json!({
        "facts": { "processor": "a fast one" },
        "targets": [
            { "what": "half", "measured": 0.456, "at_least": 0.5, "unit": "", "met": false },
            { "what": "soon", "measured": 12.34, "at_most": 50.0, "unit": "ms", "met": true },
        ],
        "scenarios": {
            "cached": { "found": { "cached": runs } },
            "cold": { "found": { "cold": { "core_micros": [40.0] } } },
            "exchange": { "found": { "warm_jwt": runs, "cold_jwt": runs } },
            "plugin": { "found": { "shapes": [{ "tessera": runs }] } },
            "growth": { "found": { "cached_tokens": {
                "idle_bytes": 20_000_000, "answer_bytes": 1000, "bytes_each": 400.0,
            } } },
        },
    });
    let whole = page::renewed(PAGE, &report).unwrap();
    for line in [
        "| half | 0.46 | ≥ 0.50 | **no** |",
        "| soon | 12.3 ms | ≤ 50.0 ms | yes |",
        "| processor | a fast one |",
        "| introspection, token seen before | 20.0 | 25000 |",
        // At 20 µs each, or 0.9 × 20 + 0.1 × 40, and half of each core left free.
        "| 25000 | 1.0 | 1.1 | 2.0 | 1.0 | 1.0 |",
        "| 1000000 | 1420 |",
    ] {
        assert!(whole.contains(&format!("\n{line}\n")), "{line} is not in {whole}");
    }
    assert_eq!(page::renewed(&whole, &report).unwrap(), whole, "again: the same");
    let without = page::renewed(&whole, &json!({ "targets": [] })).unwrap();
    assert!(
        without.contains("Not measured: the report has no /scenarios/cached/found/cached"),
        "{without}"
    );
    assert!(!without.contains("a fast one"));
    assert!(page::renewed("no marks", &report).is_err());
}
