//! Certificates of an authority that only one test knows, made by OpenSSL.

use std::process::Command;

use super::watch;
use crate::cli::Folder;

/// How OpenSSL makes them; the names of the sections are the kinds.
const OPENSSL: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
O = tessera test
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
";

/// A folder with `ca.crt`, and what it has signed.
pub(crate) struct Authority(Folder);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        folder.file("openssl.cnf", OPENSSL);
        let authority = Self(folder);
        authority.make("ca", "ca", 2, &[]);
        authority
    }

    /// Makes a key and a certificate of this kind, good for so many days. They stand there only
    /// when they are whole.
    pub(crate) fn sign(&self, kind: &str, name: &str, days: u32) {
        self.make(kind, "new", days, &["-CA", "ca.crt", "-CAkey", "ca.key"]);
        for end in ["key", "crt"] {
            std::fs::rename(self.path(&format!("new.{end}")), self.path(&format!("{name}.{end}")))
                .unwrap();
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.0.path())
    }

    fn make(&self, kind: &str, name: &str, days: u32, signing: &[&str]) {
        let mut openssl = Command::new("openssl");
        openssl.current_dir(self.0.path());
        openssl.args(["req", "-x509", "-config", "openssl.cnf", "-extensions", kind]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-subj", &format!("/CN=tessera test {kind}"), "-days", &days.to_string()]);
        openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.crt")]);
        let made = openssl.args(signing).output().expect("openssl is installed");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        watch::private_key(&self.path(&format!("{name}.key")));
    }
}
