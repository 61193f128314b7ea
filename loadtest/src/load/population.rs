//! What is asked, and in which order.

use std::sync::Arc;

use crate::load::expect::Expect;

/// One whole request, and which answer is right.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) bytes: Vec<u8>,
    pub(crate) expect: Expect,
}

/// Questions in an order. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Population {
    questions: Arc<Vec<Question>>,
    /// Their places; empty: one after the other.
    order: Arc<Vec<u32>>,
}

impl Population {
    /// One after the other.
    pub(crate) fn in_turn(questions: Vec<Question>) -> Self {
        Self::in_order(questions, Vec::new())
    }

    /// In this order of places, again and again.
    pub(crate) fn in_order(questions: Vec<Question>, order: Vec<u32>) -> Self {
        Self { questions: Arc::new(questions), order: Arc::new(order) }
    }

    /// The same questions in another order.
    pub(crate) fn reordered(&self, order: Vec<u32>) -> Self {
        Self { questions: Arc::clone(&self.questions), order: Arc::new(order) }
    }

    /// How many there are in the order.
    pub(crate) fn len(&self) -> usize {
        if self.order.is_empty() { self.questions.len() } else { self.order.len() }
    }

    /// The `number`th to be asked; after the last comes the first again.
    pub(crate) fn at(&self, number: usize) -> Option<&Question> {
        let number = number.checked_rem(self.len())?;
        match self.order.get(number) {
            Some(place) => self.questions.get(usize::try_from(*place).ok()?),
            None => self.questions.get(number),
        }
    }
}

/// Asks `tyk` about each token, all of them good.
pub(crate) fn introspections(tokens: &[String]) -> Vec<Question> {
    let ask = |token: &String| introspection("tyk", crate::system::mint::SECRET, token);
    tokens.iter().map(|token| Question { bytes: ask(token), expect: Expect::Active }).collect()
}

/// One whole request of a client about a token.
pub(crate) fn introspection(client: &str, secret: &str, token: &str) -> Vec<u8> {
    form("/introspect", &format!("client_id={client}&client_secret={secret}&token={token}"))
}

/// Exchanges each token for `https://RESOURCE.internal`.
pub(crate) fn exchanges(tokens: &[String], resource: &str, expect: Expect) -> Vec<Question> {
    let ask = |token: &String| {
        let body = format!(
            "client_id=tyk&client_secret={}&subject_token={token}&subject_token_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&grant_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&\
             resource=https%3A%2F%2F{resource}.internal&scope=orders.read",
            crate::system::mint::SECRET
        );
        Question { bytes: form("/token", &body), expect: expect.clone() }
    };
    tokens.iter().map(ask).collect()
}

/// One whole request that posts a form.
pub(crate) fn form(path: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
