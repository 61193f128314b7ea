//! `listen.tls`: whole certificates, and what is said about others.

use super::refused::check_in;
use super::{GOOD, read, with};
use crate::config::Ending;
use crate::protocol::time::{Seconds, UnixTime};

/// Who vouches for [`SERVER`].
pub(super) const CA: &str = include_str!("tls/ca.crt");
/// A listener's certificate, good until 2126.
pub(super) const SERVER: &str = include_str!("tls/server.crt");
/// Its private key, which protects nothing.
pub(super) const KEY: &str = include_str!("tls/server.key");

/// The last second of [`SERVER`].
const UNTIL: UnixTime = UnixTime::from_seconds(4_949_193_847);

#[test]
fn a_listener_has_a_chain_a_key_and_those_who_vouch_for_clients() {
    let config = read(GOOD).unwrap();
    let tls = config.listen.tls;
    assert!(tls.admin.is_none() && tls.tyk.is_none() && tls.envoy.is_none());
    let public = tls.public.as_ref().unwrap();
    assert!(public.clients.is_some());
    assert_eq!((public.certified.cert.len(), public.until), (1, UNTIL));
    let chain = read(&with("server.crt", "chain.crt")).unwrap().listen.tls.public.unwrap();
    assert_eq!((chain.certified.cert.len(), chain.until), (2, UNTIL));
    let open = with("      client_ca: ${file:/run/tls/ca.crt}\n", "");
    assert!(read(&open).unwrap().listen.tls.public.unwrap().clients.is_none());
    let printed = format!("{tls:?}");
    assert!(!printed.contains(KEY.lines().nth(1).unwrap()), "{printed}");
}

#[test]
fn an_end_is_told_two_weeks_before_it() {
    let tls = read(GOOD).unwrap().listen.tls;
    let days = |count: i64| UNTIL.plus(Seconds::hours(24 * count));
    assert_eq!(tls.ending(days(-15)), []);
    assert_eq!(tls.ending(days(-14)), [("public", Ending::Soon(UNTIL))]);
    assert_eq!(tls.ending(UNTIL), [("public", Ending::Soon(UNTIL))]);
    let [(_, over)] = tls.ending(days(1))[..] else { panic!("one") };
    assert_eq!(over.to_string(), "the certificate has expired, at 2126-11-01T08:04:07Z");
}

#[test]
fn what_is_no_certificate_or_fits_nothing_is_refused() {
    let (certificate, key) = ("${file:/run/tls/server.crt}", "${file:/run/tls/server.key}");
    let (ca, tls) = ("${file:/run/tls/ca.crt}", "listen.tls.public");
    let said = |name: &str, what: &str| -> &'static str { format!("{tls}.{name}: {what}").leak() };
    check_in(
        GOOD,
        &[
            (
                "      key: ${file:/run/tls/server.key}\n",
                "",
                said("key", "required, but not there"),
            ),
            (key, "§hunter2", said("key", "a secret must not stand in the file")),
            (key, "§${file:/run/tls/server.crt}", said("key", "no private key as PEM")),
            (key, "§${file:/run/tls/locked.key}", said("key", "no private key as PEM")),
            (key, "§${file:/run/tls/own.key}", said("key", "not a key that can be used")),
            (certificate, "§${file:/run/tls/gone}", said("certificate", "cannot read the file")),
            (
                certificate,
                "§${file:/run/tls/server.key}",
                said("certificate", "no certificate as PEM"),
            ),
            (certificate, "§${file:/run/tls/broken.crt}", said("certificate", "not PEM")),
            (certificate, "§${file:/run/tls/own.pem}", said("certificate", "certificate 1 cannot")),
            (certificate, "${file:/run/tls/wrong-way.crt}", said("key", "not the key of the")),
            (ca, "§${file:/run/tls/server.key}", said("client_ca", "no certificate as PEM")),
            (ca, "§${file:/run/tls/own.pem}", said("client_ca", "certificate 1 cannot be read")),
        ],
    );
    let also = |more: &str| GOOD.replacen("  tls:\n", &format!("{more}  tls:\n"), 1);
    let for_tyk = |text: String| text.replacen("    public:\n", "    tyk:\n", 1);
    for (text, expected) in [
        (for_tyk(also("")), "listen.tls.tyk: there is no such listener (`listen.tyk`)"),
        (for_tyk(also("  tyk: unix:/run/tyk.sock\n")), "listen.tls.tyk: a Unix socket has no TLS"),
        (for_tyk(also("  tyk: nowhere\n")), "listen.tyk: neither an IP address"),
    ] {
        let report = read(&text).unwrap_err();
        assert_eq!(report.problems.len(), 1, "{report}");
        assert!(report.problems[0].to_string().starts_with(expected), "{report}");
    }
    assert!(read(&for_tyk(also("  tyk: 127.0.0.1:5555\n"))).unwrap().listen.tls.tyk.is_some());
}
