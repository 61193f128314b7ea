//! What time is it, as tokens count it?
//!
//! Whole seconds since 1970-01-01T00:00:00Z (RFC 7519 §2 `NumericDate`). Arithmetic saturates: a
//! token's dates come from outside, and no date may overflow into a yes.

use std::fmt;

/// A moment in whole seconds since the Unix epoch.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The last moment that can be named: "never ends".
    pub const MAX: Self = Self(i64::MAX);

    /// The moment `seconds` after the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since the Unix epoch.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// This moment, `by` later (or earlier, when negative); saturates.
    #[must_use]
    pub const fn plus(self, by: Seconds) -> Self {
        Self(self.0.saturating_add(by.0))
    }

    /// The time from `earlier` to this moment; negative when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 where the calendar reaches, plain seconds beyond.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} s since 1970", self.0),
        }
    }
}

/// A span of whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(i64);

impl Seconds {
    /// A span of `count` seconds.
    pub const fn new(count: i64) -> Self {
        Self(count)
    }

    /// A span of `count` minutes; saturates.
    pub const fn minutes(count: i64) -> Self {
        Self(count.saturating_mul(60))
    }

    /// A span of `count` hours; saturates.
    pub const fn hours(count: i64) -> Self {
        Self(count.saturating_mul(3600))
    }

    /// How many seconds.
    pub const fn count(self) -> i64 {
        self.0
    }

    /// The same span, the other way.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", jiff::SignedDuration::from_secs(self.0))
    }
}
