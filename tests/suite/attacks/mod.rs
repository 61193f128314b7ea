//! What attackers send, and what they get: the same answer every time, at little cost to us.
//!
//! Each test carries the numbers of its rows in the attack matrix. A row is tried wherever a token can
//! be presented and it means something there: [`attack`] asserts the answer of each place, one line
//! of log without the token, who else was asked, and that the next good token is still good. Which
//! rows there are, and which need what is not built here: [`rows`].

mod algorithm;
mod audience;
mod callers;
mod confusion;
mod encoding;
mod header;
mod issuer;
mod keys;
mod oracle;
mod own;
mod places;
mod process;
mod requests;
mod rows;
mod sightings;
mod time;

use std::collections::HashSet;

use places::{Place, Stand};
use sightings::Asked;

use crate::kubernetes::world;
use crate::support::World;

/// An attempt with tokens that must not be good.
struct Attack<'r> {
    row: &'r str,
    places: &'r [Place],
    fetches: u64,
}

/// Tried everywhere, for nobody to be asked about it.
const fn attack(row: &str) -> Attack<'_> {
    Attack { row, places: &Place::ALL, fetches: 0 }
}

impl<'r> Attack<'r> {
    /// In these places only.
    const fn at(mut self, places: &'r [Place]) -> Self {
        self.places = places;
        self
    }

    /// Keys may be fetched so often: once for each issuer whose key is named and not known.
    const fn fetching(mut self, times: u64) -> Self {
        self.fetches = times;
        self
    }

    /// With the tokens that `construct` makes for each place.
    #[track_caller]
    fn tries(&self, construct: impl Fn(&Stand<'_>) -> Vec<(String, String)>) {
        self.tries_in(&world(), construct);
    }

    /// As [`Self::tries`], in a world that is there already.
    #[track_caller]
    fn tries_in(&self, world: &World, construct: impl Fn(&Stand<'_>) -> Vec<(String, String)>) {
        // Whose keys are not awaited at the start is asked for them by the first good token.
        for place in self.places {
            let stand = Stand::new(world, *place);
            stand.accepts(&stand.sign(&stand.good()));
        }
        let (asked, mut known) = (Asked::now(world), HashSet::new());
        for place in self.places {
            let stand = Stand::new(world, *place);
            let tokens = construct(&stand);
            let tried = stand.refuses_all(self.row, &tokens, &mut known);
            assert!(tried > 0, "{}: nothing is tried as {place:?}", self.row);
        }
        asked.assert_no_more_than(self.fetches, self.row, world);
    }
}

/// The three parts of a compact token.
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().expect("three parts")
}
