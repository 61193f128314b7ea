//! The README, followed as far as it goes without Docker.

use std::process::Command;

use crate::cli::{Folder, text};

/// The lines of the README about Tyk that need no Docker, as they stand there.
#[test]
fn tyk_in_ten_minutes_writes_files_that_the_doctor_finds_nothing_in() {
    let page = include_str!("../../../README.md");
    let (_, section) = page.split_once("\n## Tyk in ten minutes\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines: Vec<_> = section.lines().filter(|line| line.starts_with("tessera ")).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    let folder = Folder::new("ten-minutes");
    for line in lines {
        let script = line.replacen("tessera", env!("CARGO_BIN_EXE_tessera"), 1);
        let ended =
            Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        let told = format!("{line}\n{}{}", text(&ended.stdout), text(&ended.stderr));
        assert_eq!(ended.status.code(), Some(0), "{told}");
        if line.contains("doctor") {
            assert!(told.contains("0 errors, 0 warnings"), "{told}");
        }
    }
    // What Docker is told to put into place is what was written.
    for name in ["apps", "policies.json", "tyk.conf.json"] {
        assert!(section.contains(&format!("$PWD/tyk/{name}:")), "{name}");
        assert!(std::path::Path::new(folder.path()).join("tyk").join(name).exists(), "{name}");
    }
    let definition = format!("{}/tyk/apps/orders.json", folder.path());
    let definition = std::fs::read_to_string(definition).unwrap();
    assert!(definition.contains("env://TESSERA_TYK_SECRET"));
    assert!(section.contains("-e TESSERA_TYK_SECRET=tyk-dev-secret-4c9e1b7a6d2f8035e1a9"));
}
