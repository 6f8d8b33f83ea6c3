//! urlencode.

use super::arguments::bind;
use crate::access;
use crate::error::{type_error, value_error, Result};
use crate::repr::str_of;
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::fmt::Write;

pub fn urlencode(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_urlencode", ["value"], [], args)?;
    if value.as_str().is_some() || !access::is_iterable(&value) {
        return Ok(Value::str(quoted(&str_of(rt, &value)?, false)));
    }
    let mut fields = Vec::new();
    if let Value::Dict(entries) = &value {
        for (key, value) in entries.iter() {
            fields.push(field(rt, key, value)?);
        }
    } else {
        let pairs = access::iterate(rt, &value)?;
        while let Some(pair) = pairs.next(rt) {
            let [key, value] = unpacked(rt, &pair?)?;
            fields.push(field(rt, &key, &value)?);
        }
    }
    Ok(Value::str(fields.join("&")))
}

/// `key, value = pair`
fn unpacked(rt: &Runtime, pair: &Value) -> Result<[Value; 2]> {
    if !access::is_iterable(pair) {
        return type_error(format!("cannot unpack non-iterable {} object", pair.type_name()));
    }
    let iterator = access::iterate(rt, pair)?;
    let items = std::iter::from_fn(|| iterator.next(rt)).take(3).collect::<Result<Vec<_>>>()?;
    items.try_into().or_else(|items: Vec<Value>| match items.len() {
        3 => value_error("too many values to unpack (expected 2)"),
        count => value_error(format!("not enough values to unpack (expected 2, got {count})")),
    })
}

fn field(rt: &Runtime, key: &Value, value: &Value) -> Result<String> {
    Ok(format!("{}={}", quoted(&str_of(rt, key)?, true), quoted(&str_of(rt, value)?, true)))
}

/// A text in the bytes that a URL may have; in a query, "/" is quoted and a space is a plus.
fn quoted(text: &str, query: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => out.push(byte as char),
            b'/' if !query => out.push('/'),
            b' ' if query => out.push('+'),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
