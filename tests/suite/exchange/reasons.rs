//! `docs/exchange.md` says what the code says.

use std::collections::BTreeMap;

use strum::VariantArray as _;
use tessera::domain::denial::DenialReason;

#[test]
fn the_page_lists_every_refusal_with_its_check_code_and_remedy() {
    let page = include_str!("../../../docs/exchange.md");
    let (_, table) = page.split_once("## Why an exchange is refused").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [reason, check, code, meaning, remedy] = cells[..] else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        let told = [check, code.trim_matches('`'), remedy].map(str::to_owned);
        (reason.trim_matches('`').to_owned(), told)
    });
    let documented: BTreeMap<_, _> = rows.collect();
    let known: BTreeMap<_, _> = DenialReason::VARIANTS
        .iter()
        .map(|reason| {
            let code: &'static str = reason.code().into();
            let told = [reason.check().as_str(), code, reason.remedy()].map(str::to_owned);
            (reason.as_str().to_owned(), told)
        })
        .collect();
    assert_eq!(documented, known);
}
