//! The chart: every set of values in `helm/tessera/ci` is rendered by Helm itself, and what comes
//! out is held against Kubernetes' schemas, against what operators rely on, and against `tessera`.

mod accepted;
mod chart;
mod kept;
mod network;
mod objects;
mod refused;
mod restarts;
mod schemas;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::thread;

use serde_json::Value;

use crate::cli::text;
use crate::gateways::root;

/// The least that must be said.
const LEAST: [&str; 4] = [
    "--set",
    "entra.tenant=72f988bf-86f1-41af-91ab-2d7cd011db47",
    "--set",
    "entra.audience=api://orders",
];

/// What a set of values becomes.
struct Rendered {
    /// Of the file, without `-values.yaml`.
    name: String,
    /// What Helm wrote.
    text: String,
    /// The objects in it.
    objects: Vec<Value>,
}

impl Rendered {
    /// The objects of one kind.
    fn all<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    #[track_caller]
    fn deployment(&self) -> &Value {
        self.all("Deployment").next().unwrap_or_else(|| panic!("{}: no Deployment", self.name))
    }

    /// `spec` of the pods that serve.
    fn pod(&self) -> &Value {
        &self.deployment()["spec"]["template"]["spec"]
    }

    /// tessera.yaml, as the `ConfigMap` has it.
    #[track_caller]
    fn config(&self) -> &str {
        self.all("ConfigMap")
            .find_map(|map| map["data"]["tessera.yaml"].as_str())
            .unwrap_or_else(|| panic!("{}: no tessera.yaml", self.name))
    }
}

/// Each set of values, rendered once by Helm 4.
static RENDERED: LazyLock<Vec<Rendered>> = LazyLock::new(|| {
    let render = |(name, path): (String, PathBuf)| {
        let path = path.to_str().unwrap();
        let written = good(&template("4.1.4", &["-f", path]));
        Rendered { objects: objects(&written), text: written, name }
    };
    let files: Vec<_> =
        value_files().into_iter().map(|one| thread::spawn(move || render(one))).collect();
    let rendered: Vec<_> = files.into_iter().map(|one| one.join().unwrap()).collect();
    assert!(rendered.len() >= 10, "only {} sets of values", rendered.len());
    rendered
});

/// The set of values with this name.
#[track_caller]
fn rendered(name: &str) -> &'static Rendered {
    RENDERED.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no values {name}"))
}

fn chart() -> PathBuf {
    root().join("helm/tessera")
}

/// Every set of values: its name, and where it is.
fn value_files() -> Vec<(String, PathBuf)> {
    let mut files: Vec<_> = fs::read_dir(chart().join("ci"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.strip_suffix("-values.yaml").expect(name).to_owned(), path)
        })
        .collect();
    files.sort();
    files
}

/// Helm, as `make test` installs it.
fn helm(version: &str, arguments: &[&str]) -> Output {
    let program = root().join(format!("target/tools/helm-{version}"));
    assert!(
        program.exists(),
        "Helm {version} is missing; run: sh .ci/tools test   (make test does)"
    );
    let folder = std::env::temp_dir();
    Command::new(program)
        .args(arguments)
        .current_dir(chart())
        // Nothing of whoever runs the tests.
        .env("KUBECONFIG", "/nowhere")
        .env("HELM_CACHE_HOME", folder.join("tessera-helm/cache"))
        .env("HELM_CONFIG_HOME", folder.join("tessera-helm/config"))
        .env("HELM_DATA_HOME", folder.join("tessera-helm/data"))
        .output()
        .unwrap()
}

/// The chart, as it would be installed as release `one` in the namespace `identity`.
fn template(version: &str, arguments: &[&str]) -> Output {
    helm(version, &[&["template", "one", ".", "--namespace", "identity"], arguments].concat())
}

/// What a command wrote that went well.
#[track_caller]
fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

fn objects(written: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(written).unwrap();
    all.into_iter().filter(|object| !object.is_null()).collect()
}

/// The least, and `more` of values.
#[track_caller]
fn with(more: &[&str]) -> Rendered {
    let written = good(&template("4.1.4", &[&LEAST[..], more].concat()));
    Rendered { name: format!("{more:?}"), objects: objects(&written), text: written }
}

/// The entries of a list, of which there may be none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
