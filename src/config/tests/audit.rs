//! `audit`: where the trail goes.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::super::AuditSink;
use super::whole::SMALL;
use super::{SECRET, read};
use crate::domain::audit::record::Introspections;

/// A file with every key of the section.
pub(in crate::config) const AUDITED: &str = "audit:
  to: file
  file: /var/log/tessera/audit.jsonl
  rotate: 10MiB
  keep: 3
  introspections: all
  key: ${env:TYK_SECRET}
";

fn with(section: &str) -> Result<super::super::Config, super::super::Report> {
    read(&format!("{SMALL}{section}"))
}

#[test]
fn every_key_arrives_and_the_defaults_are_the_documented_ones() {
    let audit = with(AUDITED).unwrap().audit;
    let AuditSink::File(file) = audit.to else { panic!("{audit:?}") };
    assert_eq!(file.path, Path::new("/var/log/tessera/audit.jsonl"));
    assert_eq!((file.rotate, file.keep), (10 * 1024 * 1024, Some(3)));
    assert_eq!(audit.introspections, Introspections::All);
    assert_eq!(audit.key.unwrap().expose_secret(), SECRET.as_bytes());
    let audit = read(SMALL).unwrap().audit;
    assert!(matches!(audit.to, AuditSink::Stdout) && audit.key.is_none(), "{audit:?}");
    assert_eq!(audit.introspections, Introspections::Decisions);
    let file = AUDITED.replace("  keep: 3\n", "").replace("  rotate: 10MiB\n", "");
    let AuditSink::File(file) = with(&file).unwrap().audit.to else { panic!("a file") };
    assert_eq!((file.rotate, file.keep), (100 * 1024 * 1024, None));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (section, expected) in [
        ("audit: { to: syslog }", "audit.to: not one of `stdout`, `file`, `redis`"),
        ("audit: { to: file }", "audit.file: required with `to: file`"),
        ("audit: { to: file, file: audit.jsonl }", "audit.file: not an absolute path"),
        ("audit: { to: file, file: / }", "audit.file: not the path of a file"),
        ("audit: { file: /var/log/audit.jsonl }", "audit.file: without `to: file`"),
        ("audit: { to: stdout, keep: 2 }", "audit.keep: without `to: file`"),
        ("audit: { to: redis }", "audit.to: without `store.redis`"),
        ("audit: { to: file, file: /a/b, keep: 0 }", "audit.keep: not a number from 1 to 10000"),
        ("audit: { to: file, file: /a/b, rotate: 1 }", "audit.rotate: not between"),
        ("audit: { introspections: some }", "audit.introspections: not one of"),
        ("audit: { key: 0123456789012345678901234567890123456789 }", "audit.key: a secret must"),
        ("audit: { key: \"${env:SHORT}\" }", "audit.key: "),
    ] {
        let report = with(&format!("{section}\n")).unwrap_err().to_string();
        assert!(report.contains(expected), "{section}: {report}");
    }
}
