//! Where a Redis is: its URL, and the nodes beside it. No message repeats the text.

use std::net::Ipv6Addr;

use super::redis::Node;
use super::report::Wrong;

/// Longest name of a host (RFC 1035 §2.3.4, without the dot at its end).
const MAX_HOST_BYTES: usize = 253;

/// What the URL says.
pub(super) struct Address {
    pub(super) node: Node,
    pub(super) encrypted: bool,
}

/// `redis://HOST:PORT` or `rediss://HOST:PORT`. All else that such URLs say elsewhere has a key of
/// its own here, so that a password is known to be one.
pub(super) fn url(text: &str, default_port: u16) -> Result<Address, Wrong> {
    let (encrypted, rest) = match text.split_once("://") {
        Some(("redis", rest)) => (false, rest),
        Some(("rediss", rest)) => (true, rest),
        _ => {
            let wrong = Wrong::new("not a redis or rediss URL");
            return Err(wrong.hint("write it like rediss://redis.example.com:6379"));
        }
    };
    // First of all, since a password may contain every other sign.
    if rest.contains('@') {
        let wrong = Wrong::new("a URL with a user name or password");
        return Err(wrong.hint("set `username` and `password: ${env:…}` instead"));
    }
    if rest.contains(['?', '#']) {
        return Err(Wrong::new("a URL with a query or fragment").hint("remove it"));
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains('/') {
        return Err(Wrong::new("a URL with a path").hint("set `database` instead"));
    }
    Ok(Address { node: node(authority, default_port)?, encrypted })
}

/// `HOST:PORT`, or `HOST` alone.
pub(super) fn node(text: &str, default_port: u16) -> Result<Node, Wrong> {
    let read = || {
        let (host, rest) = host(text)?;
        Some(Node { host, port: port(rest, default_port)? })
    };
    read().ok_or_else(|| {
        Wrong::new("not HOST:PORT").hint("write it like redis.example.com:6379 or [::1]:6379")
    })
}

/// The host, and what follows it.
fn host(text: &str) -> Option<(String, &str)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, rest) = bracketed.split_once(']')?;
        return Some((address.parse::<Ipv6Addr>().ok()?.to_string(), rest));
    }
    let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let whole = (1..=MAX_HOST_BYTES).contains(&name.len()) && name.bytes().all(legal);
    whole.then(|| (name.to_owned(), rest))
}

fn port(rest: &str, default: u16) -> Option<u16> {
    if rest.is_empty() {
        return Some(default);
    }
    let digits = rest.strip_prefix(':')?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_many_spellings() {
        for (text, host, port) in [
            ("redis:7000", "redis", 7000),
            ("redis_1.internal", "redis_1.internal", 6379),
            ("10.0.0.1:1", "10.0.0.1", 1),
            ("[::1]:65535", "::1", 65535),
            ("[0:0::1]", "::1", 6379),
        ] {
            let expected = Node { host: host.to_owned(), port };
            assert_eq!(node(text, 6379), Ok(expected.clone()), "{text}");
            for (scheme, encrypted) in [("redis", false), ("rediss", true)] {
                for end in ["", "/"] {
                    let read = url(&format!("{scheme}://{text}{end}"), 6379).ok().unwrap();
                    assert_eq!((read.node, read.encrypted), (expected.clone(), encrypted));
                }
            }
        }
    }

    #[test]
    fn anything_else_is_refused_and_not_repeated() {
        let long = "h".repeat(254);
        for text in [
            "", ":6379", "h:", "h:0", "h:65536", "h:+1", "h:a", "h:1:2", "::1", "[::1", "[h]:1",
            "[]", "[::1]1", "h h", "h\n", "hö", "h/0", "u@h", &long,
        ] {
            let Wrong { message, .. } = node(text, 6379).unwrap_err();
            assert_eq!(message, "not HOST:PORT", "{text}");
            assert!(url(&format!("redis://{text}"), 6379).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_seen_whatever_is_in_it() {
        for text in ["u:p@h", ":p@h", "u@h", "u:/p@h", "u:?p@h", "u:#p@h", "u:p@@h/0", "@h"] {
            let Wrong { message, .. } = url(&format!("rediss://{text}"), 6379).err().unwrap();
            assert_eq!(message, "a URL with a user name or password", "{text}");
        }
    }
}
