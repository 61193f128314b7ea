//! Looks at whole answers once, so that from then on each answer can be told from any other at the
//! price of a digest.

use std::net::SocketAddr;

use tokio::task::LocalSet;

use crate::load::closed::stay_awake;
use crate::load::connection::Connection;
use crate::load::expect::{Expect, digest};
use crate::load::population::Question;

/// Asks each question once, one after the other. Its answer must be the expected one and stand up to
/// `look`, which is told the question's place; from then on exactly that answer is expected.
pub(crate) fn learn(
    to: SocketAddr,
    questions: &mut [Question],
    look: impl Fn(usize, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut connection = Connection::open(to).await?;
        let awake = stay_awake();
        for (place, question) in questions.iter_mut().enumerate() {
            let answer = connection.answer(&question.bytes).await?;
            question.expect.check(answer)?;
            look(place, answer.body)?;
            question.expect = Expect::Same(digest(answer.body));
        }
        awake.abort();
        Ok(())
    })
}
