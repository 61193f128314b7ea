//! The seeds of the fuzzer, and what it found once, run through its checks.

#[path = "../fuzz/checks/mod.rs"]
mod checks;

use std::fs;
use std::path::PathBuf;

fn seeds(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target)
}

/// Every seed of `target`: `good-…` is taken, `bad-…` is not, and of the others it is not said.
fn run(target: &str, check: fn(&[u8]) -> bool) {
    let (mut good, mut bad) = (0, 0);
    for entry in fs::read_dir(seeds(target)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let taken = check(&fs::read(&path).unwrap());
        match name.split('-').next() {
            Some("good") => assert!(taken, "{target}/{name} should be taken"),
            Some("bad") => assert!(!taken, "{target}/{name} should not be taken"),
            _ => {}
        }
        good += usize::from(name.starts_with("good-"));
        bad += usize::from(name.starts_with("bad-"));
    }
    assert!(good > 0 && bad > 0, "{target}: {good} good, {bad} bad");
}

/// One test for each target.
macro_rules! targets {
    ($($target:ident),+) => {
        $(#[test]
        fn $target() {
            run(stringify!($target), checks::$target::check);
        })+

        const TARGETS: &[&str] = &[$(stringify!($target)),+];
    };
}

targets!(config, credentials, discovery, envoy, form, keys, plugin, sealed, token);

#[test]
fn every_target_is_tried_here() {
    let mut found: Vec<_> = fs::read_dir(seeds(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, TARGETS);
    let manifest = fs::read_to_string(seeds("").join("../Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
}
