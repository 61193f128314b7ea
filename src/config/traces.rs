//! `traces`: what is recorded about single requests, and where it goes.

use secrecy::SecretString;
use url::Url;

use super::read::{Found, Reader, Section};
use super::report::Wrong;
use super::schema;
use super::tenants::filled;

/// Where traces are received, below the endpoint (OTLP/HTTP).
const SIGNAL: &str = "v1/traces";

/// What is recorded about single requests.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Where it is sent, whole.
    pub endpoint: Url,
    /// The share of requests whose caller does not say whether they are recorded.
    pub sample: Share,
    /// Headers that are sent along.
    pub headers: Vec<(String, SecretString)>,
}

/// A share between none and all, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// All of it, in millionths.
    const WHOLE: u128 = 1_000_000;

    /// Whether one who drew `lot` is among them: any number, if it is random.
    pub fn takes(self, lot: u128) -> bool {
        lot.checked_rem(Self::WHOLE).is_some_and(|drawn| drawn < u128::from(self.0))
    }
}

/// Reads the section, if it is there.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<Traces> {
    let found = file.get("traces")?;
    let section = reader.section(&found, &schema::TRACES)?;
    let endpoint = reader.value(&section, "endpoint", endpoint);
    let sample = reader.amount(&section, "sample", share);
    let headers = section.get("headers").map(|found| headers(reader, &found));
    Some(Traces { endpoint: endpoint?, sample: sample?, headers: headers.unwrap_or_default() })
}

fn headers(reader: &mut Reader<'_>, found: &Found<'_>) -> Vec<(String, SecretString)> {
    let mut read = Vec::new();
    for (name, found) in reader.named(found) {
        if http::HeaderName::from_bytes(name.as_bytes()).is_err() || name.starts_with("content-") {
            let wrong = Wrong::new("not the name of a header that can be sent along");
            reader.note(&found.place, wrong.hint("write it like `authorization`"));
            continue;
        }
        let Some(secret) = reader.secret_at(&found) else { continue };
        if http::HeaderValue::from_str(&secret.value).is_err() {
            let wrong = Wrong::new("not the value of a header: it has a line break, or is binary");
            reader.note(&secret.place, wrong);
            continue;
        }
        read.extend(filled(reader, &secret).map(|value| (name.to_owned(), value)));
    }
    read
}

/// The place for traces at a receiver, which may be on another host without TLS: what is sent has
/// no token, no secret and no name of a person in it.
fn endpoint(text: &str) -> Result<Url, Wrong> {
    let example = "write it like http://otel-collector:4318";
    let not = |what: &str| Wrong::new(what).hint(example);
    let mut url = Url::parse(text).map_err(|_error| not("not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(not("not an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("a URL with a user name or password").hint("set `headers` instead"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("a URL with a query or fragment").hint("remove it"));
    }
    let base = url.path().trim_end_matches('/').to_owned();
    if base.ends_with(SIGNAL) {
        return Err(Wrong::new("the place of the traces").hint("remove /v1/traces: it is added"));
    }
    url.set_path(&format!("{base}/{SIGNAL}"));
    Ok(url)
}

/// A share such as `0.01`, from 0 to 1, to the millionth.
fn share(text: &str) -> Result<Share, Wrong> {
    let form =
        || Wrong::new("not a share from 0 to 1").hint("write it like 0.01: one of a hundred");
    let share: f64 = text.parse().map_err(|_error| form())?;
    if !(0.0..=1.0).contains(&share) {
        return Err(form());
    }
    let millionths: u32 = format!("{:.0}", share * 1e6).parse().map_err(|_error| form())?;
    if millionths == 0 && share > 0.0 {
        return Err(Wrong::new("less than one of a million").hint("write 0 for none"));
    }
    Ok(Share(millionths))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_decimal_from_none_to_all() {
        for (text, millionths) in [
            ("0", 0),
            ("0.0", 0),
            ("1", 1_000_000),
            ("1.0", 1_000_000),
            ("0.01", 10_000),
            ("0.000001", 1),
            ("1e-6", 1),
            ("0.5", 500_000),
        ] {
            assert_eq!(share(text).ok(), Some(Share(millionths)), "{text}");
        }
        let half = Share(500_000);
        assert!(half.takes(7_499_999) && !half.takes(7_500_000));
        assert!(Share(1_000_000).takes(u128::MAX) && !Share(0).takes(0));
        for text in ["", ".", "1.000001", "2", "-0.1", "0.0000001", "inf", "NaN", "1%", "x"] {
            assert!(share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_is_the_root_of_a_receiver() {
        for (text, url) in [
            ("http://otel-collector:4318", "http://otel-collector:4318/v1/traces"),
            ("https://otlp.example.com/", "https://otlp.example.com/v1/traces"),
            ("https://otlp.example.com/a/b", "https://otlp.example.com/a/b/v1/traces"),
        ] {
            assert_eq!(endpoint(text).ok().unwrap().as_str(), url);
        }
        for text in [
            "otel-collector:4318",
            "grpc://otel-collector:4317",
            "http://user@collector",
            "http://collector/?key=1",
            "http://collector/#a",
            "http://collector/v1/traces/",
        ] {
            assert!(endpoint(text).is_err(), "{text}");
        }
    }
}
