//! No type that prints itself holds a secret, a token or a password as plain text.

use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Fields, Item, Type};

/// The last word of what such fields are called.
const NAMES: [&str; 6] = ["assertion", "credentials", "password", "secret", "token", "pkcs8"];
/// What holds text or bytes in the clear.
const PLAIN: [&str; 7] = ["String", "str", "Vec", "Bytes", "Cow", "HashMap", "Zeroizing"];
/// Fields that are called so, and hold the digest of a token.
const HARMLESS: [(&str, &str, &str); 2] = [
    ("domain/audit/record.rs", "Record", "token"),
    ("domain/audit/record.rs", "Record", "subject_token"),
];

fn source(folder: &Path, into: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            source(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push(path);
        }
    }
}

/// Whether the type prints all of itself: by `Debug`, or as a message of `prost` does.
fn prints(attributes: &[Attribute]) -> bool {
    let words: Vec<_> = attributes.iter().map(words).collect();
    let derived = |name: &str| {
        words.iter().any(|all| all[0] == "derive" && all.iter().any(|word| word == name))
    };
    let silent = words.iter().any(|all| all.iter().any(|word| word == "skip_debug"));
    derived("Debug") || ((derived("Message") || derived("Oneof")) && !silent)
}

fn words(attribute: &Attribute) -> Vec<String> {
    let mut words = vec![attribute.path().get_ident().map(ToString::to_string).unwrap_or_default()];
    if let syn::Meta::List(list) = &attribute.meta {
        let text = list.tokens.to_string();
        words.extend(text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_owned));
    }
    words
}

/// The names of all types in `of`.
fn types(of: &Type) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> syn::visit::Visit<'ast> for Names {
        fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
            self.0.push(segment.ident.to_string());
            syn::visit::visit_path_segment(self, segment);
        }
    }
    let mut names = Names(Vec::new());
    syn::visit::Visit::visit_type(&mut names, of);
    names.0
}

/// The fields of printing types in `items` that hold something secret in the clear.
fn found(items: &[Item], into: &mut Vec<(String, String)>, seen: &mut usize) {
    for item in items {
        if let Item::Mod(module) = item
            && let Some((_, items)) = &module.content
        {
            found(items, into, seen);
        }
        let (name, attributes, fields): (_, _, Vec<&Fields>) = if let Item::Struct(one) = item {
            (&one.ident, &one.attrs, vec![&one.fields])
        } else if let Item::Enum(one) = item {
            (&one.ident, &one.attrs, one.variants.iter().map(|case| &case.fields).collect())
        } else {
            continue;
        };
        if !prints(attributes) {
            continue;
        }
        for field in fields.into_iter().flatten() {
            *seen += 1;
            let called = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let secret = called.rsplit('_').next().is_some_and(|word| NAMES.contains(&word));
            let plain = types(&field.ty).iter().any(|name| PLAIN.contains(&&**name));
            if secret && plain {
                into.push((name.to_string(), called));
            }
        }
    }
}

#[test]
fn no_type_that_prints_itself_holds_a_secret_in_the_clear() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut seen) = (Vec::new(), 0);
    source(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let below = file.strip_prefix(&root).unwrap().display().to_string();
        // What is made up for development is known to everybody.
        if below.starts_with("dev/") || below.contains("test") {
            continue;
        }
        let parsed = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
        let mut here = Vec::new();
        found(&parsed.items, &mut here, &mut seen);
        wrong.extend(here.into_iter().map(|(name, field)| (below.clone(), name, field)));
    }
    let harmless =
        HARMLESS.map(|(file, name, field)| (file.to_owned(), name.to_owned(), field.to_owned()));
    wrong.retain(|one| !harmless.contains(one));
    assert!(seen > 500, "{seen}");
    assert!(wrong.is_empty(), "print by hand what is not secret of {wrong:#?}");
}

#[test]
fn a_secret_in_the_clear_is_seen() {
    let text = r"
        #[derive(Clone, Debug)] struct A { client_secret: Option<String>, name: String }
        #[derive(Clone)] struct B { secret: String }
        #[derive(prost::Message)] struct C { #[prost(string)] password: String }
        #[derive(prost::Message)] #[prost(skip_debug)] struct D { password: String }
        #[derive(Debug)] enum E { Bearer { token: &'static str }, Digest { token: Fingerprint } }
    ";
    let mut wrong = Vec::new();
    found(&syn::parse_file(text).unwrap().items, &mut wrong, &mut 0);
    let wrong: Vec<_> = wrong.iter().map(|(name, field)| format!("{name}.{field}")).collect();
    assert_eq!(wrong, ["A.client_secret", "C.password", "E.token"]);
}
