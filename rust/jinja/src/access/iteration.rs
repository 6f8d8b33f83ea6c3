//! iter(), len() and list().

use crate::error::{type_error, unsupported, Result};
use crate::methods::views;
use crate::operations::MAX_ITEMS;
use crate::{runtime::Runtime, value::Iterate, value::Object, value::Value};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

struct Items {
    items: Rc<Vec<Value>>,
    at: Cell<usize>,
}

impl Iterate for Items {
    fn next(&self, _rt: &Runtime) -> Option<Result<Value>> {
        let item = self.items.get(self.at.get())?.clone();
        self.at.set(self.at.get() + 1);
        Some(Ok(item))
    }
    fn left(&self) -> Option<usize> {
        Some(self.items.len().saturating_sub(self.at.get()))
    }
}

struct Characters {
    text: Arc<str>,
    /// In bytes.
    at: Cell<usize>,
}

impl Iterate for Characters {
    fn next(&self, _rt: &Runtime) -> Option<Result<Value>> {
        let rest = &self.text[self.at.get()..];
        let c = rest.chars().next()?;
        self.at.set(self.at.get() + c.len_utf8());
        Some(Ok(Value::str(&rest[..c.len_utf8()])))
    }
    fn left(&self) -> Option<usize> {
        Some(self.text[self.at.get()..].chars().count())
    }
}

/// What iterating over undefined gives; jinja2's is a generator, which tells of no length.
struct Nothing;

impl Iterate for Nothing {
    fn next(&self, _rt: &Runtime) -> Option<Result<Value>> {
        None
    }
}

/// iter(value)
pub fn iterate(rt: &Runtime, value: &Value) -> Result<Rc<dyn Iterate>> {
    Ok(match value {
        Value::List(items) | Value::Tuple(items) => Rc::new(Items { items: items.clone(), at: Cell::new(0) }),
        Value::Str(text) | Value::Markup(text) => {
            Rc::new(Characters { text: text.clone(), at: Cell::new(0) })
        }
        Value::Dict(dict) => views::iterate_keys(dict),
        Value::Undefined(_) => Rc::new(Nothing),
        Value::Object(object) => match object.clone().iterator(rt)? {
            Some(iterator) => iterator,
            None => return not_iterable(value),
        },
        _ => return not_iterable(value),
    })
}

fn not_iterable<T>(value: &Value) -> Result<T> {
    type_error(format!("'{}' object is not iterable", value.type_name()))
}

/// Whether iter(value) is no TypeError; asking an object is no work before its first item.
pub fn is_iterable(value: &Value) -> bool {
    match value {
        Value::None | Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_) => false,
        Value::Object(object) => {
            object.clone().iterator(&Runtime::new(None)).is_ok_and(|iterator| iterator.is_some())
        }
        _ => true,
    }
}

/// list(value), as a Vec.
pub fn collect(rt: &Runtime, value: &Value) -> Result<Vec<Value>> {
    if let Value::List(items) | Value::Tuple(items) = value {
        rt.step(items.len() as u64 / 4)?;
        return Ok(items.to_vec());
    }
    let iterator = iterate(rt, value)?;
    let mut items = Vec::with_capacity(iterator.left().unwrap_or(0).min(MAX_ITEMS));
    while let Some(item) = iterator.next(rt) {
        rt.step(1)?;
        if items.len() >= MAX_ITEMS {
            return unsupported("the template makes a list that is too long");
        }
        items.push(item?);
    }
    Ok(items)
}

/// len(value)
pub fn length(_rt: &Runtime, value: &Value) -> Result<usize> {
    let length = match value {
        Value::Undefined(_) => Some(0),
        Value::Str(text) | Value::Markup(text) => Some(text.chars().count()),
        Value::List(items) | Value::Tuple(items) => Some(items.len()),
        Value::Dict(dict) => Some(dict.len()),
        Value::Object(object) => object.length(),
        _ => None,
    };
    match length {
        Some(length) => Ok(length),
        None => type_error(format!("object of type '{}' has no len()", value.type_name())),
    }
}

type Next = Box<dyn Fn(&Runtime) -> Option<Result<Value>>>;

/// A Python generator: it ends with its first error.
struct Generator {
    next: Next,
    ended: Cell<bool>,
}

impl Iterate for Generator {
    fn next(&self, rt: &Runtime) -> Option<Result<Value>> {
        if self.ended.get() {
            return None;
        }
        // A generator may go over another one, and that over another.
        let item = rt.deeper(|| Ok((self.next)(rt))).unwrap_or_else(|error| Some(Err(error)));
        self.ended.set(!matches!(item, Some(Ok(_))));
        item
    }
}

/// An iterator as a value.
struct IteratorValue {
    type_name: &'static str,
    iterator: Rc<dyn Iterate>,
}

impl Object for IteratorValue {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn attribute(&self, _rt: &Runtime, name: &str) -> Result<Option<Value>> {
        match name {
            "close" | "gi_code" | "gi_frame" | "gi_running" | "gi_suspended" | "gi_yieldfrom" | "send"
            | "throw"
                if self.type_name == "generator" =>
            {
                unsupported(format!("the template asks for {name} of a generator"))
            }
            _ => Ok(None),
        }
    }
    fn iterator(self: Rc<Self>, _rt: &Runtime) -> Result<Option<Rc<dyn Iterate>>> {
        Ok(Some(self.iterator.clone()))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A lazy generator over what `next` gives: `type_name` "generator"; refuses to be printed.
pub fn generator(next: Next) -> Value {
    iterator_value("generator", Rc::new(Generator { next, ended: Cell::new(false) }))
}

/// An iterator as a value that can be used once, such as the list_reverseiterator of reversed().
pub fn iterator_value(type_name: &'static str, iterator: Rc<dyn Iterate>) -> Value {
    Value::Object(Rc::new(IteratorValue { type_name, iterator }))
}
