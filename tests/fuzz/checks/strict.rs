//! JSON (RFC 8259), read slowly and obviously: what the product reads is held against this.

/// Deeper than anything that is accepted, and no danger to the stack.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    /// In order, also what stands there twice.
    Map(Vec<(String, Self)>),
}

impl Value {
    /// The values of all members of this name.
    pub(crate) fn all<'v>(&'v self, name: &str) -> Vec<&'v Self> {
        let Self::Map(members) = self else { return Vec::new() };
        members.iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect()
    }

    /// The one member of this name, if there is one and no second.
    pub(crate) fn only(&self, name: &str) -> Option<&Self> {
        match *self.all(name) {
            [one] => Some(one),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// How deeply arrays and objects are nested.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(members) => {
                1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
        }
    }

    /// How many members there are in all objects together.
    pub(crate) fn members(&self) -> usize {
        match self {
            Self::List(items) => items.iter().map(Self::members).sum(),
            Self::Map(members) => {
                members.len() + members.iter().map(|(_, value)| value.members()).sum::<usize>()
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => 0,
        }
    }

    /// Whether every object has each name once.
    pub(crate) fn is_unambiguous(&self) -> bool {
        match self {
            Self::List(items) => items.iter().all(Self::is_unambiguous),
            Self::Map(members) => members.iter().enumerate().all(|(at, (name, value))| {
                members.iter().take(at).all(|(other, _)| other != name) && value.is_unambiguous()
            }),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => true,
        }
    }

    /// Every number, as it is written.
    pub(crate) fn numbers(&self) -> Vec<&str> {
        match self {
            Self::Number(text) => vec![text],
            Self::List(items) => items.iter().flat_map(Self::numbers).collect(),
            Self::Map(members) => members.iter().flat_map(|(_, value)| value.numbers()).collect(),
            Self::Null | Self::Bool(_) | Self::Text(_) => Vec::new(),
        }
    }
}

/// The one value that `bytes` are, if they are one and nothing else.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { rest: std::str::from_utf8(bytes).ok()? };
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn next(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let letter = letters.next();
        self.rest = letters.as_str();
        letter
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.rest.chars().next()? {
            'n' => self.take("null").map(|()| Value::Null),
            't' => self.take("true").map(|()| Value::Bool(true)),
            'f' => self.take("false").map(|()| Value::Bool(false)),
            '"' => self.text().map(Value::Text),
            '[' if depth < MAX_DEPTH => {
                self.several(']', |reader| reader.value(depth + 1)).map(Value::List)
            }
            '{' if depth < MAX_DEPTH => self
                .several('}', |reader| {
                    let name = reader.text()?;
                    reader.space();
                    reader.take(":")?;
                    reader.space();
                    Some((name, reader.value(depth + 1)?))
                })
                .map(Value::Map),
            '-' | '0'..='9' => self.number().map(|text| Value::Number(text.to_owned())),
            _ => None,
        }
    }

    /// What stands between brackets, joined by commas.
    fn several<T>(&mut self, end: char, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.next();
        self.space();
        let mut found = Vec::new();
        if self.rest.starts_with(end) {
            self.next();
            return Some(found);
        }
        loop {
            self.space();
            found.push(one(self)?);
            self.space();
            match self.next()? {
                ',' => {}
                letter if letter == end => return Some(found),
                _ => return None,
            }
        }
    }

    fn text(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                control if control < ' ' => return None,
                letter => text.push(letter),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            letter @ ('"' | '\\' | '/') => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit()?;
                if !(0xd800..0xe000).contains(&first) {
                    return char::from_u32(first);
                }
                self.take("\\u")?;
                let second = self.unit()?;
                if first >= 0xdc00 || !(0xdc00..0xe000).contains(&second) {
                    return None;
                }
                return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00));
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = self.rest.get(4..)?;
        u32::from_str_radix(digits, 16).ok()
    }

    fn number(&mut self) -> Option<&'t str> {
        let all = self.rest;
        let _ = self.take("-");
        if self.take("0").is_none() {
            self.digits()?;
        }
        if self.take(".").is_some() {
            self.digits()?;
        }
        if self.rest.starts_with(['e', 'E']) {
            self.next();
            let _ = self.take("+").or_else(|| self.take("-"));
            self.digits()?;
        }
        all.get(..all.len() - self.rest.len())
    }

    fn digits(&mut self) -> Option<()> {
        let rest = self.rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let any = rest.len() < self.rest.len();
        self.rest = rest;
        any.then_some(())
    }
}
