//! str() and repr().

use crate::error::{value_error, Error, Kind, Result};
use crate::methods::unicode;
use crate::{dict::Dict, runtime::Runtime, value::Value};
use num_bigint::BigInt;
use std::borrow::Cow;
use std::fmt::Write;

/// How deep values within values are written; Python's own limit is near.
const DEPTH: u32 = 900;
/// sys.get_int_max_str_digits()
const MAX_DIGITS: usize = 4300;

/// str(value); of undefined, nothing.
pub fn str_of<'a>(rt: &Runtime, value: &'a Value) -> Result<Cow<'a, str>> {
    Ok(match value {
        Value::Str(text) | Value::Markup(text) => Cow::Borrowed(text),
        Value::Undefined(_) => Cow::Borrowed(""),
        Value::None => Cow::Borrowed("None"),
        Value::Bool(b) => Cow::Borrowed(if *b { "True" } else { "False" }),
        _ => Cow::Owned(repr(rt, value)?),
    })
}

pub fn repr(rt: &Runtime, value: &Value) -> Result<String> {
    let mut out = String::new();
    write_repr(rt, &mut out, value, 0)?;
    rt.step(out.len() as u64 / 64)?;
    Ok(out)
}

fn write_repr(rt: &Runtime, out: &mut String, value: &Value, depth: u32) -> Result<()> {
    match value {
        Value::Undefined(_) => out.push_str("Undefined"),
        Value::None => out.push_str("None"),
        Value::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
        Value::Int(i) => push(out, format_args!("{i}")),
        Value::Big(big) => out.push_str(&big_digits(big)?),
        Value::Float(f) => out.push_str(&float_repr(*f)),
        Value::Str(text) => write_str(out, text),
        Value::Markup(text) => {
            out.push_str("Markup(");
            write_str(out, text);
            out.push(')');
        }
        Value::List(items) => return write_items(rt, out, ('[', "]"), items, depth),
        Value::Tuple(items) if items.len() == 1 => return write_items(rt, out, ('(', ",)"), items, depth),
        Value::Tuple(items) => return write_items(rt, out, ('(', ")"), items, depth),
        Value::Dict(dict) => return write_dict(rt, out, dict, depth),
        Value::Object(object) => out.push_str(&rt.deeper(|| object.repr(rt))?),
    }
    Ok(())
}

fn push(out: &mut String, text: std::fmt::Arguments) {
    // Writing to a String does not fail.
    let _ = out.write_fmt(text);
}

fn deeper(depth: u32) -> Result<u32> {
    match depth < DEPTH {
        true => Ok(depth + 1),
        false => {
            let message = "maximum recursion depth exceeded while getting the repr of an object";
            Err(Error::new(Kind::Recursion, message))
        }
    }
}

fn write_items(
    rt: &Runtime,
    out: &mut String,
    (open, close): (char, &str),
    items: &[Value],
    depth: u32,
) -> Result<()> {
    let depth = deeper(depth)?;
    rt.step(items.len() as u64)?;
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_repr(rt, out, item, depth)?;
    }
    out.push_str(close);
    Ok(())
}

fn write_dict(rt: &Runtime, out: &mut String, dict: &Dict, depth: u32) -> Result<()> {
    let depth = deeper(depth)?;
    rt.step(dict.len() as u64)?;
    out.push('{');
    for (at, (key, value)) in dict.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write_repr(rt, out, key, depth)?;
        out.push_str(": ");
        write_repr(rt, out, value, depth)?;
    }
    out.push('}');
    Ok(())
}

/// The digits of an integer; Python refuses to write very long ones.
pub fn big_digits(big: &BigInt) -> Result<String> {
    // 4300 digits take 14285 bits.
    if big.bits() < 14_400 {
        let digits = big.to_string();
        if digits.trim_start_matches('-').len() <= MAX_DIGITS {
            return Ok(digits);
        }
    }
    value_error(
        "Exceeds the limit (4300 digits) for integer string conversion; \
         use sys.set_int_max_str_digits() to increase the limit",
    )
}

pub fn float_repr(number: f64) -> String {
    crate::format::floats::shortest(number, true)
}

pub fn str_repr(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_str(&mut out, text);
    out
}

fn write_str(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.reserve(text.len() + 2);
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            _ if c == quote => out.extend(['\\', c]),
            _ if unicode::is_printable(c) => out.push(c),
            _ => push_escape(out, c),
        }
    }
    out.push(quote);
}

fn push_escape(out: &mut String, c: char) {
    match c as u32 {
        u @ 0..=0xff => push(out, format_args!("\\x{u:02x}")),
        u @ 0x100..=0xffff => push(out, format_args!("\\u{u:04x}")),
        u => push(out, format_args!("\\U{u:08x}")),
    }
}

/// ascii(value)
pub fn ascii(rt: &Runtime, value: &Value) -> Result<String> {
    let text = repr(rt, value)?;
    if text.is_ascii() {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => push_escape(&mut out, c),
        }
    }
    Ok(out)
}
