//! `docs/limits.md`: every limit on the page is the one in the source, and none is missing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{BinOp, Expr, ExprLit, Item, Lit};

/// Rooms whose constants `MAX_…` are all on the page.
const WHOLE: [&str; 3] = ["protocol", "domain", "edge"];
/// Bounds of words within a configuration, which are told where they are broken.
const ELSEWHERE: [&str; 1] = ["domain/cluster.rs"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The constants of a file: names and values, in bytes, seconds, or just numbers.
fn constants(file: &Path) -> BTreeMap<String, f64> {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut known = BTreeMap::new();
    for item in syn::parse_file(&text).unwrap().items {
        let Item::Const(constant) = item else { continue };
        if let Some(value) = value(&constant.expr, &known) {
            known.insert(constant.ident.to_string(), value);
        }
    }
    known
}

/// What a plain expression is worth; none, for all that is not a number or a duration.
fn value(of: &Expr, known: &BTreeMap<String, f64>) -> Option<f64> {
    if let Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) = of {
        return number.base10_parse().ok();
    }
    if let Expr::Binary(two) = of {
        let (left, right) = (value(&two.left, known)?, value(&two.right, known)?);
        let divided = matches!(two.op, BinOp::Div(_)).then_some(left / right);
        return matches!(two.op, BinOp::Mul(_)).then_some(left * right).or(divided);
    }
    if let Expr::Path(path) = of {
        return known.get(&path.path.get_ident()?.to_string()).copied();
    }
    if let Expr::Cast(cast) = of {
        return value(&cast.expr, known);
    }
    let Expr::Call(call) = of else { return None };
    let Expr::Path(function) = &*call.func else { return None };
    let unit = match &*function.path.segments.last()?.ident.to_string() {
        "from_millis" => 0.001,
        "from_secs" | "new" => 1.0,
        "from_mins" | "minutes" => 60.0,
        "hours" => 3_600.0,
        _ => return None,
    };
    Some(value(call.args.first()?, known)? * unit)
}

/// A limit as people read it.
fn read(limit: &str) -> f64 {
    let (number, unit) = limit.split_once(' ').unwrap_or((limit, ""));
    let unit = match unit {
        "" | "bytes" | "characters" | "s" => 1.0,
        "KiB" => 1_024.0,
        "MiB" => 1_024.0 * 1_024.0,
        "ms" => 0.001,
        "min" => 60.0,
        "h" => 3_600.0,
        other => panic!("what is {other}?"),
    };
    number.parse::<f64>().unwrap_or_else(|error| panic!("{limit}: {error}")) * unit
}

/// The limits on the page: the file, the constant, and what is said of it.
fn page() -> Vec<(String, String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md");
    let page = fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`"));
    let read = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let quoted: Vec<_> = cells[4].split('`').collect();
        (quoted[1].to_owned(), quoted[3].to_owned(), cells[2].to_owned())
    };
    rows.map(read).collect()
}

#[test]
fn every_limit_on_the_page_is_the_one_in_the_source() {
    let page = page();
    assert!(page.len() >= 45, "{}", page.len());
    for (file, name, said) in page {
        let known = constants(&source().join(&file));
        let is = known.get(&name).unwrap_or_else(|| panic!("no `{name}` in {file}"));
        assert!(
            (is - read(&said)).abs() < 1e-9,
            "{file} `{name}` is {is}, and the page says {said}"
        );
    }
}

#[test]
fn no_limit_of_what_comes_from_outside_is_missing() {
    let (page, mut seen) = (page(), 0);
    let mut folders: Vec<_> = WHOLE.iter().map(|room| source().join(room)).collect();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let file = path.strip_prefix(source()).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let known = constants(&path).into_keys().filter(|name| name.starts_with("MAX_"));
            for name in known.filter(|_| !ELSEWHERE.contains(&&*file)) {
                let told = page.iter().any(|(at, known, _)| *at == file && *known == name);
                assert!(told, "docs/limits.md lacks `{name}` of {file}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "{seen}");
}
