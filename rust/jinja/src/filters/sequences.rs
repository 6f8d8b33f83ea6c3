//! Filters over sequences as a whole: their ends, their length, their sum.

use super::arguments::{bind, exactly};
use super::attributes::Path;
use super::lazy;
use crate::access::{self, iterator_value, undefined_error};
use crate::dict::Dict;
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::globals::Range;
use crate::operations::{binary, truth, Binary, MAX_TEXT};
use crate::repr::str_of;
use crate::runtime::Runtime;
use crate::tests::is_mapping;
use crate::value::{Args, Iterate, Value};
use std::cell::RefCell;
use std::rc::Rc;

pub fn length(rt: &Runtime, args: Args) -> Result<Value> {
    let [value] = exactly("len()", args)?;
    Ok(Value::Int(access::length(rt, &value)? as i64))
}

pub fn default(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [default, boolean]) = bind("do_default", ["value"], ["default_value", "boolean"], args)?;
    let any_false = boolean.is_some_and(|flag| truth(&flag));
    if value.is_undefined() || any_false && !truth(&value) {
        return Ok(default.unwrap_or_else(|| Value::str("")));
    }
    Ok(value)
}

pub fn list(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_list", ["value"], [], args)?;
    Ok(Value::list(access::collect(rt, &value)?))
}

pub fn first(rt: &Runtime, args: Args) -> Result<Value> {
    let ([sequence], []) = bind("do_first", ["seq"], [], args)?;
    if let Value::List(items) | Value::Tuple(items) = &sequence {
        return Ok(items.first().cloned().unwrap_or_else(|| none_of("first item")));
    }
    access::iterate(rt, &sequence)?.next(rt).unwrap_or_else(|| Ok(none_of("first item")))
}

fn none_of(what: &str) -> Value {
    Value::undefined(format!("No {what}, sequence was empty."))
}

pub fn last(rt: &Runtime, args: Args) -> Result<Value> {
    let ([sequence], []) = bind("do_last", ["seq"], [], args)?;
    if let Value::List(items) | Value::Tuple(items) = &sequence {
        return Ok(items.last().cloned().unwrap_or_else(|| none_of("last item")));
    }
    if !is_reversible(&sequence) {
        return type_error(format!("'{}' object is not reversible", sequence.type_name()));
    }
    let last = access::collect(rt, &sequence)?.pop().unwrap_or_else(|| none_of("last item"));
    match (&sequence, last) {
        // reversed() takes its items by their index, and those of markup are markup.
        (Value::Markup(_), Value::Str(c)) => Ok(Value::Markup(c)),
        (_, last) => Ok(last),
    }
}

/// Whether reversed(value) is no TypeError.
fn is_reversible(value: &Value) -> bool {
    match value {
        Value::Undefined(_) | Value::Str(_) | Value::Markup(_) => true,
        Value::List(_) | Value::Tuple(_) | Value::Dict(_) => true,
        Value::Object(object) => {
            let known = ["range", "dict_keys", "dict_values", "dict_items"];
            object.as_tuple().is_some() || known.contains(&object.type_name())
        }
        _ => false,
    }
}

pub fn reverse(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_reverse", ["value"], [], args)?;
    if let Some(text) = value.as_str() {
        let reversed = text.chars().rev().collect::<String>().into();
        return Ok(if matches!(value, Value::Markup(_)) {
            Value::Markup(reversed)
        } else {
            Value::Str(reversed)
        });
    }
    if let Value::Object(object) = &value {
        if let Some(range) = object.as_any().downcast_ref::<Range>() {
            return Ok(range.reversed());
        }
    }
    let mut items = match access::collect(rt, &value) {
        Err(error) if error.kind == Kind::Type => {
            return Err(Error::new(Kind::Runtime, "argument must be iterable"));
        }
        items => items?,
    };
    if is_reversible(&value) {
        return Ok(iterator_value(reversed_kind(&value), Rc::new(Reversed(RefCell::new(items)))));
    }
    items.reverse();
    Ok(Value::list(items))
}

fn reversed_kind(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "list_reverseiterator",
        Value::Dict(_) => "dict_reversekeyiterator",
        Value::Object(object) if object.as_tuple().is_none() => "dict_reverseiterator",
        _ => "reversed",
    }
}

/// The items that reversed() has left, with the next at the end.
struct Reversed(RefCell<Vec<Value>>);

impl Iterate for Reversed {
    fn next(&self, rt: &Runtime) -> Option<Result<Value>> {
        let item = self.0.borrow_mut().pop()?;
        Some(rt.step(1).map(|()| item))
    }
    fn left(&self) -> Option<usize> {
        Some(self.0.borrow().len())
    }
}

pub fn random(rt: &Runtime, args: Args) -> Result<Value> {
    let ([sequence], []) = bind("do_random", ["seq"], [], args)?;
    match (access::length(rt, &sequence)?, &sequence) {
        (0, _) => Ok(none_of("random item")),
        (1, Value::List(_) | Value::Tuple(_) | Value::Str(_) | Value::Markup(_)) => {
            access::item(rt, &sequence, &Value::Int(0))
        }
        _ => unsupported("the template asks for a random item"),
    }
}

pub fn join(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [separator, attribute]) = bind("do_join", ["value"], ["d", "attribute"], args)?;
    let separator = separator.unwrap_or_else(|| Value::str(""));
    let path = attribute.filter(|attribute| !attribute.is_none());
    let path = path.map(|attribute| Path::new(&attribute, false)).transpose()?;
    let separator = str_of(rt, &separator)?;
    let mut out = String::new();
    let mut begun = false;
    let mut add = |item: &Value| -> Result<()> {
        if std::mem::replace(&mut begun, true) {
            out.push_str(&separator);
        }
        let text = str_of(rt, item)?;
        rt.step((text.len() + separator.len()) as u64 / 64)?;
        if out.len() > MAX_TEXT {
            return unsupported("the template makes a text that is too long");
        }
        out.push_str(&text);
        Ok(())
    };
    let items = access::iterate(rt, &value)?;
    while let Some(item) = items.next(rt) {
        match &path {
            Some(path) => add(&path.of(rt, &item?)?)?,
            None => add(&item?)?,
        }
    }
    Ok(Value::str(out))
}

pub fn sum(rt: &Runtime, args: Args) -> Result<Value> {
    let ([iterable], [attribute, start]) = bind("do_sum", ["iterable"], ["attribute", "start"], args)?;
    let start = start.unwrap_or(Value::Int(0));
    if start.as_str().is_some() {
        return type_error("sum() can't sum strings [use ''.join(seq) instead]");
    }
    let path = Path::new(&attribute.unwrap_or(Value::None), false)?;
    let items = access::iterate(rt, &iterable)?;
    let mut total = start;
    while let Some(item) = items.next(rt) {
        total = binary(rt, Binary::Add, &total, &path.of(rt, &item?)?)?;
    }
    Ok(total)
}

/// The pairs of a mapping, one by one; of what is undefined, nothing.
pub fn items(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_items", ["value"], [], args)?;
    Ok(lazy::generator(move |rt| {
        if value.is_undefined() {
            return Ok(lazy::nothing());
        }
        if !is_mapping(&value) {
            return type_error("Can only get item pairs from a mapping.");
        }
        let pairs = access::call_method(rt, &value, "items", Args::default())?;
        Ok(lazy::each(access::iterate(rt, &pairs)?, |_, pair| Ok(Some(pair))))
    }))
}

/// The entries of what must be a dict, as value.items() gives them.
pub fn entries(value: &Value) -> Result<&Dict> {
    match value {
        Value::Dict(entries) => Ok(entries),
        Value::Undefined(message) => Err(undefined_error(message)),
        _ => Err(Error::new(
            Kind::Attribute,
            format!("'{}' object has no attribute 'items'", value.type_name()),
        )),
    }
}
