//! What was found.

use std::fmt;

use crate::domain::rejection::safe;
use crate::domain::tyk::Fault;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub(super) file: String,
    pub(super) field: String,
    pub(super) fault: Fault,
    /// What stands there, and what should; never a secret.
    details: Vec<String>,
}

/// All that is wrong.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Finding>);

impl Report {
    /// Notes that something is wrong at `field` of `file`.
    pub(super) fn note(&mut self, fault: Fault, file: &str, field: impl Into<String>) {
        let (file, field) = (file.to_owned(), field.into());
        self.0.push(Finding { file, field, fault, details: Vec::new() });
    }

    /// The same, with what stands there and what should.
    pub(super) fn differs(
        &mut self,
        fault: Fault,
        (file, field): (&str, String),
        found: &str,
        expected: &str,
    ) {
        let found = if found.is_empty() { "nothing".to_owned() } else { safe(found) };
        let details = vec![format!("found {found}"), format!("expected {}", safe(expected))];
        self.0.push(Finding { file: file.to_owned(), field, fault, details });
    }

    pub(super) fn findings(&self) -> &[Finding] {
        &self.0
    }

    pub(super) fn sort(&mut self) {
        self.0.sort();
        self.0.dedup();
    }
}

/// `error: apps/orders.json: jwt_signing_method: jwt_method: …; found rsa, expected ecdsa; …`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, field, fault, details } = self;
        let severity = fault.severity().as_str();
        write!(f, "{severity}: {file}: {field}: {}: {}", fault.as_str(), fault.meaning())?;
        if !details.is_empty() {
            write!(f, " ({})", details.join(", "))?;
        }
        write!(f, " To do: {}.", fault.remedy())
    }
}
