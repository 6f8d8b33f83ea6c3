//! Equality, order and membership.

use super::{tuples, Comparison, Number};
use crate::access::undefined_error;
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::methods::views::DictView;
use crate::{dict::Dict, runtime::Runtime, value::Object, value::Value};
use num_bigint::BigInt;
use num_traits::FromPrimitive;
use std::cmp::Ordering;
use std::rc::Rc;

/// How deep values within values are compared; Python's own limit is near.
const DEPTH: u32 = 900;

pub fn compare(rt: &Runtime, op: Comparison, left: &Value, right: &Value) -> Result<bool> {
    match op {
        Comparison::Eq => equals(rt, left, right),
        Comparison::Ne => Ok(!equals(rt, left, right)?),
        Comparison::In => contains(rt, right, left),
        Comparison::NotIn => Ok(!contains(rt, right, left)?),
        _ => rich(rt, op, left, right, 0),
    }
}

/// left == right
pub fn equals(rt: &Runtime, left: &Value, right: &Value) -> Result<bool> {
    equals_at(rt, left, right, 0)
}

/// For sorting: refuses what `<` refuses. (Sorting in Python asks only `<`: Less where left < right,
/// else Greater/Equal.)
pub fn order(rt: &Runtime, left: &Value, right: &Value) -> Result<Ordering> {
    match (left, right) {
        (Value::Str(a), Value::Str(b)) => return Ok(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => return Ok(a.cmp(b)),
        _ => {}
    }
    if let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) {
        return match compare_numbers(a, b) {
            Some(order) => Ok(order),
            None => unsupported("the template sorts what is not a number"),
        };
    }
    Ok(match rich(rt, Comparison::Lt, left, right, 0)? {
        true => Ordering::Less,
        false if rich(rt, Comparison::Lt, right, left, 0)? => Ordering::Greater,
        false => Ordering::Equal,
    })
}

fn deeper(depth: u32) -> Result<u32> {
    match depth < DEPTH {
        true => Ok(depth + 1),
        false => Err(Error::new(Kind::Recursion, "maximum recursion depth exceeded in comparison")),
    }
}

fn equals_at(rt: &Runtime, left: &Value, right: &Value, depth: u32) -> Result<bool> {
    if let Some(tuple) = left.subtuple() {
        return equals_at(rt, &tuple, right, depth);
    }
    if let Some(tuple) = right.subtuple() {
        return equals_at(rt, left, &tuple, depth);
    }
    Ok(match (left, right) {
        (Value::Str(a) | Value::Markup(a), Value::Str(b) | Value::Markup(b)) => a == b,
        (Value::None, Value::None) | (Value::Undefined(_), Value::Undefined(_)) => true,
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            a.len() == b.len() && first_difference(rt, a, b, depth)?.is_none()
        }
        (Value::Dict(a), Value::Dict(b)) => equal_dicts(rt, a, b, depth)?,
        (Value::Object(a), Value::Object(b)) => {
            Rc::as_ptr(a).cast::<()>() == Rc::as_ptr(b).cast::<()>()
                || match (set_view(left), set_view(right)) {
                    (Some(a), Some(b)) => a.len() == b.len() && subset(rt, a, right)?,
                    _ => equal_objects(rt, &**a, left, right, depth)?,
                }
        }
        _ => match (Number::of(left), Number::of(right)) {
            (Some(a), Some(b)) => compare_numbers(a, b) == Some(Ordering::Equal),
            _ => match tuples(left, right) {
                Some((left, right)) => equals_at(rt, &left, &right, deeper(depth)?)?,
                None => false,
            },
        },
    })
}

fn equal_objects(rt: &Runtime, object: &dyn Object, left: &Value, right: &Value, depth: u32) -> Result<bool> {
    match tuples(left, right) {
        Some((left, right)) => equals_at(rt, &left, &right, deeper(depth)?),
        None => Ok(object.equals(right).unwrap_or(false)),
    }
}

/// Equality as containers see it: an item equals itself, which only shows in what is not a number.
fn same(rt: &Runtime, left: &Value, right: &Value, depth: u32) -> Result<bool> {
    match (left, right) {
        (Value::Float(a), Value::Float(b)) if a.is_nan() && b.is_nan() => {
            unsupported("the template asks whether what is not a number is the same object")
        }
        _ => equals_at(rt, left, right, depth),
    }
}

fn first_difference(rt: &Runtime, a: &[Value], b: &[Value], depth: u32) -> Result<Option<usize>> {
    let depth = deeper(depth)?;
    rt.step(a.len().min(b.len()) as u64 / 4)?;
    for (at, (x, y)) in a.iter().zip(b).enumerate() {
        if !same(rt, x, y, depth)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn equal_dicts(rt: &Runtime, a: &Dict, b: &Dict, depth: u32) -> Result<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    let depth = deeper(depth)?;
    rt.step(a.len() as u64)?;
    for (key, value) in a.iter() {
        match b.get(key)? {
            Some(other) if same(rt, value, other, depth)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Exact, between ints of any size and floats; None where one is not a number.
fn compare_numbers(a: Number, b: Number) -> Option<Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
        (Number::Float(a), b) => compare_float(b, a).map(Ordering::reverse),
        (a, Number::Float(b)) => compare_float(a, b),
        _ => Some(a.big()?.cmp(&b.big()?)),
    }
}

fn compare_float(a: Number, b: f64) -> Option<Ordering> {
    const EXACT: i64 = 1 << 53;
    match a {
        Number::Int(i) if (-EXACT..=EXACT).contains(&i) => (i as f64).partial_cmp(&b),
        _ if b.is_nan() => None,
        _ if b.is_infinite() => Some(if b > 0.0 { Ordering::Less } else { Ordering::Greater }),
        // An integer that equals the floor of b is less than b where b has a fraction.
        _ => {
            let floor = BigInt::from_f64(b.floor())?;
            let fraction = if b.fract() == 0.0 { Ordering::Equal } else { Ordering::Less };
            Some((*a.big()?).cmp(&floor).then(fraction))
        }
    }
}

fn holds(op: Comparison, order: Option<Ordering>) -> bool {
    match op {
        Comparison::Lt => order == Some(Ordering::Less),
        Comparison::Gt => order == Some(Ordering::Greater),
        Comparison::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}

/// `<`, `<=`, `>` and `>=`
fn rich(rt: &Runtime, op: Comparison, left: &Value, right: &Value, depth: u32) -> Result<bool> {
    if let Some(tuple) = left.subtuple() {
        return rich(rt, op, &tuple, right, depth);
    }
    if let Some(tuple) = right.subtuple() {
        return rich(rt, op, left, &tuple, depth);
    }
    match (left, right) {
        (Value::Undefined(message), _) | (_, Value::Undefined(message)) => Err(undefined_error(message)),
        (Value::Str(a) | Value::Markup(a), Value::Str(b) | Value::Markup(b)) => Ok(holds(op, Some(a.cmp(b)))),
        (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
            match first_difference(rt, a, b, depth)? {
                Some(at) => rich(rt, op, &a[at], &b[at], deeper(depth)?),
                None => Ok(holds(op, Some(a.len().cmp(&b.len())))),
            }
        }
        _ => match (Number::of(left), Number::of(right)) {
            (Some(a), Some(b)) => Ok(holds(op, compare_numbers(a, b))),
            _ => match tuples(left, right) {
                Some((left, right)) => rich(rt, op, &left, &right, deeper(depth)?),
                None => views(rt, op, left, right),
            },
        },
    }
}

/// The keys and items of dicts are compared as sets.
fn views(rt: &Runtime, op: Comparison, left: &Value, right: &Value) -> Result<bool> {
    let (Some(a), Some(b)) = (set_view(left), set_view(right)) else {
        return order_error(op, left, right);
    };
    match op {
        Comparison::Lt => Ok(a.len() < b.len() && subset(rt, a, right)?),
        Comparison::Le => Ok(a.len() <= b.len() && subset(rt, a, right)?),
        Comparison::Gt => Ok(a.len() > b.len() && subset(rt, b, left)?),
        _ => Ok(a.len() >= b.len() && subset(rt, b, left)?),
    }
}

fn order_error<T>(op: Comparison, left: &Value, right: &Value) -> Result<T> {
    let symbol = match op {
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        _ => ">=",
    };
    let (left, right) = (left.type_name(), right.type_name());
    type_error(format!("'{symbol}' not supported between instances of '{left}' and '{right}'"))
}

/// The value as a view that is a set to Python: dict_keys or dict_items.
fn set_view(value: &Value) -> Option<&DictView> {
    match value {
        Value::Object(object) => object.as_any().downcast_ref::<DictView>().filter(|view| view.is_set()),
        _ => None,
    }
}

pub fn is_set_view(value: &Value) -> bool {
    set_view(value).is_some()
}

fn subset(rt: &Runtime, part: &DictView, whole: &Value) -> Result<bool> {
    for at in 0..part.len() {
        rt.step(1)?;
        match part.entry(at) {
            Some(item) if !contains(rt, whole, &item)? => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

/// `needle in container`
fn contains(rt: &Runtime, container: &Value, needle: &Value) -> Result<bool> {
    match container {
        Value::Str(text) | Value::Markup(text) => match needle.as_str() {
            Some(part) => Ok(text.contains(part)),
            None => {
                let found = needle.type_name();
                type_error(format!("'in <string>' requires string as left operand, not {found}"))
            }
        },
        Value::List(items) | Value::Tuple(items) => find(rt, items, needle),
        Value::Dict(dict) => Ok(dict.get(needle)?.is_some()),
        Value::Undefined(_) => Ok(false),
        Value::Object(object) => match object.contains(rt, needle)? {
            Some(found) => Ok(found),
            None => search(rt, container, needle),
        },
        _ => not_iterable(container),
    }
}

fn not_iterable<T>(value: &Value) -> Result<T> {
    type_error(format!("argument of type '{}' is not iterable", value.type_name()))
}

fn find(rt: &Runtime, items: &[Value], needle: &Value) -> Result<bool> {
    rt.step(items.len() as u64 / 4)?;
    for item in items {
        if same(rt, item, needle, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn search(rt: &Runtime, container: &Value, needle: &Value) -> Result<bool> {
    let Value::Object(object) = container else { return not_iterable(container) };
    let Some(items) = object.clone().iterator(rt)? else { return not_iterable(container) };
    while let Some(item) = items.next(rt) {
        rt.step(1)?;
        if same(rt, &item?, needle, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where an item of a list equals a value: list.index, list.count.
pub fn same_item(rt: &Runtime, left: &Value, right: &Value) -> Result<bool> {
    same(rt, left, right, 0)
}
