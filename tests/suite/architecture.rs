//! The one direction for data (`docs/architecture.md`), read from the imports of the product.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// Each room, and the rooms it may import. Test code is not looked at.
const MAY_IMPORT: [(&str, &[&str]); 11] = [
    ("protocol", &[]),
    ("domain", &["protocol"]),
    ("ports", &["domain", "protocol"]),
    ("config", &["domain", "protocol"]),
    ("service", &["config", "domain", "ports", "protocol"]),
    ("telemetry", &["config", "domain", "ports", "protocol"]),
    ("adapters", &["config", "domain", "ports", "protocol"]),
    ("edge", &["domain", "ports", "protocol", "service", "telemetry"]),
    ("dev", &["domain", "ports", "protocol"]),
    ("app", &["adapters", "config", "domain", "edge", "ports", "protocol", "service", "telemetry"]),
    (
        "cli",
        &[
            "adapters",
            "app",
            "config",
            "dev",
            "domain",
            "ports",
            "protocol",
            "service",
            "telemetry",
        ],
    ),
];

/// Longest file, in lines.
const MAX_LINES: usize = 400;

#[test]
fn imports_point_in_one_direction() {
    let mut rooms = BTreeSet::new();
    for file in product() {
        let room = room(&file);
        let (_, allowed) = MAY_IMPORT
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("`{room}` is a new room: say what it may import"));
        let mut imports = Imports::default();
        imports.visit_file(&parsed(&file));
        for import in imports.0.iter().filter(|import| **import != room) {
            let file = file.display();
            assert!(allowed.contains(&import.as_str()), "{file}: `{room}` imports `{import}`");
        }
        rooms.insert(room);
    }
    let known: BTreeSet<_> = MAY_IMPORT.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rooms, known);
}

#[test]
fn rules_know_neither_time_nor_network_nor_logs() {
    let forbidden = ["actix_web", "reqwest", "tokio", "tracing", "prometheus", "async_trait"];
    for file in product().into_iter().filter(|file| ["domain", "protocol"].contains(&&*room(file)))
    {
        let mut names = Names::default();
        names.visit_file(&parsed(&file));
        for name in forbidden {
            assert!(!names.0.contains(name), "{}: `{name}`", file.display());
        }
    }
}

#[test]
fn files_stay_small() {
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        all(&root().join(folder), &mut files);
    }
    for file in files.iter().filter(|file| file.extension().is_some_and(|name| name == "rs")) {
        let lines = std::fs::read_to_string(file).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines} lines", file.display());
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all(&path, into) } else { into.push(path) }
    }
}

/// The top folder or file below `src`.
fn room(file: &Path) -> String {
    let below = file.strip_prefix(root().join("src")).unwrap();
    let first = below.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every file of the library that is not test code, found by following `mod`.
fn product() -> Vec<PathBuf> {
    let mut found = Vec::new();
    follow(&root().join("src/lib.rs"), &root().join("src"), &mut found);
    found.retain(|file| !file.ends_with("src/lib.rs"));
    assert!(found.len() > 50, "{found:?}");
    found
}

fn follow(file: &Path, folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(file.to_owned());
    for item in parsed(file).items {
        let syn::Item::Mod(module) = item else { continue };
        if module.content.is_some() {
            continue;
        }
        let name = module.ident.to_string();
        let flat = folder.join(format!("{name}.rs"));
        let deep = folder.join(&name);
        if flat.exists() {
            follow(&flat, &deep, found);
        } else {
            follow(&deep.join("mod.rs"), &deep, found);
        }
    }
}

/// A file without its test modules.
fn parsed(file: &Path) -> syn::File {
    let mut parsed = syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap();
    parsed.items.retain(|item| !matches!(item, syn::Item::Mod(module) if is_test(&module.attrs)));
    parsed
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Ident>().is_ok_and(|flag| flag == "test")
    })
}

/// The rooms that a file names, in `use` or in place. `super` never leaves a room but from its
/// front page, and there the room is the file's own.
#[derive(Default)]
struct Imports(BTreeSet<String>);

impl<'ast> Visit<'ast> for Imports {
    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        if path.ident == "crate" {
            self.first_names(&path.tree);
        }
        syn::visit::visit_use_path(self, path);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let mut segments = path.segments.iter();
        if segments.next().is_some_and(|segment| segment.ident == "crate")
            && let Some(room) = segments.next()
        {
            self.0.insert(room.ident.to_string());
        }
        syn::visit::visit_path(self, path);
    }
}

impl Imports {
    fn first_names(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => drop(self.0.insert(path.ident.to_string())),
            syn::UseTree::Name(name) => drop(self.0.insert(name.ident.to_string())),
            syn::UseTree::Rename(rename) => drop(self.0.insert(rename.ident.to_string())),
            syn::UseTree::Glob(_) => panic!("`use crate::*` hides what is imported"),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.first_names(tree);
                }
            }
        }
    }
}

/// Every identifier outside of test code.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl<'ast> Visit<'ast> for Names {
    fn visit_ident(&mut self, ident: &'ast syn::Ident) {
        self.0.insert(ident.to_string());
    }
}
