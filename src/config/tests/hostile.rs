//! Files that nobody meant well.

use proptest::prelude::*;

use super::super::{MAX_FILE_BYTES, PlainSecrets, load};
use super::{Fixed, GOOD, GRAPH_SECRET, SECRET, SHARED, read, with};

/// Whatever is said names a line, and holds no secret.
fn presentable(text: &str) {
    if let Err(report) = read(text) {
        assert!(!report.problems.is_empty(), "refused without a reason: {text}");
        let lines = u64::try_from(text.lines().count()).unwrap();
        let named = |line: u64| line == 1 || (1..=lines.saturating_add(1)).contains(&line);
        assert!(report.problems.iter().all(|found| named(found.line)), "{report}");
        let said = report.to_string();
        assert!(!said.contains(SECRET) && !said.contains(GRAPH_SECRET), "{said}");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
    }
}

fn said(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn aliases_cannot_blow_up() {
    let levels = 1..30;
    let laughs: Vec<String> = levels
        .map(|level| {
            format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 9].join(","))
        })
        .collect();
    let bomb = format!("a0: &a0 [x]\n{}", laughs.concat());
    assert!(said(&bomb).contains("too many aliases"), "{}", said(&bomb));
    let wide = format!("a: &a [{}]\nb: [{}]", "x,".repeat(2000), "*a,".repeat(63));
    assert!(said(&wide).contains("too many aliases"), "{}", said(&wide));
    let long = format!("a: &a {}\nb: [{}]", "x".repeat(900_000), "*a,".repeat(63));
    assert!(said(&long).contains("too many aliases"), "{}", said(&long));
    let recursive = said("a: &a [*a]");
    assert!(recursive.starts_with("tessera.yaml:1: "), "{recursive}");
}

#[test]
fn an_alias_used_with_measure_is_read() {
    let text = with("roles: [Gold]", "roles: &names [Gold]").replace("[buyer]", "*names");
    assert_eq!(read(&text).unwrap().mapping.rules()[0].grant.roles, ["Gold"]);
}

#[test]
fn depth_and_size_are_bounded() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let deep = format!("issuer: {}{}", open.repeat(50_000), close.repeat(50_000));
        assert!(said(&deep).starts_with("tessera.yaml:1: "), "{}", said(&deep));
    }
    let block: Vec<String> = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(said(&block.concat()).contains("nested too deeply"), "{}", said(&block.concat()));
    let large = "#".repeat(usize::try_from(MAX_FILE_BYTES).unwrap() + 1);
    let report = load(&large, "big.yaml", &Fixed, PlainSecrets::Refused).unwrap_err();
    assert_eq!(report.to_string(), "big.yaml: larger than 1048576 bytes");
}

#[test]
fn many_problems_take_little_time() {
    let keys: Vec<String> = (0..40_000).map(|key| format!("k{key}: \n")).collect();
    assert!(read(&keys.concat()).unwrap_err().problems.len() > 40_000);
    let same = format!("issuer: https://a.example\n{}", "x: 1\n".repeat(40_000));
    assert!(read(&same).is_err());
}

#[test]
fn text_from_the_file_is_escaped() {
    let report = said("\"a\\u001b[31m\\n\\u202e\": 1");
    assert!(report.contains(r"a\u{1b}[31m\n\u{202e}: unknown key"), "{report}");
}

/// One line of a good file, changed.
fn mutation(good: &'static str) -> impl Strategy<Value = String> {
    let lines = good.lines().count();
    let junk = prop::sample::select(vec![
        "",
        "~",
        "[]",
        "{}",
        "x",
        "- x",
        "\"",
        "'",
        ": ",
        "*a",
        "&a",
        "!t",
        "${",
        "${env:X}",
        "\t",
        "1e999",
        "0x1F",
        ".nan",
        "true",
        "%",
        "@",
        "`",
        "|",
        ">",
        "?",
        "---",
        "...",
        "\u{feff}",
        "\u{0}",
        "é",
        "null",
        "${file:/run/secrets/graph}",
        "${env:TYK_SECRET}",
        "<<: *a",
    ]);
    (0..lines, 0_usize..40, junk, 0_u8..5).prop_map(|(at, column, junk, how)| {
        let change =
            |line: &str| -> Vec<String> {
                let split = line.char_indices().nth(column).map_or(line.len(), |(index, _)| index);
                let (left, right) = line.split_at(split);
                match how {
                    0 => vec![],
                    1 => vec![line.to_owned(), line.to_owned()],
                    2 => vec![format!("{left}{junk}{right}")],
                    3 => vec![format!("{left}{junk}")],
                    _ => vec![line.split_once(": ").map_or_else(
                        || format!("{line} {junk}"),
                        |(key, _)| format!("{key}: {junk}"),
                    )],
                }
            };
        let changed = good.lines().enumerate().flat_map(|(index, line)| {
            if index == at { change(line) } else { vec![line.to_owned()] }
        });
        changed.collect::<Vec<_>>().join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_mutation_is_good_or_named(text in prop_oneof![mutation(GOOD), mutation(SHARED)]) {
        presentable(&text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_a_panic(text in any::<String>()) {
        presentable(&text);
    }

    #[test]
    fn any_yaml_like_text_is_read_without_a_panic(
        text in r"([ \n]{0,3}(entra|clients|mapping|when|issuer|a|\$\{env:TYK_SECRET\})?[-:\[\]{},&*!|>'?#\n ]{1,3}){0,40}",
    ) {
        presentable(&text);
    }
}
