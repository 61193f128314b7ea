//! Form bodies: read as WHATWG's algorithm reads them wherever that loses nothing, and refused
//! wherever it does (A215 to A220). A token exchange that is read from one asks for what stands there.

use tessera::protocol::exchange::{REPEATABLE, Request};
use tessera::protocol::params::{Form, FormError};
use tessera::protocol::scope;

type Pairs = Vec<(String, String)>;

/// `data` is a body.
pub(crate) fn check(data: &[u8]) -> bool {
    let expected = read(data, &[]);
    match (&Form::parse(data), &expected) {
        (Ok(form), Ok(pairs)) => agree(form, pairs, data),
        (Err(one), Err(other)) => assert_eq!(one, other),
        (ours, theirs) => panic!("{ours:?}, expected {theirs:?}"),
    }
    let (ours, theirs) = (Form::parse_repeating(data, &REPEATABLE), read(data, &REPEATABLE));
    assert_eq!(ours.as_ref().err(), theirs.as_ref().err());
    let (Ok(form), Ok(pairs)) = (ours, theirs) else { return false };
    agree(&form, &pairs, data);
    exchange(&form, &pairs);
    true
}

fn agree(form: &Form<'_>, pairs: &Pairs, data: &[u8]) {
    for (name, _) in pairs {
        let of_name = |(one, value): &&(String, String)| one == name && !value.is_empty();
        let expected: Vec<_> = pairs.iter().filter(of_name).map(|(_, value)| &**value).collect();
        assert_eq!(form.get_all(name).collect::<Vec<_>>(), expected);
        if pairs.iter().filter(|(one, _)| one == name).count() == 1 {
            assert_eq!(form.get(name), expected.first().copied());
        }
        assert!(form.has_any(&[name]));
    }
    assert!(!form.has_any(&["a name that nobody would send\0"]));
    let lossy: Pairs = url::form_urlencoded::parse(data).into_owned().collect();
    assert_eq!(&lossy, pairs, "others read it in another way");
}

/// One after the other, in the order of the errors that are told.
fn read(data: &[u8], repeatable: &[&str]) -> Result<Pairs, FormError> {
    let mut pairs = Pairs::new();
    for pair in data.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() >= 64 || pair.len() > 48 * 1024 {
            return Err(FormError::TooLarge);
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let name = decoded(halves.next().unwrap_or_default()).ok_or(FormError::Encoding)?;
        let value = decoded(halves.next().unwrap_or_default()).ok_or(FormError::Encoding)?;
        if !repeatable.contains(&&*name) && pairs.iter().any(|(one, _)| *one == name) {
            return Err(FormError::Duplicate);
        }
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// One name or value, strictly.
pub(crate) fn decoded(text: &[u8]) -> Option<String> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(text.get(at + 1..at + 3)?).ok()?;
                if digits.starts_with(['+', '-']) {
                    return None;
                }
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                at += 2;
            }
            0 => return None,
            other => bytes.push(*other),
        }
        at += 1;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn exchange(form: &Form<'_>, pairs: &Pairs) {
    let value = |name: &str| {
        let named = pairs.iter().find(|(one, _)| one == name);
        named.map(|(_, value)| &**value).filter(|value| !value.is_empty())
    };
    if let Some(text) = value("scope") {
        scopes(text);
    }
    let Ok(request) = Request::read(form) else { return };
    assert_eq!(value("grant_type"), Some("urn:ietf:params:oauth:grant-type:token-exchange"));
    assert_eq!(Some(request.subject.token), value("subject_token"));
    assert!(value("subject_token_type").is_some(), "TEX-03");
    assert_eq!(request.actor.map(|actor| actor.token), value("actor_token"));
    assert_eq!(value("actor_token").is_some(), value("actor_token_type").is_some(), "A162");
    assert_eq!(value("authorization_details"), None, "A181");
    assert_eq!(request.scopes.is_some(), value("scope").is_some());
    let mut targets: Vec<&str> = Vec::new();
    for name in REPEATABLE {
        targets.extend(pairs.iter().filter(|(one, _)| one == name).map(|(_, value)| &**value));
    }
    targets.retain(|target| !target.is_empty());
    assert!(request.targets.iter().all(|target| targets.contains(target)));
    assert!(targets.iter().all(|target| request.targets.contains(target)));
    let mut once = request.targets.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), request.targets.len());
}

/// RFC 6749 §3.3: `scope-token *( SP scope-token )`, and no more than 64 of them.
fn scopes(text: &str) {
    let words: Vec<_> = text.split(' ').collect();
    let legal = |letter: char| matches!(letter, '!' | '#'..='[' | ']'..='~');
    let good = |word: &&str| !word.is_empty() && word.chars().all(legal);
    let expected = words.len() <= 64 && words.iter().all(good);
    match scope::parse(text) {
        Ok(scopes) => {
            assert!(expected, "A153");
            assert!(scopes.iter().all(|scope| words.contains(scope)));
            assert!(words.iter().all(|word| scopes.contains(word)));
        }
        Err(_) => assert!(!expected),
    }
}
