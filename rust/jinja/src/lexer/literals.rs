//! Numbers, names and strings of the template language.

use super::syntax;
use super::token::Kind;
use crate::error::{unsupported, Result};
use num_bigint::BigInt;

/// A token and its length in bytes.
type Found = Option<(Kind, usize)>;

/// Python converts no longer texts to integers.
const LONGEST_INTEGER: usize = 4300;

pub fn number(text: &str, after_dot: bool, line: u32) -> Result<Found> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return match text.chars().next() {
            Some(c) if !c.is_ascii() && c.is_numeric() => unsupported("a number in other than ASCII digits"),
            _ => Ok(None),
        };
    }
    if !after_dot {
        if let Some(length) = float_length(text) {
            let value = text[..length].replace('_', "").parse().unwrap_or(f64::NAN);
            return Ok(Some((Kind::Float(value), length)));
        }
    }
    integer(text, line).map(Some)
}

/// The length of the digits that a text begins with, single underscores between them.
fn digits(text: &str, is_digit: impl Fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes();
    let digit_at = |at: usize| bytes.get(at).is_some_and(|&b| is_digit(b));
    let mut length = 0;
    loop {
        if digit_at(length) {
            length += 1;
        } else if length > 0 && bytes.get(length) == Some(&b'_') && digit_at(length + 1) {
            length += 2;
        } else {
            return length;
        }
    }
}

fn float_length(text: &str) -> Option<usize> {
    let decimal = |text: &str| digits(text, |b| b.is_ascii_digit());
    let whole = decimal(text);
    let fraction = match text[whole..].strip_prefix('.').map(decimal) {
        None | Some(0) => 0,
        Some(length) => length + 1,
    };
    let exponent = exponent_length(&text[whole + fraction..]);
    (fraction + exponent > 0).then_some(whole + fraction + exponent)
}

fn exponent_length(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(['e', 'E']) else { return 0 };
    let sign = rest.starts_with(['+', '-']) as usize;
    match digits(&rest[sign..], |b| b.is_ascii_digit()) {
        0 => 0,
        length => 1 + sign + length,
    }
}

fn integer(text: &str, line: u32) -> Result<(Kind, usize)> {
    let (prefix, radix, length) = integer_parts(text);
    let digits: String = text[prefix..prefix + length].replace('_', "");
    if radix == 10 && digits.len() > LONGEST_INTEGER {
        return Err(syntax("Exceeds the limit (4300 digits) for integer string conversion", line));
    }
    let value = BigInt::parse_bytes(digits.as_bytes(), radix).unwrap_or_default();
    match text[prefix + length..].chars().next() {
        Some(c) if !c.is_ascii() && c.is_numeric() => unsupported("a number in other than ASCII digits"),
        _ => Ok((Kind::Integer(value), prefix + length)),
    }
}

/// The length of the prefix, the radix, and the length of the digits.
fn integer_parts(text: &str) -> (usize, u32, usize) {
    let prefixed = |radix: u32| match text[2..].strip_prefix('_') {
        Some(rest) => 1 + digits(rest, |b| (b as char).is_digit(radix)),
        None => digits(&text[2..], |b| (b as char).is_digit(radix)),
    };
    let radix = match text.as_bytes() {
        [b'0', b'b' | b'B', ..] => 2,
        [b'0', b'o' | b'O', ..] => 8,
        [b'0', b'x' | b'X', ..] => 16,
        _ => 10,
    };
    if radix != 10 {
        let length = prefixed(radix);
        if length > text[2..].starts_with('_') as usize {
            return (2, radix, length);
        }
    }
    match text.starts_with('0') {
        true => (0, 10, digits(text, |b| b == b'0')),
        false => (0, 10, digits(text, |b| b.is_ascii_digit())),
    }
}

pub fn name(text: &str, line: u32) -> Result<Found> {
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    if end == 0 {
        return Ok(None);
    }
    let name = &text[..end];
    if let Some(odd) = name.chars().find(|&c| !c.is_ascii() && !is_plain_letter(c)) {
        return unsupported(format!("line {line}: the name '{name}' has the unusual character '{odd}'"));
    }
    Ok(Some((Kind::Name(name.into()), end)))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric() || (!c.is_ascii() && is_mark(c))
}

/// Marks that may go on a name without being letters; names with them are refused.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{200c}'..='\u{200d}' | '\u{203f}'..='\u{2040}')
}

/// Letters that Python takes in names, and that have one spelling only.
fn is_plain_letter(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{ff}'
        | '\u{391}'..='\u{3a1}' | '\u{3a3}'..='\u{3c9}' | '\u{400}'..='\u{45f}'
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}'
        | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
}

pub fn string(text: &str, line: u32) -> Result<Found> {
    let quote = match text.as_bytes().first() {
        Some(&quote @ (b'\'' | b'"')) => quote,
        _ => return Ok(None),
    };
    let mut escaped = false;
    for (at, &byte) in text.as_bytes().iter().enumerate().skip(1) {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == quote {
            return Ok(Some((Kind::Str(unescape(&text[1..at], line)?), at + 1)));
        }
    }
    Ok(None)
}

/// text.encode("ascii", "backslashreplace").decode("unicode-escape")
fn unescape(text: &str, line: u32) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = escape(&rest[at + 1..], line, &mut out)?;
    }
    out.push_str(rest);
    Ok(out)
}

/// Decodes the escape behind a backslash; gives what follows it.
fn escape<'a>(text: &'a str, line: u32, out: &mut String) -> Result<&'a str> {
    let Some(c) = text.chars().next() else {
        return Err(syntax("\\ at end of string", line));
    };
    let rest = &text[c.len_utf8()..];
    match c {
        '\n' => {}
        '\\' | '\'' | '"' => out.push(c),
        'a' => out.push('\x07'),
        'b' => out.push('\x08'),
        'f' => out.push('\x0c'),
        'n' => out.push('\n'),
        'r' => out.push('\r'),
        't' => out.push('\t'),
        'v' => out.push('\x0b'),
        '0'..='7' => return octal(text, out),
        'x' => return hexadecimal(rest, 2, "truncated \\xXX escape", line, out),
        'u' => return hexadecimal(rest, 4, "truncated \\uXXXX escape", line, out),
        'U' => return hexadecimal(rest, 8, "truncated \\UXXXXXXXX escape", line, out),
        'N' => return unsupported("the escape \\N{…} in a string"),
        _ if c.is_ascii() => out.extend(['\\', c]),
        // The character was written as an escape before the backslash was read, and that backslash
        // now escapes the escape's own.
        _ => match c as u32 {
            code @ 0..=0xff => out.push_str(&format!("\\x{code:02x}")),
            code @ 0..=0xffff => out.push_str(&format!("\\u{code:04x}")),
            code => out.push_str(&format!("\\U{code:08x}")),
        },
    }
    Ok(rest)
}

fn octal<'a>(text: &'a str, out: &mut String) -> Result<&'a str> {
    let length = text.bytes().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
    let code = u32::from_str_radix(&text[..length], 8).unwrap_or(0);
    out.extend(char::from_u32(code));
    Ok(&text[length..])
}

fn hexadecimal<'a>(
    text: &'a str,
    length: usize,
    short: &str,
    line: u32,
    out: &mut String,
) -> Result<&'a str> {
    if text.bytes().take(length).filter(u8::is_ascii_hexdigit).count() < length {
        return Err(syntax(short, line));
    }
    let code = u32::from_str_radix(&text[..length], 16).unwrap_or(u32::MAX);
    match char::from_u32(code) {
        Some(c) => out.push(c),
        None if code > 0x10ffff => return Err(syntax("illegal Unicode character", line)),
        None => return unsupported("half of a surrogate pair in a string"),
    }
    Ok(&text[length..])
}
