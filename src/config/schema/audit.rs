//! The keys of `audit`.

use super::Presence::{Absent, Default};
use super::{Section, key};

/// `audit`
pub static AUDIT: Section = Section {
    path: "audit",
    keys: &[
        key(
            "to",
            "`stdout`, `file` or `redis`",
            Default("stdout"),
            "Where records go: standard output, a file, or a stream in `store.redis`.",
        ),
        key(
            "introspections",
            "`all`, `decisions` or `off`",
            Default("decisions"),
            "Which introspections are recorded: all; those that were decided, not answered from memory; or none. Everything else is always recorded.",
        ),
        key(
            "file",
            "absolute path",
            Absent("required with `to: file`"),
            "The file. Its folder must exist. Only with `to: file`.",
        ),
        key(
            "rotate",
            "size, `1MiB` to `64GiB`",
            Default("100MiB"),
            "A file that has grown to this is set aside, and another begun. Only with `to: file`.",
        ),
        key(
            "keep",
            "number, `1` to `10000`",
            Absent("all of them"),
            "How many files that were set aside are kept; older ones are removed. Only with `to: file`.",
        ),
        key(
            "key",
            "secret",
            Absent("hashes can be made by anybody"),
            "Makes the hashes of the chain (HMAC-SHA-256), so that nobody without it can mend what was altered: at least 32 characters, random.",
        ),
    ],
};
