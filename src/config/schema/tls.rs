//! The keys of `listen.tls`: who the listeners are.

use super::Presence::{Absent, Required};
use super::{Presence, Section, key};

const PLAIN: Presence = Absent("no TLS");

/// `listen.tls`
pub static TLS: Section = Section {
    path: "listen.tls",
    keys: &[
        key("public", "section", PLAIN, "Of what clients call."),
        key("admin", "section", PLAIN, "Of the admin listener: probes and scrapers speak it too."),
        key("tyk", "section", PLAIN, "Of the listener for Tyk, unless that is a Unix socket."),
        key("envoy", "section", PLAIN, "Of the listener for Envoy, unless that is a Unix socket."),
    ],
};

/// `listen.tls.LISTENER`
pub static LISTENER_TLS: Section = Section {
    path: "listen.tls.LISTENER",
    keys: &[
        key(
            "certificate",
            "certificates as PEM",
            Required,
            "The chain: the listener's own first, then those that vouch for it. Usually `${file:/etc/tls/tls.crt}`.",
        ),
        key("key", "secret, as PEM", Required, "The private key of the first, not encrypted."),
        key(
            "client_ca",
            "certificates as PEM",
            Absent("no client needs a certificate"),
            "Who vouches for clients. With it, whoever connects must show a certificate that one of these has signed.",
        ),
    ],
};
