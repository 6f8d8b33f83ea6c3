//! Attributes, items, slices, iteration and calls, as jinja2's sandboxed environment does them.

mod calls;
mod iteration;
mod names;
mod slicing;

pub use calls::{call, call_method, is_callable};
pub use iteration::{collect, generator, is_iterable, iterate, iterator_value, length};
pub use slicing::slice;

use crate::error::{type_error, Error, Kind, Result};
use crate::repr::{repr, str_repr};
use crate::{methods, runtime::Runtime, value::Value};

const UNSAFE: &str = " object is unsafe.";

/// The error of using an undefined value: UndefinedError, or SecurityError where the sandbox made it.
pub fn undefined_error(message: &str) -> Error {
    match message.starts_with("access to attribute ") && message.ends_with(UNSAFE) {
        true => Error::new(Kind::Security, message),
        false => Error::new(Kind::Undefined, message),
    }
}

/// `value.name` of a template: environment.getattr of the sandbox (attribute, then item, then
/// undefined).
pub fn attribute(rt: &Runtime, value: &Value, name: &str) -> Result<Value> {
    if let Some(found) = own(rt, value, name)? {
        return Ok(found);
    }
    let found = match value {
        Value::Dict(dict) => dict.get_str(name).cloned(),
        Value::Object(_) => unless_missing(subscript(rt, value, &Value::str(name)))?,
        _ => None,
    };
    Ok(found.unwrap_or_else(|| missing_attribute(value, &str_repr(name))))
}

/// `value[key]` of a template: environment.getitem of the sandbox (item, then attribute, then
/// undefined).
pub fn item(rt: &Runtime, value: &Value, key: &Value) -> Result<Value> {
    match (value, key) {
        (Value::Dict(dict), Value::Str(name)) => {
            if let Some(found) = dict.get_str(name) {
                return Ok(found.clone());
            }
        }
        // What a text cannot subscript need not be asked.
        (Value::List(_) | Value::Tuple(_) | Value::Str(_), Value::Str(_)) => {}
        _ => {
            if let Some(found) = unless_missing(subscript(rt, value, key))? {
                return Ok(found);
            }
        }
    }
    match key.as_str() {
        Some(name) => match own(rt, value, name)? {
            Some(found) => Ok(found),
            None => Ok(missing_attribute(value, &shown(rt, key))),
        },
        None => Ok(missing_element(value, &shown(rt, key))),
    }
}

/// getattr(value, name), checked by the sandbox.
fn own(rt: &Runtime, value: &Value, name: &str) -> Result<Option<Value>> {
    if name.starts_with('_') {
        return private(rt, value, name);
    }
    match value {
        Value::Object(object) => object.attribute(rt, name),
        Value::Undefined(message) => Err(undefined_error(message)),
        _ if methods::has(value, name) => Ok(Some(match methods::changes(value, name) {
            true => unsafe_undefined(value, name),
            false => calls::bound(value, name),
        })),
        _ => Ok(methods::property(value, name)),
    }
}

/// A name that begins with an underscore is unsafe where there is such an attribute.
fn private(rt: &Runtime, value: &Value, name: &str) -> Result<Option<Value>> {
    let there = match value {
        Value::Object(object) => names::of_all(name) || object.attribute(rt, name)?.is_some(),
        Value::Undefined(message) => match names::is_special(name) || name.starts_with("_undefined_") {
            true => names::of_undefined(name),
            false => return Err(undefined_error(message)),
        },
        _ => names::of_all(name) || names::of_type(value, name),
    };
    if let (Value::Undefined(message), false) = (value, there) {
        // The item is asked for next, and that fails.
        return Err(undefined_error(message));
    }
    Ok(there.then(|| unsafe_undefined(value, name)))
}

fn unsafe_undefined(value: &Value, name: &str) -> Value {
    let (name, kind) = (str_repr(name), value.type_name());
    Value::undefined(format!("access to attribute {name} of '{kind}'{UNSAFE}"))
}

/// jinja2.utils.object_type_repr
fn described(value: &Value) -> String {
    match value {
        Value::None => "None".to_string(),
        Value::Markup(_) => "markupsafe.Markup object".to_string(),
        Value::Object(object) => match object.type_name() {
            name @ ("Namespace" | "Cycler" | "Joiner") => format!("jinja2.utils.{name} object"),
            name @ ("LoopContext" | "Macro" | "BlockReference" | "TemplateReference") => {
                format!("jinja2.runtime.{name} object")
            }
            name => format!("{name} object"),
        },
        other => format!("{} object", other.type_name()),
    }
}

/// What a message shows of a key, where Python shows an address too.
fn shown(rt: &Runtime, key: &Value) -> String {
    repr(rt, key).unwrap_or_else(|_| format!("<{} object>", key.type_name()))
}

fn missing_attribute(value: &Value, name: &str) -> Value {
    Value::undefined(format!("'{}' has no attribute {name}", described(value)))
}

fn missing_element(value: &Value, key: &str) -> Value {
    Value::undefined(format!("{} has no element {key}", described(value)))
}

/// None for the errors that jinja2 takes as "there is no such item": TypeError and LookupError.
fn unless_missing(result: Result<Value>) -> Result<Option<Value>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind, Kind::Type | Kind::Index | Kind::Key) => Ok(None),
        Err(error) => Err(error),
    }
}

/// value[key] of Python.
pub fn subscript(rt: &Runtime, value: &Value, key: &Value) -> Result<Value> {
    match value {
        Value::Dict(dict) => match dict.get(key)? {
            Some(found) => Ok(found.clone()),
            None => Err(Error::new(Kind::Key, repr(rt, key).unwrap_or_default())),
        },
        Value::List(items) => at(items, key, "list"),
        Value::Tuple(items) => at(items, key, "tuple"),
        Value::Str(text) => character(text, key).map(Value::str),
        Value::Markup(text) => character(text, key).map(|c| Value::Markup(c.into())),
        Value::Undefined(message) => Err(undefined_error(message)),
        Value::Object(object) => match object.item(rt, key)? {
            Some(found) => Ok(found),
            None => Err(Error::new(Kind::Key, repr(rt, key).unwrap_or_default())),
        },
        _ => not_subscriptable(value),
    }
}

fn not_subscriptable<T>(value: &Value) -> Result<T> {
    type_error(format!("'{}' object is not subscriptable", value.type_name()))
}

/// An index as Python takes it; None where it is not one.
fn index(key: &Value) -> Option<i64> {
    match key {
        Value::Int(i) => Some(*i),
        Value::Bool(b) => Some(*b as i64),
        // Beyond every end.
        Value::Big(_) => Some(i64::MAX),
        _ => None,
    }
}

fn at(items: &[Value], key: &Value, kind: &str) -> Result<Value> {
    let Some(index) = index(key) else {
        let found = key.type_name();
        return type_error(format!("{kind} indices must be integers or slices, not {found}"));
    };
    let place = match index {
        0.. => Some(index as usize),
        _ => items.len().checked_sub(index.unsigned_abs() as usize),
    };
    match place.and_then(|place| items.get(place)) {
        Some(found) => Ok(found.clone()),
        None => Err(Error::new(Kind::Index, format!("{kind} index out of range"))),
    }
}

fn character(text: &str, key: &Value) -> Result<String> {
    let Some(index) = index(key) else {
        return type_error(format!("string indices must be integers, not '{}'", key.type_name()));
    };
    let found = match index {
        0.. => text.chars().nth(index as usize),
        _ => text.chars().rev().nth((index.unsigned_abs() - 1) as usize),
    };
    match found {
        Some(c) => Ok(c.to_string()),
        None => Err(Error::new(Kind::Index, "string index out of range")),
    }
}
