//! What the program is built from, and `SECURITY.md` about it.

use std::fs;
use std::path::Path;

/// The folders with dependencies of their own.
const BUILT: [&str; 3] = [".", "loadtest", "tests/fuzz"];

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn nothing_of_ours_is_unsafe() {
    let manifest = read("Cargo.toml");
    let lints = manifest.split("\n[lints.rust]\n").nth(1).expect("lints");
    let rust = lints.split("\n[").next().unwrap();
    assert!(rust.contains("unsafe_code = \"forbid\""), "{rust}");
}

#[test]
fn every_dependency_comes_from_the_registry_with_its_checksum() {
    for folder in BUILT {
        let lock = read(&format!("{folder}/Cargo.lock"));
        let packages: Vec<_> = lock.split("[[package]]\n").skip(1).collect();
        assert!(packages.len() > 200, "{}", packages.len());
        for package in packages {
            let ours = package.starts_with("name = \"tessera");
            let source = "\nsource = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
            assert!(ours || package.contains(source), "{folder}: {package}");
            assert!(ours || package.contains("\nchecksum = \""), "{folder}: {package}");
        }
    }
}

#[test]
fn each_exception_from_the_advisories_says_why() {
    let (rules, page) = (read("deny.toml"), read("SECURITY.md"));
    let ignored = rules.split("\nignore = [\n").nth(1).unwrap().split("\n]\n").next().unwrap();
    let ids: Vec<_> = ignored.split("id = \"").skip(1).map(|rest| &rest[..17]).collect();
    assert_eq!(ignored.matches("reason = \"").count(), ids.len(), "{ignored}");
    assert_eq!(page.matches("- **RUSTSEC-").count(), ids.len(), "{page}");
    for id in ids {
        assert!(page.contains(&format!("- **{id}**")), "SECURITY.md does not tell of {id}");
    }
}

#[test]
fn the_page_about_security_is_of_this_version() {
    let page = read("SECURITY.md");
    let (minor, _patch) = env!("CARGO_PKG_VERSION").rsplit_once('.').unwrap();
    assert!(page.contains(&format!("\n| {minor} | yes |\n")), "{minor}");
    let makefile = read("Makefile");
    for target in page.split("`make ").skip(1).map(|rest| rest.split('`').next().unwrap()) {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
    for link in page.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap()) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(link.starts_with("https://") || path.exists(), "{link}");
    }
}
