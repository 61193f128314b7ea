//! `docs/reasons.md` says what the code says.

use std::collections::BTreeMap;

use strum::VariantArray as _;
use tessera::domain::rejection::{Reason, Rejection};

#[test]
fn the_page_lists_every_reason_with_its_step_and_remedy() {
    let page = include_str!("../../docs/reasons.md");
    let rows = page.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [reason, step, meaning, remedy] = cells[..] else { panic!("{line}") };
        assert!(!meaning.is_empty(), "{line}");
        (reason.trim_matches('`').to_owned(), (step.to_owned(), remedy.to_owned()))
    });
    let documented: BTreeMap<_, _> = rows.collect();
    let known: BTreeMap<_, _> = Reason::VARIANTS
        .iter()
        .map(|reason| {
            let step = Rejection::new(*reason).step().as_str();
            (reason.as_str().to_owned(), (step.to_owned(), reason.remedy().to_owned()))
        })
        .collect();
    assert_eq!(documented, known);
}
