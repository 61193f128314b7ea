//! JSON and compact JWTs, read letter by letter from RFC 8259, RFC 7515 §7.1 and standards §16: slow,
//! and with no library in between.

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Strict {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Members(Vec<(String, Self)>),
}

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// No JSON at all, or something that is not UTF-8.
    Malformed,
    /// Two members of one object with one name.
    Twice,
    /// Deeper than 16, or more than 512 members.
    TooComplex,
    /// A number that no float can hold: RFC 8259 §6 lets a reader refuse it.
    TooLarge,
}

const MAX_DEPTH: usize = 16;
const MAX_MEMBERS: usize = 512;

/// One JSON text, from its first byte to its last.
pub(super) fn json(text: &[u8]) -> Result<Strict, Refused> {
    let text = std::str::from_utf8(text).map_err(|_error| Refused::Malformed)?;
    let mut reader = Reader { rest: text, members: 0 };
    let value = reader.value(1)?;
    reader.space();
    if reader.rest.is_empty() { Ok(value) } else { Err(Refused::Malformed) }
}

struct Reader<'t> {
    rest: &'t str,
    members: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self) -> Result<char, Refused> {
        let next = self.peek().ok_or(Refused::Malformed)?;
        self.rest = &self.rest[next.len_utf8()..];
        Ok(next)
    }

    fn expect(&mut self, text: &str) -> Result<(), Refused> {
        self.rest = self.rest.strip_prefix(text).ok_or(Refused::Malformed)?;
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Strict, Refused> {
        self.space();
        match self.peek() {
            Some('n') => self.expect("null").map(|()| Strict::Null),
            Some('t') => self.expect("true").map(|()| Strict::Bool(true)),
            Some('f') => self.expect("false").map(|()| Strict::Bool(false)),
            Some('"') => self.text().map(Strict::Text),
            Some('[' | '{') if depth > MAX_DEPTH => Err(Refused::TooComplex),
            Some('[') => self.list(depth).map(Strict::List),
            Some('{') => self.object(depth).map(Strict::Members),
            _ => self.number(),
        }
    }

    /// Between two of a row, or at its end: whether it has ended.
    fn ends(&mut self, end: char) -> Result<bool, Refused> {
        self.space();
        match self.take()? {
            ',' => Ok(false),
            found if found == end => Ok(true),
            _ => Err(Refused::Malformed),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Strict>, Refused> {
        self.expect("[")?;
        self.space();
        let mut items = Vec::new();
        if self.rest.starts_with(']') {
            return self.expect("]").map(|()| items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.ends(']')? {
                return Ok(items);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Vec<(String, Strict)>, Refused> {
        self.expect("{")?;
        self.space();
        let mut members: Vec<(String, Strict)> = Vec::new();
        if self.rest.starts_with('}') {
            return self.expect("}").map(|()| members);
        }
        loop {
            self.space();
            let name = self.text()?;
            self.members += 1;
            if self.members > MAX_MEMBERS {
                return Err(Refused::TooComplex);
            }
            if members.iter().any(|(known, _)| *known == name) {
                return Err(Refused::Twice);
            }
            self.space();
            self.expect(":")?;
            members.push((name, self.value(depth + 1)?));
            if self.ends('}')? {
                return Ok(members);
            }
        }
    }

    fn text(&mut self) -> Result<String, Refused> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            match self.take()? {
                '"' => return Ok(text),
                '\0'..='\x1f' => return Err(Refused::Malformed),
                '\\' => text.push(self.escaped()?),
                other => text.push(other),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Refused> {
        Ok(match self.take()? {
            plain @ ('"' | '\\' | '/') => plain,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unit(),
            _ => return Err(Refused::Malformed),
        })
    }

    /// A unit of UTF-16, and the second half of a pair: halves alone are no letters.
    fn unit(&mut self) -> Result<char, Refused> {
        let mut units = vec![self.four()?];
        if (0xd800..0xdc00).contains(&units[0]) {
            self.expect("\\u")?;
            units.push(self.four()?);
        }
        let mut letters = char::decode_utf16(units);
        let letter = letters.next().unwrap().map_err(|_error| Refused::Malformed)?;
        if letters.next().is_none() { Ok(letter) } else { Err(Refused::Malformed) }
    }

    fn four(&mut self) -> Result<u16, Refused> {
        (0..4).try_fold(0, |unit, _| {
            let digit = self.take()?.to_digit(16).ok_or(Refused::Malformed)?;
            Ok(unit * 16 + u16::try_from(digit).unwrap())
        })
    }

    fn digits(&mut self, into: &mut String) -> Result<(), Refused> {
        let before = into.len();
        while self.peek().is_some_and(|next| next.is_ascii_digit()) {
            into.push(self.take()?);
        }
        if into.len() > before { Ok(()) } else { Err(Refused::Malformed) }
    }

    fn number(&mut self) -> Result<Strict, Refused> {
        let mut number = String::new();
        if self.peek() == Some('-') {
            number.push(self.take()?);
        }
        if self.peek() == Some('0') {
            number.push(self.take()?);
        } else {
            self.digits(&mut number)?;
        }
        if self.peek() == Some('.') {
            number.push(self.take()?);
            self.digits(&mut number)?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            number.push(self.take()?);
            if matches!(self.peek(), Some('+' | '-')) {
                number.push(self.take()?);
            }
            self.digits(&mut number)?;
        }
        if number.parse::<f64>().is_ok_and(f64::is_finite) {
            Ok(Strict::Number(number))
        } else {
            Err(Refused::TooLarge)
        }
    }
}

impl Strict {
    /// The member of an object.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Members(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// Header and claims of a compact JWT.
pub(super) fn jwt(text: &str) -> Option<(Strict, Strict)> {
    let parts: Vec<_> = text.split('.').collect();
    let [header, payload, signature] = &*parts else { return None };
    let (header, payload) = (base64url(header)?, base64url(payload)?);
    base64url(signature)?;
    if text.len() > 32 * 1024 || header.len() > 4 * 1024 || payload.len() > 24 * 1024 {
        return None;
    }
    let (header, payload) = (json(&header).ok()?, json(&payload).ok()?);
    let refused = ["crit", "b64", "zip", "enc", "p2c", "p2s", "epk", "cty", "apu"];
    let short = |name: &str| match header.get(name) {
        None => true,
        Some(Strict::Text(text)) => {
            (1..=256).contains(&text.len())
                && text.chars().all(|letter| (' '..='~').contains(&letter))
        }
        Some(_) => false,
    };
    let objects = [&header, &payload].iter().all(|value| matches!(value, Strict::Members(_)));
    let legal = refused.iter().all(|name| header.get(name).is_none())
        && ["alg", "kid", "typ", "x5t#S256"].into_iter().all(short)
        && header.get("alg").is_some();
    (objects && legal).then_some((header, payload))
}

/// RFC 4648 §5 without padding, in its one spelling (§3.5).
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.chars() {
        let six = u32::try_from(LETTERS.find(letter)?).unwrap();
        (bits, count) = (bits << 6 | six, count + 6);
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count).unwrap());
            bits &= (1 << count) - 1;
        }
    }
    // A letter of which nothing is used, or bits that say nothing, would be another spelling.
    (count < 6 && bits == 0).then_some(bytes)
}
