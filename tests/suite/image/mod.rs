//! The image and what is served with it: the Dockerfile, the compose file, and the pages about them.

mod compose;
mod pages;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::{run, text};
use crate::support::process::missing;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The instructions of the Dockerfile, each on one line, without comments.
fn instructions() -> Vec<String> {
    let text = read("Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn has(instruction: &str) -> bool {
    instructions().iter().any(|line| line == instruction)
}

#[test]
fn the_linter_finds_nothing_in_the_dockerfile() {
    let program = root().join("target/tools/hadolint-2.15.1/bin/hadolint");
    assert!(program.exists(), "{}", missing("hadolint"));
    let check = |file: &Path| Command::new(&program).arg("--no-color").arg(file).output().unwrap();
    let ended = check(&root().join("Dockerfile"));
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stdout));
    // And it would say so.
    let folder = crate::cli::Folder::new("hadolint");
    let careless = folder.file("Dockerfile", "FROM debian\nRUN cd / && sudo ls\n");
    assert_eq!(check(Path::new(&careless)).status.code(), Some(1));
}

#[test]
fn the_image_runs_this_version_as_nobody_and_is_built_by_the_pinned_compiler() {
    let toolchain = read("rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = \"")).unwrap();
    let channel = channel.trim_end_matches('"');
    assert!(has(&format!("ARG BUILDER=docker.io/library/rust:{channel}-bookworm")), "{channel}");
    assert!(has("ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot"));
    assert!(has(&format!("ARG VERSION={}", env!("CARGO_PKG_VERSION"))));
    let all = instructions();
    let last = all.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    let users: Vec<_> = all[last..].iter().filter(|line| line.starts_with("USER ")).collect();
    assert_eq!(users, ["USER 65532:65532"], "by number: Kubernetes cannot look names up");
    assert!(!all[last..].iter().any(|line| line.starts_with("RUN ")), "there is no shell in it");
    let builds = all.iter().filter(|line| line.contains("cargo auditable build"));
    let locked = builds.filter(|line| line.contains("build --release --locked --bin tessera"));
    assert_eq!(locked.count(), 2, "the dependencies, then everything");
}

#[test]
fn what_the_image_runs_is_a_command_of_this_program() {
    assert!(has(r#"ENTRYPOINT ["/usr/local/bin/tessera"]"#));
    assert!(has(r#"CMD ["serve"]"#));
    assert!(has("ENV TESSERA_CONFIG=/etc/tessera/tessera.yaml"));
    let all = instructions();
    let health = all.iter().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
    assert!(health.ends_with(r#"CMD ["/usr/local/bin/tessera", "probe"]"#), "{health}");
    for command in ["serve", "probe"] {
        assert_eq!(run(&[command, "--help"]).status.code(), Some(0), "{command}");
    }
}

#[test]
fn nothing_but_what_is_compiled_reaches_the_builder() {
    let ignored = read(".dockerignore");
    let lines: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines, ["*", "!Cargo.toml", "!Cargo.lock", "!src"]);
    // So the program may include no file from elsewhere.
    let mut folders = vec![root().join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod ").next().unwrap();
            for (at, _) in product.match_indices("include_str!(\"") {
                let name = product[at..].split('"').nth(1).unwrap();
                let included = path.parent().unwrap().join(name).canonicalize().unwrap();
                let inside = included.starts_with(root().join("src").canonicalize().unwrap());
                let of_tests = path.components().any(|part| part.as_os_str() == "tests");
                assert!(inside || of_tests, "{}: {name}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 1, "the sample of `tessera dev` is one");
}
