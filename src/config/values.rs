//! Single values, from their text. No message repeats the text.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use strum::VariantArray;
use url::{Host, Url};

use super::report::{Wrong, nearest};
use crate::protocol::ids::Guid;
use crate::protocol::scope::is_scope;
use crate::protocol::time::Seconds;

/// Longest name, audience, group or other single text, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// A GUID in its one spelling.
pub(super) fn guid(text: &str) -> Result<Guid, Wrong> {
    text.parse().map_err(|_error| {
        let wrong = Wrong::new("not a GUID in lower case with hyphens");
        if misspelt_guid(text) {
            wrong.hint("write it in lower case, without braces")
        } else {
            wrong
        }
    })
}

/// Whether `text` is a GUID that no token would ever match, since tokens spell theirs otherwise.
fn misspelt_guid(text: &str) -> bool {
    let bare = text.trim_matches(['{', '}']).to_ascii_lowercase();
    bare != text && bare.parse::<Guid>().is_ok()
}

/// A text that is compared exactly with what a token says.
pub(super) fn exact(text: &str) -> Result<String, Wrong> {
    let text = printable(text)?;
    if misspelt_guid(&text) {
        let wrong = Wrong::new("a GUID that no token spells so");
        return Err(wrong.hint("write it in lower case, without braces"));
    }
    Ok(text)
}

/// A text that can be printed, without space around it.
pub(super) fn printable(text: &str) -> Result<String, Wrong> {
    if text.is_empty() {
        return Err(Wrong::new("empty"));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(Wrong::new(format!("longer than {MAX_TEXT_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Err(Wrong::new("space at its start or end, or a control character"));
    }
    Ok(text.to_owned())
}

/// A scope token (RFC 6749 §3.3).
pub(super) fn scope(text: &str) -> Result<String, Wrong> {
    if text.len() <= MAX_TEXT_BYTES && is_scope(text) {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("not a scope: printable ASCII without space, `\"` and `\\`")
            .hint("one entry for each scope"))
    }
}

/// One of a few names.
pub(super) fn one_of<T>(text: &str) -> Result<T, Wrong>
where
    T: FromStr + VariantArray + Into<&'static str> + Copy,
{
    text.parse().map_err(|_error| {
        let names = || T::VARIANTS.iter().map(|variant| (*variant).into());
        let list: Vec<_> = names().map(|name: &str| format!("`{name}`")).collect();
        let wrong = Wrong::new(format!("not one of {}", list.join(", ")));
        match nearest(text, names()) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }
    })
}

/// An address to listen on.
pub(super) fn socket(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_error| {
        Wrong::new("not an IP address and port").hint("write it like 0.0.0.0:8080 or [::]:8080")
    })
}

/// The issuer identifier (RFC 8414 §2), in the one spelling that clients compare with.
pub(super) fn issuer(text: &str) -> Result<String, Wrong> {
    let url = web(text)?;
    if text.ends_with('/') {
        return Err(
            Wrong::new("a slash at its end").hint("remove it: issuers are compared exactly")
        );
    }
    if url.as_str().trim_end_matches('/') != text {
        return Err(Wrong::new("a URL that is not in its normal form")
            .hint("host in lower case, no default port, no `..`, nothing that needs escaping"));
    }
    Ok(text.to_owned())
}

/// The root of a server: scheme, host and port.
pub(super) fn origin(text: &str) -> Result<Url, Wrong> {
    let url = web(text)?;
    if url.path() == "/" {
        Ok(url)
    } else {
        Err(Wrong::new("a URL with a path").hint("only scheme, host and port"))
    }
}

/// `https`, or `http` to this host only: everything else could be read or changed on its way.
pub(super) fn web(text: &str) -> Result<Url, Wrong> {
    let example = "write it like https://sts.example.com";
    let url = Url::parse(text).map_err(|_error| Wrong::new("not a URL").hint(example))?;
    let secure = match url.scheme() {
        "https" => true,
        "http" => url.host().is_some_and(|host| is_loopback(&host)),
        _ => return Err(Wrong::new("not an https URL").hint(example)),
    };
    if !secure {
        return Err(Wrong::new("http is accepted for loopback hosts only").hint("use https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(Wrong::new("a URL without a host").hint(example));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("a URL with a user name or password").hint("remove it"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("a URL with a query or fragment").hint("remove it"));
    }
    Ok(url)
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

/// A duration such as `90s`, `5m` or `1h`, in whole seconds and between two bounds.
pub(super) fn duration(text: &str, least: Seconds, most: Seconds) -> Result<Seconds, Wrong> {
    let form = || Wrong::new("not a duration").hint("write it like 90s, 5m or 1h");
    let parsed: jiff::SignedDuration = text.parse().map_err(|_error| form())?;
    if parsed.subsec_nanos() != 0 {
        return Err(Wrong::new("not in whole seconds"));
    }
    let seconds = Seconds::new(parsed.as_secs());
    if (least..=most).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(Wrong::new(format!("not between {least} and {most}")))
    }
}

/// A size such as `268435456` or `256MiB`, from 1 MiB to 64 GiB.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    const MIB: u64 = 1024 * 1024;
    let form = || Wrong::new("not a size").hint("write it like 268435456 or 256MiB");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let unit = match text.strip_prefix(digits).map(str::trim_start) {
        Some("") => 1,
        Some("KiB") => 1024,
        Some("MiB") => MIB,
        Some("GiB") => 1024 * MIB,
        _ => return Err(form()),
    };
    let count: u64 = digits.parse().map_err(|_error| form())?;
    match count.checked_mul(unit) {
        Some(bytes) if (MIB..=64 * 1024 * MIB).contains(&bytes) => Ok(bytes),
        _ => Err(Wrong::new("not between 1MiB and 64GiB")),
    }
}

/// A relative path would depend on where the process was started.
pub(super) fn absolute(text: &str) -> Result<PathBuf, Wrong> {
    let path = PathBuf::from(exact(text)?);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(Wrong::new("not an absolute path").hint("write it like /var/lib/tessera/keys"))
    }
}

/// The text of a client's secret. The alphabet makes raw and form-encoded credentials the same
/// bytes (ERR-06), and the length is what makes a plain digest of it enough.
pub(super) fn client_secret(text: &str) -> Result<(), Wrong> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    let make = "make one with: openssl rand -hex 32";
    if text.len() < 32 {
        return Err(Wrong::new("a secret shorter than 32 characters").hint(make));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(Wrong::new(format!("a secret longer than {MAX_TEXT_BYTES} characters")));
    }
    if !text.bytes().all(legal) {
        let wrong = "a secret with a character other than A-Z a-z 0-9 . _ ~ -";
        return Err(Wrong::new(wrong).hint(make));
    }
    Ok(())
}
