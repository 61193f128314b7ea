//! Every file that is written, byte by byte. `TESSERA_BLESS=1 cargo test` writes them anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{SECRETS, sample, schema, tessera};
use crate::cli::{Folder, text};

const FORMATS: [&str; 2] = ["classic", "oas"];

/// All `.json` below a folder, by their path in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for part in [folder.to_owned(), folder.join("apps")] {
        for entry in std::fs::read_dir(part).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn write(format: &str, folder: &str) -> BTreeMap<String, String> {
    let config = sample(format);
    for arguments in [
        &["tyk", "api", "--config", &config, "--format", format, "--out", folder][..],
        &["tyk", "policies", "--config", &config, "--out", folder],
        &["tyk", "gateway", "--config", &config, "--out", folder],
    ] {
        let ended = tessera(arguments);
        assert_eq!(ended.status.code(), Some(0), "{arguments:?}: {}", text(&ended.stderr));
    }
    files(Path::new(folder))
}

#[test]
fn what_is_written_is_what_was_agreed_on() {
    for format in FORMATS {
        let folder = Folder::new(&format!("golden-{format}"));
        let written = write(format, folder.path());
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tyk").join(format);
        if std::env::var_os("TESSERA_BLESS").is_some() {
            for (name, text) in &written {
                let path: PathBuf = golden.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
        }
        let agreed = files(&golden);
        assert!(agreed.len() >= 7, "{:?}", agreed.keys());
        assert_eq!(agreed.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
        for (name, text) in &written {
            assert_eq!(text, &agreed[name], "{format}/{name}");
        }
    }
}

#[test]
fn every_file_keeps_to_what_tyk_reads_and_holds_no_secret() {
    let mut checked = 0;
    for format in FORMATS {
        let folder = Folder::new(&format!("schema-{format}"));
        for (name, text) in write(format, folder.path()) {
            for (_, secret) in SECRETS {
                assert!(!text.contains(secret), "{name}");
            }
            let value: Value = serde_json::from_str(&text).unwrap();
            let table = match name.as_str() {
                "policies.json" => schema::POLICIES,
                "tyk.conf.json" => schema::GATEWAY,
                oas if oas.ends_with("-oas.json") => schema::OAS,
                _ => schema::CLASSIC,
            };
            let problems = schema::problems(&value, table);
            assert!(problems.is_empty(), "{format}/{name}: {problems:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 20, "{checked}");
}

#[test]
fn the_doctor_finds_nothing_in_what_is_written() {
    for format in FORMATS {
        let folder = Folder::new(&format!("healthy-{format}"));
        write(format, folder.path());
        let (config, at) = (sample(format), |name: &str| format!("{}/{name}", folder.path()));
        let ended = tessera(&[
            "doctor",
            "--config",
            &config,
            "--apis",
            &at("apps"),
            "--policies",
            &at("policies.json"),
            "--tyk-conf",
            &at("tyk.conf.json"),
            "--edition",
            "enterprise",
        ]);
        let told = text(&ended.stdout);
        assert_eq!(ended.status.code(), Some(0), "{told}{}", text(&ended.stderr));
        assert!(told.contains(" 0 errors, 0 warnings") && told.lines().count() == 1, "{told}");
    }
}
