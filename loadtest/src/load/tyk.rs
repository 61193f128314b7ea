//! What Tyk sends to its plugin, and what it is to get back.

use anyhow::Context as _;
use prost::Message as _;
use serde_json::json;

use crate::load::messages::{MiniRequestObject, Object, ReturnOverrides};

/// `CustomKeyCheck`: in the place of authentication.
const CUSTOM_KEY_CHECK: i32 = 4;

/// The headers of a usual request behind a load balancer, but for `Authorization`: about 1 KB.
const HEADERS: [(&str, &str); 19] = [
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8,fr;q=0.7"),
    ("Cache-Control", "no-cache"),
    (
        "Cookie",
        "consent=analytics%3D0%26functional%3D1%26marketing%3D0; locale=en-GB; theme=dark; \
         session=f1d2d2f924e986ac86fdf7b36c94bcdf32beec15b1946ac92492d2347c6235b4; \
         route=7f3c9a52e1b84d06b5d27e90a4c1f863|a0b1c2d3e4f5061728394a5b6c7d8e9f",
    ),
    ("Host", "api.example.com"),
    ("Origin", "https://portal.example.com"),
    ("Referer", "https://portal.example.com/customers/4711/orders?page=2&sort=-created"),
    ("Sec-Ch-Ua", "\"Not;A=Brand\";v=\"99\", \"Google Chrome\";v=\"139\", \"Chromium\";v=\"139\""),
    ("Sec-Ch-Ua-Platform", "\"Linux\""),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-site"),
    ("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
         Chrome/139.0.0.0 Safari/537.36",
    ),
    ("X-Forwarded-For", "203.0.113.77, 198.51.100.24"),
    ("X-Forwarded-Proto", "https"),
    ("X-Real-Ip", "203.0.113.77"),
    ("X-Request-Id", "0c1f6d5e-7b1a-4a57-9d9e-3c5a2d0c8f41"),
];

/// What is asked of the plugin.
#[derive(Clone, Copy)]
pub(crate) struct Asking {
    /// As long as this is the JSON in the body; 0: a `GET`.
    pub(crate) body_bytes: usize,
    /// Whether the definition asks for another token in the place of the one that came.
    pub(crate) exchange: bool,
}

/// One whole message for each token, as `rawBodyOnly` makes it.
pub(crate) fn objects(tokens: &[String], asking: Asking) -> Vec<Vec<u8>> {
    let body = json_of(asking.body_bytes);
    let object = |token: &String| object(token, &body, asking.exchange).encode_to_vec();
    tokens.iter().map(object).collect()
}

fn object(token: &str, body: &str, exchange: bool) -> Object {
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: std::collections::HashMap<_, _> = HEADERS.into_iter().map(text).collect();
    headers.insert("Authorization".to_owned(), format!("Bearer {token}"));
    if !body.is_empty() {
        headers.insert("Content-Type".to_owned(), "application/json".to_owned());
        headers.insert("Content-Length".to_owned(), body.len().to_string());
    }
    let url = "/orders/customers/4711?page=2&sort=-created";
    let request = MiniRequestObject {
        headers,
        url: url.to_owned(),
        params: [("page", "2"), ("sort", "-created")].into_iter().map(text).collect(),
        return_overrides: Some(ReturnOverrides { response_code: -1, ..Default::default() }),
        method: if body.is_empty() { "GET" } else { "POST" }.to_owned(),
        request_uri: url.to_owned(),
        scheme: "https".to_owned(),
        raw_body: body.to_owned().into(),
        ..Default::default()
    };
    let mut tessera = json!({ "api": "orders", "secret": crate::system::mint::SECRET });
    if exchange {
        tessera["exchange"] =
            json!({ "resource": "https://orders.internal", "scopes": ["orders.read"] });
    }
    let config_data = json!({ "tessera": tessera }).to_string();
    let spec = [("APIID", "orders"), ("OrgID", "default"), ("config_data", &config_data)];
    Object {
        hook_type: CUSTOM_KEY_CHECK,
        hook_name: "TesseraAuth".to_owned(),
        request: Some(request),
        spec: spec.into_iter().map(text).collect(),
        ..Default::default()
    }
}

/// An order as long as that.
fn json_of(bytes: usize) -> String {
    let mut lines = Vec::new();
    let mut text = String::new();
    while text.len() < bytes {
        let number = lines.len() + 1;
        lines.push(json!({ "line": number, "article": "A-4711-0815", "quantity": 3, "net": 19.9 }));
        text = json!({ "customer": "4711", "lines": lines }).to_string();
    }
    text
}

/// What an answer says, as far as it is checked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Whether the request was there again.
    pub(crate) request: bool,
    /// Whether Tyk is to answer itself with 400 or above.
    pub(crate) refused: bool,
    /// How many policies there are.
    pub(crate) policies: usize,
    /// Whether another token takes the place of the one that came.
    pub(crate) swapped: bool,
}

impl Answer {
    /// Reads the answer without making anything of it: all answers are read, between requests.
    pub(crate) fn read(message: &[u8]) -> anyhow::Result<Self> {
        let mut answer = Self::default();
        for field in Fields(message) {
            match field? {
                (3, Value::Bytes(request)) => {
                    answer.request = true;
                    answer.read_request(request)?;
                }
                (4, Value::Bytes(session)) => {
                    for field in Fields(session) {
                        answer.policies += usize::from(matches!(field?, (29, Value::Bytes(_))));
                    }
                }
                _ => {}
            }
        }
        Ok(answer)
    }

    fn read_request(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let (mut came, mut set) = (None, None);
        for field in Fields(request) {
            match field? {
                (1, Value::Bytes(header)) => came = authorization(header).or(came),
                (2, Value::Bytes(header)) => set = authorization(header).or(set),
                (10, Value::Bytes(overrides)) => {
                    for field in Fields(overrides) {
                        if let (1, Value::Number(code)) = field? {
                            self.refused |= code.cast_signed() >= 400;
                        }
                    }
                }
                _ => {}
            }
        }
        self.swapped = set.is_some() && set != came;
        Ok(())
    }
}

/// The value in this entry, if it is the one of `Authorization`.
fn authorization(header: &[u8]) -> Option<&[u8]> {
    header.strip_prefix(b"\x0a\x0dAuthorization")
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = anyhow::Result<(u64, Value<'a>)>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.field())
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> anyhow::Result<(u64, Value<'a>)> {
        let key = self.number()?;
        let value = match key & 7 {
            0 => Value::Number(self.number()?),
            1 => Value::Bytes(self.take(8)?),
            2 => {
                let length = self.number()?.try_into()?;
                Value::Bytes(self.take(length)?)
            }
            other => anyhow::bail!("wire type {other}"),
        };
        Ok((key >> 3, value))
    }

    fn number(&mut self) -> anyhow::Result<u64> {
        Ok(prost::encoding::decode_varint(&mut self.0)?)
    }

    fn take(&mut self, length: usize) -> anyhow::Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).context("a torn message")?;
        self.0 = rest;
        Ok(taken)
    }
}
