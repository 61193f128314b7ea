//! What the chart writes for `tessera` is what `tessera` takes, with the secrets where it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::{RENDERED, Rendered, list, with};
use crate::cli::{Folder, run_with, text};

/// A certificate and its key, as PEM.
static CERTIFICATE: LazyLock<[String; 2]> = LazyLock::new(|| {
    let folder = Folder::new("helm-certificate");
    let made = Command::new("openssl")
        .current_dir(folder.path())
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=one", "-addext", "subjectAltName=DNS:one-tessera"])
        .args(["-keyout", "tls.key", "-out", "tls.crt"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    ["tls.crt", "tls.key"]
        .map(|name| fs::read_to_string(Path::new(folder.path()).join(name)).unwrap())
});

/// The paths of all `${file:…}` in a text.
fn references(config: &str) -> Vec<&str> {
    let parts = config.split("${file:").skip(1);
    parts.map(|rest| rest.split_once('}').unwrap().0).collect()
}

/// What somebody may have put under this name in a Secret of their own.
fn given(path: &str, number: usize) -> String {
    let [certificate, key] = &*CERTIFICATE;
    match path.rsplit_once('.') {
        Some((_, "crt")) => certificate.clone(),
        Some((_, "key")) => key.clone(),
        _ => format!("{:064x}\n", 0xace0_u64 + number as u64),
    }
}

/// Writes what Kubernetes would mount, below `top`: the Secrets of the release as they are, and
/// those of others with something good in them.
fn mount(one: &Rendered, top: &str) {
    let mounts: Vec<_> = list(&one.pod()["containers"][0]["volumeMounts"])
        .map(|mount| (mount["name"].as_str().unwrap(), mount["mountPath"].as_str().unwrap()))
        .collect();
    let inside = |path: &str| PathBuf::from(format!("{top}{path}"));
    for (volume, path) in &mounts {
        fs::create_dir_all(inside(path)).unwrap();
        let source = list(&one.pod()["volumes"]).find(|source| source["name"] == *volume).unwrap();
        let secret = one
            .all("Secret")
            .find(|secret| secret["metadata"]["name"] == source["secret"]["secretName"]);
        for (key, value) in secret.iter().flat_map(|secret| secret["data"].as_object().unwrap()) {
            let value = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
            fs::write(inside(path).join(key), value).unwrap();
        }
    }
    for (number, path) in references(one.config()).into_iter().enumerate() {
        let folder = path.rsplit_once('/').unwrap().0;
        assert!(
            mounts.iter().any(|(_, mounted)| *mounted == folder),
            "{}: {path} is not mounted",
            one.name
        );
        if !inside(path).exists() {
            fs::write(inside(path), given(path, number)).unwrap();
        }
    }
}

/// tessera makes no folders: what it writes to must be mounted.
#[test]
fn what_is_written_to_is_a_volume() {
    let mut folders = 0;
    for one in RENDERED.iter() {
        let config: Value = serde_saphyr::from_str(one.config()).unwrap();
        let keys = config["signing"]["folder"].as_str();
        let audit = config["audit"]["file"].as_str().map(|file| file.rsplit_once('/').unwrap().0);
        for folder in keys.into_iter().chain(audit) {
            let mut mounts = list(&one.pod()["containers"][0]["volumeMounts"]);
            let mount = mounts.find(|mount| mount["mountPath"] == folder);
            let mount = mount.unwrap_or_else(|| panic!("{}: {folder}", one.name));
            assert_ne!(mount["readOnly"], true, "{}: {folder}", one.name);
            folders += 1;
        }
    }
    assert!(folders >= 2, "{folders}");
}

/// Whether `tessera check` takes it, and what it says.
fn check(one: &Rendered) -> Result<String, String> {
    let folder = Folder::new(&format!("helm-{:x}", one.name.len() * 1000 + one.text.len()));
    let root = format!(
        "{}/{}",
        folder.path(),
        one.name.replace(|letter: char| !letter.is_alphanumeric(), "")
    );
    mount(one, &root);
    let path = format!("{root}/tessera.yaml");
    fs::write(&path, one.config().replace("${file:", &format!("${{file:{root}"))).unwrap();
    let partner = ("PARTNER_SECRET", "partner-secret-of-the-chart-tests-51c0ffee");
    let ended = run_with(&["check", "--config", &path], &[partner]);
    let said = text(&ended.stdout);
    if ended.status.success() {
        Ok(said)
    } else {
        Err(format!("{}: {}", one.name, text(&ended.stderr)))
    }
}

#[test]
fn tessera_takes_what_the_chart_writes() {
    assert!(RENDERED.len() > 10);
    for one in RENDERED.iter() {
        let said = check(one).unwrap_or_else(|wrong| panic!("{wrong}\n{}", one.config()));
        assert!(said.contains("valid: 1 tenant"), "{said}");
    }
}

/// Or the test above would prove nothing.
#[test]
fn tessera_refuses_what_is_wrong_in_config() {
    let wrong = check(&with(&["--set", "config.cache.byte=1MiB"])).unwrap_err();
    assert!(wrong.contains("cache.byte: unknown key"), "{wrong}");
}

#[test]
fn config_is_merged_key_by_key() {
    let one = with(&[
        "--set",
        "config.clients.tyk.introspect.release={username},config.clients.more.jwks.keys=,config.log.level=warn",
    ]);
    let config: Value = serde_saphyr::from_str(one.config()).unwrap();
    let tyk = &config["clients"]["tyk"];
    assert_eq!(tyk["introspect"]["audiences"][0], "api://orders", "still there");
    assert_eq!(tyk["introspect"]["release"][0], "username");
    assert_eq!(config["log"]["level"], "warn");
}

/// Numbers go through Helm as fractions: a large one must not come out as `2.68e+08`.
#[test]
fn large_numbers_stay_whole() {
    let one = with(&["--set", "config.cache.bytes=268435456"]);
    assert!(one.config().contains("bytes: 268435456"), "{}", one.config());
    check(&one).unwrap();
}

#[test]
fn no_secret_stands_in_a_config_map() {
    for one in RENDERED.iter() {
        let secrets: Vec<_> = one
            .all("Secret")
            .flat_map(|secret| secret["data"].as_object().unwrap().values())
            .map(|value| value.as_str().unwrap())
            .collect();
        for map in one.all("ConfigMap") {
            let written = map.to_string();
            for encoded in &secrets {
                let plain = BASE64_STANDARD.decode(encoded).unwrap();
                let plain = String::from_utf8(plain).unwrap();
                assert!(!written.contains(&plain) && !written.contains(encoded), "{}", one.name);
            }
        }
        let config: Value = serde_saphyr::from_str(one.config()).unwrap();
        plain_secrets(&config, &one.name);
    }
}

/// Every member that is a secret is one reference.
fn plain_secrets(value: &Value, place: &str) {
    const SECRETS: [&str; 7] = [
        "secret",
        "previous_secret",
        "client_secret",
        "password",
        "sentinel_password",
        "sealing_key",
        "previous_sealing_key",
    ];
    for (name, value) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        if SECRETS.contains(&name.as_str()) {
            let text = value.as_str().unwrap();
            assert!(text.starts_with("${") && text.ends_with('}'), "{place}: {text}");
        }
        plain_secrets(value, &place);
    }
    list(value).for_each(|value| plain_secrets(value, place));
}
