//! Calls, and the methods of built-in types as values.

use super::{attribute, undefined_error, unsafe_undefined};
use crate::error::{type_error, Result};
use crate::{methods, runtime::Runtime, value::Args, value::Object, value::Value};
use std::rc::Rc;

/// A method with the value it is of.
struct BoundMethod {
    value: Value,
    name: Rc<str>,
}

pub fn bound(value: &Value, name: &str) -> Value {
    Value::Object(Rc::new(BoundMethod { value: value.clone(), name: name.into() }))
}

impl Object for BoundMethod {
    fn type_name(&self) -> &str {
        match &*self.name {
            // The sandbox replaces these by functions of its own.
            "format" | "format_map" => "function",
            _ if matches!(self.value, Value::Markup(_)) => "method",
            _ => "builtin_function_or_method",
        }
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, rt: &Runtime, args: Args) -> Result<Value> {
        let called = methods::call(rt, &self.value, &self.name, args);
        called.unwrap_or_else(|| type_error(format!("there is no method '{}'", self.name)))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// callable(value)
pub fn is_callable(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.callable(),
        // jinja2.Undefined has a __call__, which raises its error.
        Value::Undefined(_) => true,
        _ => false,
    }
}

/// value(*args), with the sandbox's checks.
pub fn call(rt: &Runtime, value: &Value, args: Args) -> Result<Value> {
    match value {
        Value::Object(object) => object.call(rt, args),
        Value::Undefined(message) => Err(undefined_error(message)),
        _ => type_error(format!("'{}' object is not callable", value.type_name())),
    }
}

/// value.name(*args), as call(attribute(value, name), args) gives it, without making a bound method
/// where `value` is of a built-in type.
pub fn call_method(rt: &Runtime, value: &Value, name: &str, args: Args) -> Result<Value> {
    if matches!(value, Value::Object(_) | Value::Undefined(_)) || !methods::has(value, name) {
        return call(rt, &attribute(rt, value, name)?, args);
    }
    if methods::changes(value, name) {
        return call(rt, &unsafe_undefined(value, name), args);
    }
    let called = methods::call(rt, value, name, args);
    called.unwrap_or_else(|| type_error(format!("there is no method '{name}'")))
}
