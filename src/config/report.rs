//! What is wrong with a file: all of it at once, each with its line and what to do.

use std::fmt;

/// Everything that is wrong with one file; holds no value of it that could be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where the text came from, as the operator calls it.
    pub origin: String,
    /// What is wrong, in the order of the lines; at least one entry.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1; 0 when it is about the file as a whole.
    pub line: u64,
    /// The key, such as `clients.tyk.introspect.audiences[0]`; empty at the top of the file.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Report {
    /// A report about `origin`.
    pub fn new(origin: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort();
        problems.dedup();
        Self { origin: origin.to_owned(), problems }
    }
}

/// One line for each problem: `tessera.yaml:12: clients.tyk.secert: unknown key; did you mean …?`
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", self.origin)?;
            if problem.line > 0 {
                write!(f, ":{}", problem.line)?;
            }
            write!(f, ": {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// `path: message; hint`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// What is wrong with a value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Wrong {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// The one of `known` that was probably meant by `given`.
pub(super) fn nearest<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    // A third of the letters may be wrong; a longer text would only cost time.
    let allowed = given.chars().take(64).count().div_ceil(3).min(4);
    let short: String = given.chars().take(64).collect();
    known
        .map(|candidate| (strsim::damerau_levenshtein(&short, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_problem_in_the_order_of_the_file() {
        let problem = |line, path: &str, hint: Option<&str>| Problem {
            line,
            path: path.to_owned(),
            message: "is wrong".to_owned(),
            hint: hint.map(str::to_owned),
        };
        let problems = vec![problem(9, "b", Some("do this")), problem(2, "", None)];
        let text = Report::new("t.yaml", problems).to_string();
        assert_eq!(text, "t.yaml:2: is wrong\nt.yaml:9: b: is wrong; do this");
        let whole = Report::new("t.yaml", vec![problem(0, "", None)]).to_string();
        assert_eq!(whole, "t.yaml: is wrong");
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["secret", "jwks", "entra_app"];
        let near = |given| nearest(given, known.into_iter());
        assert_eq!(near("secert"), Some("secret"));
        assert_eq!(near("entra-app"), Some("entra_app"));
        assert_eq!(near("password"), None);
        assert_eq!(near(&"s".repeat(100_000)), None);
    }
}
