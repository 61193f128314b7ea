//! What looks like a token.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

/// How the header of each JWT begins.
const JWT: &str = "eyJ";
/// Shortest thing that is one: less is a word in a message.
const SHORTEST: usize = 32;
/// How each opaque token begins.
const OPAQUE: &str = "tsr_";

/// The password in credentials of `Basic`.
pub(super) fn password(credentials: &str) -> Option<String> {
    let pair = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// `text` without the tokens in it, and the tokens.
pub(super) fn taken_out(text: &str) -> (String, Vec<String>) {
    let (mut rest, mut tokens) = (String::new(), Vec::new());
    for run in text.split_inclusive(|letter| !is_of_token(letter)) {
        let word = run.trim_end_matches(|letter| !is_of_token(letter));
        if is_token(word) {
            tokens.push(word.to_owned());
            rest.push_str(&run[word.len()..]);
        } else {
            rest.push_str(run);
        }
    }
    (rest, tokens)
}

fn is_of_token(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-_.".contains(letter)
}

fn is_token(word: &str) -> bool {
    word.len() >= SHORTEST && (word.starts_with(OPAQUE) || word.starts_with(JWT))
}

/// Whether there is a token in `text`, or a piece of one.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(JWT) || text.contains(OPAQUE)
}

/// The header and the claims of a JWT, as text.
pub(super) fn readable(token: &str) -> Vec<String> {
    let parts =
        token.split('.').take(2).filter_map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    parts.filter_map(|bytes| String::from_utf8(bytes).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_out_and_nothing_else() {
        let jwt = format!("{JWT}hbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL3N0cyJ9.c2lnbmF0dXJl");
        let opaque = format!("{OPAQUE}{}", "x".repeat(43));
        let text = format!(r#"{{"access_token":"{jwt}","other":"{opaque}","scope":"a.b eyJ"}}"#);
        let (rest, tokens) = taken_out(&text);
        assert_eq!(rest, r#"{"access_token":"","other":"","scope":"a.b eyJ"}"#);
        assert_eq!(tokens, [&*jwt, &*opaque]);
        assert_eq!(readable(&jwt), [r#"{"alg":"ES256"}"#, r#"{"iss":"https://sts"}"#]);
    }

    #[test]
    fn the_password_is_what_follows_the_first_colon() {
        assert_eq!(password(&BASE64_STANDARD.encode("tyk:a:b")).as_deref(), Some("a:b"));
        assert_eq!(password("no base64!"), None);
    }
}
