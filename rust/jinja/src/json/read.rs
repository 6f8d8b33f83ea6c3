//! A JSON reader that reads what Python's json.loads reads.

use crate::dict::Dict;
use crate::error::{unsupported, value_error, Result};
use crate::value::Value;
use num_bigint::BigInt;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Lists and objects within each other; more could not be written or compared either.
const DEPTH: u32 = 400;

/// Digits of an integer that Python still reads.
const DIGITS: usize = 4300;

/// json.loads(text): integers of any size, NaN and Infinity too.
pub fn read(text: &str) -> Result<Value> {
    let mut reader = Reader { text, at: 0, depth: 0, keys: HashMap::new() };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => reader.fail("Extra data"),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    /// Keys that were read before; messages have the same few over and over.
    keys: HashMap<&'a str, Arc<str>>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, what: &str) -> Result<T> {
        value_error(format!("the JSON is malformed at byte {}: {what}", self.at))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let taken = self.peek() == Some(byte);
        self.at += usize::from(taken);
        taken
    }

    fn take_word(&mut self, word: &str) -> bool {
        let taken = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        self.at += if taken { word.len() } else { 0 };
        taken
    }

    fn value(&mut self) -> Result<Value> {
        match self.peek() {
            Some(b'"') => Ok(Value::Str(self.string()?)),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value>) -> Result<Value> {
        self.depth += 1;
        if self.depth > DEPTH {
            return unsupported("the JSON is nested too deeply");
        }
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self) -> Result<Value> {
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
        ];
        for (word, value) in words {
            if self.take_word(word) {
                return Ok(value);
            }
        }
        self.fail("Expecting value")
    }

    fn list(&mut self) -> Result<Value> {
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::list(items));
        }
        loop {
            self.skip_space();
            items.push(self.value()?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Value::list(items));
            }
            if !self.take(b',') {
                return self.fail("Expecting ',' delimiter");
            }
        }
    }

    fn object(&mut self) -> Result<Value> {
        let mut entries = Dict::default();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::dict(entries));
        }
        loop {
            self.skip_space();
            let key = self.key()?;
            self.skip_space();
            if !self.take(b':') {
                return self.fail("Expecting ':' delimiter");
            }
            self.skip_space();
            entries.set(Value::Str(key), self.value()?)?;
            self.skip_space();
            if self.take(b'}') {
                return Ok(Value::dict(entries));
            }
            if !self.take(b',') {
                return self.fail("Expecting ',' delimiter");
            }
        }
    }

    fn key(&mut self) -> Result<Arc<str>> {
        if self.peek() != Some(b'"') {
            return self.fail("Expecting property name enclosed in double quotes");
        }
        let begin = self.at + 1;
        let end = self.plain_end(begin);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return self.string();
        }
        self.at = end + 1;
        let key = &self.text[begin..end];
        Ok(self.keys.entry(key).or_insert_with(|| key.into()).clone())
    }

    /// Where the characters that stand for themselves end.
    fn plain_end(&self, begin: usize) -> usize {
        let bytes = &self.text.as_bytes()[begin..];
        let special = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20);
        special.map_or(self.text.len(), |at| begin + at)
    }

    fn string(&mut self) -> Result<Arc<str>> {
        let mut begin = self.at + 1;
        let mut text = String::new();
        loop {
            let end = self.plain_end(begin);
            let plain = &self.text[begin..end];
            self.at = end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(if text.is_empty() { plain.into() } else { (text + plain).into() });
                }
                Some(b'\\') => {
                    text.push_str(plain);
                    self.at += 1;
                    text.push(self.escape()?);
                    begin = self.at;
                }
                Some(_) => return self.fail("Invalid control character"),
                None => return self.fail("Unterminated string"),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char> {
        let escaped = match self.peek() {
            Some(b'u') => return self.unicode(),
            Some(c @ (b'"' | b'\\' | b'/')) => c as char,
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return self.fail("Invalid \\escape"),
        };
        self.at += 1;
        Ok(escaped)
    }

    fn unicode(&mut self) -> Result<char> {
        let high = self.unit()?;
        let mut code = high;
        if (0xd800..0xdc00).contains(&high) && self.take(b'\\') {
            let low = if self.peek() == Some(b'u') { self.unit()? } else { 0 };
            if !(0xdc00..0xe000).contains(&low) {
                return lone_surrogate();
            }
            code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        }
        char::from_u32(code).map_or_else(lone_surrogate, Ok)
    }

    /// The u of an escape and its four hexadecimal digits.
    fn unit(&mut self) -> Result<u32> {
        let digits = self.text.get(self.at + 1..self.at + 5).unwrap_or_default();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return self.fail("Invalid \\uXXXX escape");
        }
        self.at += 5;
        Ok(u32::from_str_radix(digits, 16).unwrap_or_default())
    }

    fn number(&mut self) -> Result<Value> {
        let begin = self.at;
        self.take(b'-');
        if self.take_word("Infinity") {
            return Ok(Value::Float(f64::NEG_INFINITY));
        }
        if !self.take(b'0') && self.digits() == 0 {
            return self.fail("Expecting value");
        }
        let whole = self.at;
        let fraction = self.fraction();
        let exponent = self.exponent();
        let text = &self.text[begin..self.at];
        if fraction || exponent {
            return text.parse().map(Value::Float).or_else(|_| self.fail("Expecting value"));
        }
        integer(text, whole - begin)
    }

    fn digits(&mut self) -> usize {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - begin
    }

    fn fraction(&mut self) -> bool {
        let begin = self.at;
        let there = self.take(b'.') && self.digits() > 0;
        if !there {
            self.at = begin;
        }
        there
    }

    fn exponent(&mut self) -> bool {
        let begin = self.at;
        let mut there = self.take(b'e') || self.take(b'E');
        if there {
            let _sign = self.take(b'+') || self.take(b'-');
            there = self.digits() > 0;
        }
        if !there {
            self.at = begin;
        }
        there
    }
}

fn lone_surrogate<T>() -> Result<T> {
    unsupported("the JSON has a lone surrogate, which is no character")
}

fn integer(text: &str, length: usize) -> Result<Value> {
    if let Ok(small) = text.parse() {
        return Ok(Value::Int(small));
    }
    if length > DIGITS {
        return value_error(format!("Exceeds the limit ({DIGITS} digits) for integer string conversion"));
    }
    match text.parse::<BigInt>() {
        Ok(big) => Ok(Value::Big(Rc::new(big))),
        Err(_) => value_error(format!("{text} is no integer")),
    }
}
