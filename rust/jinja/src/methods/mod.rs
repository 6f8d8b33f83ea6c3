//! The methods of the built-in types.

mod arguments;
mod case;
mod containers;
pub mod markup;
mod numbers;
mod search;
mod split;
mod tables;
mod text;
mod translate;
pub mod unicode;
pub mod views;

pub use arguments::bound;

use crate::error::Result;
use crate::{runtime::Runtime, value::Args, value::Value};

/// Whether type(value) has a method of this name.
pub fn has(value: &Value, name: &str) -> bool {
    match value {
        Value::Str(_) => text::has(name),
        Value::Markup(_) => text::has(name) || matches!(name, "escape" | "striptags" | "unescape"),
        Value::List(_) => matches!(name, "copy" | "count" | "index") || changes(value, name),
        Value::Tuple(_) => matches!(name, "count" | "index"),
        Value::Dict(_) => {
            matches!(name, "copy" | "fromkeys" | "get" | "items" | "keys" | "values") || changes(value, name)
        }
        Value::Bool(_) | Value::Int(_) | Value::Big(_) => matches!(
            name,
            "as_integer_ratio" | "bit_count" | "bit_length" | "conjugate" | "from_bytes" | "to_bytes"
        ),
        Value::Float(_) => {
            matches!(name, "as_integer_ratio" | "conjugate" | "fromhex" | "hex" | "is_integer")
        }
        Value::Undefined(_) | Value::None | Value::Object(_) => false,
    }
}

/// Whether the method would change the list or dict, which the sandbox forbids.
pub fn changes(value: &Value, name: &str) -> bool {
    match value {
        Value::List(_) => {
            matches!(name, "append" | "clear" | "pop" | "reverse" | "insert" | "sort" | "extend" | "remove")
        }
        Value::Dict(_) => matches!(name, "clear" | "pop" | "popitem" | "setdefault" | "update"),
        _ => false,
    }
}

/// type(value).name(value, *args); None if there is no such method.
pub fn call(rt: &Runtime, value: &Value, name: &str, args: Args) -> Option<Result<Value>> {
    match value {
        Value::Str(text) => text::call(rt, text, name, &args),
        Value::Markup(text) => markup::call(rt, text, name, args),
        Value::List(items) | Value::Tuple(items) => containers::sequence(rt, value, items, name, &args),
        Value::Dict(dict) => containers::mapping(rt, dict, name, &args),
        Value::Bool(_) | Value::Int(_) | Value::Big(_) => numbers::integer(value, name, &args),
        Value::Float(number) => numbers::float(*number, name, &args),
        Value::Undefined(_) | Value::None | Value::Object(_) => None,
    }
}

/// value.name where that is a number: real, imag, numerator, denominator.
pub fn property(value: &Value, name: &str) -> Option<Value> {
    match (value, name) {
        (Value::Bool(b), "real" | "numerator") => Some(Value::Int(*b as i64)),
        (Value::Int(_) | Value::Big(_), "real" | "numerator") => Some(value.clone()),
        (Value::Bool(_) | Value::Int(_) | Value::Big(_), "imag") => Some(Value::Int(0)),
        (Value::Bool(_) | Value::Int(_) | Value::Big(_), "denominator") => Some(Value::Int(1)),
        (Value::Float(_), "real") => Some(value.clone()),
        (Value::Float(_), "imag") => Some(Value::Float(0.0)),
        _ => None,
    }
}
