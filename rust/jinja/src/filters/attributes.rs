//! Attribute paths ("address.city", 0, "name,age"), and the filter attr.

use super::arguments::bind;
use crate::access::{self, undefined_error};
use crate::error::{type_error, unsupported, Result};
use crate::methods;
use crate::repr::str_repr;
use crate::runtime::Runtime;
use crate::value::{Args, Value};

/// make_attrgetter: what of an item is looked at.
#[derive(Clone)]
pub struct Path {
    parts: Vec<Value>,
    default: Option<Value>,
    lower: bool,
}

impl Path {
    /// `attribute` is a text of parts with dots between, another key, or None for the item itself.
    pub fn new(attribute: &Value, lower: bool) -> Result<Path> {
        let parts = match attribute {
            Value::None => Vec::new(),
            Value::Str(text) | Value::Markup(text) => text.split('.').map(part).collect::<Result<_>>()?,
            other => vec![other.clone()],
        };
        Ok(Path { parts, default: None, lower })
    }

    /// With what stands for each part that is not there.
    pub fn or(mut self, default: Option<Value>) -> Path {
        self.default = default.filter(|default| !default.is_none());
        self
    }

    pub fn of(&self, rt: &Runtime, item: &Value) -> Result<Value> {
        let mut found = item.clone();
        for part in &self.parts {
            found = access::item(rt, &found, part)?;
            if let (true, Some(default)) = (found.is_undefined(), &self.default) {
                found = default.clone();
            }
        }
        if self.lower {
            ignore_case(rt, found)
        } else {
            Ok(found)
        }
    }
}

fn part(text: &str) -> Result<Value> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.parse() {
            Ok(number) => Ok(Value::Int(number)),
            Err(_) => unsupported("a number in an attribute's path is beyond 64 bits"),
        };
    }
    if !text.is_ascii() && text.chars().all(char::is_numeric) {
        return unsupported("an attribute's path has a number in digits that are not ASCII");
    }
    Ok(Value::str(text))
}

/// Texts in lowercase, everything else as it is.
pub fn ignore_case(rt: &Runtime, value: Value) -> Result<Value> {
    match &value {
        Value::Str(text) if text.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase()) => Ok(value),
        Value::Str(_) | Value::Markup(_) => access::call_method(rt, &value, "lower", Args::default()),
        _ => Ok(value),
    }
}

/// make_multi_attrgetter: paths with commas between, whose values are one list to compare.
pub struct Paths(Vec<Path>);

impl Paths {
    pub fn new(attribute: &Value, lower: bool) -> Result<Paths> {
        let paths = match attribute.as_str() {
            Some(text) => text.split(',').map(|path| Path::new(&Value::str(path), lower)).collect(),
            None => Path::new(attribute, lower).map(|path| vec![path]),
        };
        Ok(Paths(paths?))
    }

    pub fn of(&self, rt: &Runtime, item: &Value) -> Result<Value> {
        let values = self.0.iter().map(|path| path.of(rt, item));
        Ok(Value::list(values.collect::<Result<_>>()?))
    }
}

/// `value|attr(name)`: an attribute, without jinja2's fallback to an item.
pub fn attr(rt: &Runtime, args: Args) -> Result<Value> {
    let ([object, name], []) = bind("do_attr", ["obj", "name"], [], args)?;
    let Some(text) = name.as_str() else {
        return type_error(format!("attribute name must be string, not '{}'", name.type_name()));
    };
    match &object {
        // Undefined has no attributes, but its class has special ones.
        Value::Undefined(message) if !(text.starts_with("__") && text.ends_with("__")) => {
            return Err(undefined_error(message))
        }
        Value::Dict(_) if !methods::has(&object, text) => {
            return Ok(Value::undefined(format!("'dict object' has no attribute {}", str_repr(text))));
        }
        _ => {}
    }
    access::attribute(rt, &object, text)
}
