//! int() and float() of a text.

use super::words::is_space;
use crate::error::{value_error, Result};
use crate::methods::unicode::decimal;
use crate::operations::integer;
use crate::repr::str_repr;
use crate::value::Value;
use num_bigint::{BigInt, Sign};
use std::borrow::Cow;

/// Digits of an integer that Python still reads, unless their base is a power of two.
const DIGITS: usize = 4300;

/// The text without the spaces around it, and with the digits of every script as ASCII has them.
fn plain(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(is_space);
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let digit = |c: char| decimal(c).and_then(|digit| char::from_digit(digit, 10));
    Cow::Owned(text.chars().map(|c| digit(c).unwrap_or(c)).collect())
}

/// int(text, base)
pub fn read_int(text: &str, base: i64) -> Result<Value> {
    let invalid = || value_error(format!("invalid literal for int() with base {base}: {}", str_repr(text)));
    if base != 0 && !(2..=36).contains(&base) {
        return value_error("int() base must be >= 2 and <= 36, or 0");
    }
    let plain = plain(text);
    let (sign, unsigned) = match plain.strip_prefix('-') {
        Some(rest) => (Sign::Minus, rest),
        None => (Sign::Plus, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let (radix, digits, prefixed) = match (prefix(unsigned), base) {
        (Some(radix), 0) => (radix, &unsigned[2..], true),
        (Some(radix), base) if i64::from(radix) == base => (radix, &unsigned[2..], true),
        (_, 0) => (10, unsigned, false),
        (_, base) => (base as u32, unsigned, false),
    };
    let Some(digits) = without_underscores(digits, prefixed) else { return invalid() };
    if base == 0 && !prefixed && digits.starts_with('0') && digits.bytes().any(|b| b != b'0') {
        return invalid();
    }
    if digits.len() > DIGITS && !radix.is_power_of_two() {
        return value_error(format!("Exceeds the limit ({DIGITS} digits) for integer string conversion"));
    }
    match BigInt::parse_bytes(digits.as_bytes(), radix) {
        Some(big) if !digits.starts_with(['+', '-']) => {
            Ok(integer(if sign == Sign::Minus { -big } else { big }))
        }
        _ => invalid(),
    }
}

/// The base of a literal's prefix.
fn prefix(text: &str) -> Option<u32> {
    match text.as_bytes().get(..2)? {
        b"0x" | b"0X" => Some(16),
        b"0o" | b"0O" => Some(8),
        b"0b" | b"0B" => Some(2),
        _ => None,
    }
}

/// The digits without single underscores between them, one of which may follow a prefix.
fn without_underscores(digits: &str, prefixed: bool) -> Option<String> {
    let digits = if prefixed { digits.strip_prefix('_').unwrap_or(digits) } else { digits };
    let wrong =
        digits.is_empty() || digits.starts_with('_') || digits.ends_with('_') || digits.contains("__");
    (!wrong).then(|| digits.replace('_', ""))
}

/// float(text)
pub fn read_float(text: &str) -> Result<f64> {
    let number = plain(text);
    let bytes = number.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let mut underscores = number.match_indices('_').map(|(at, _)| at);
    let separated = underscores.all(|at| digit(at.checked_sub(1)) && digit(Some(at + 1)));
    match number.replace('_', "").parse() {
        Ok(parsed) if separated => Ok(parsed),
        _ => value_error(format!("could not convert string to float: {}", str_repr(text))),
    }
}
