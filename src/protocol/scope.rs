//! Scopes (RFC 6749 §3.3): a list of case-sensitive words, joined by single spaces.

/// Most scopes of one request (POL).
pub const MAX_SCOPES: usize = 64;

/// The text is not a list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not scopes in printable ASCII, joined by single spaces")]
pub struct ScopeError;

/// Whether `text` is one scope: printable ASCII without space, `"` and `\`.
pub fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// The scopes of a request, each once, in the order they were asked for (ERR-10, A153).
pub fn parse(text: &str) -> Result<Vec<&str>, ScopeError> {
    let mut scopes = Vec::new();
    for (index, scope) in text.split(' ').enumerate() {
        if index == MAX_SCOPES || !is_scope(scope) {
            return Err(ScopeError);
        }
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_words_joined_by_single_spaces() {
        assert_eq!(parse("b a b").unwrap(), ["b", "a"]);
        for bad in ["", " ", "a  b", " a", "a ", "a\tb", "a\r\nb", "a\"b", "a\\b", "ä"] {
            assert_eq!(parse(bad), Err(ScopeError), "A153 {bad:?}");
        }
        let many = |count: usize| vec!["a"; count].join(" ");
        assert!(parse(&many(MAX_SCOPES)).is_ok());
        assert!(parse(&many(MAX_SCOPES + 1)).is_err(), "A153");
    }
}
