//! Python's operators over values.

mod comparison;
mod numbers;
mod sequences;

pub use comparison::{compare, equals, order, same_item};
pub use numbers::{integer, to_float, Number};
pub use sequences::{claim, MAX_ITEMS, MAX_TEXT};

use crate::access::undefined_error;
use crate::error::{type_error, unsupported, Result};
use crate::{format, runtime::Runtime, value::Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Plus,
    Minus,
}
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// bool(x)
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Undefined(_) | Value::None => false,
        Value::Bool(b) => *b,
        Value::Int(i) => *i != 0,
        Value::Big(_) => true,
        Value::Float(f) => *f != 0.0,
        Value::Str(text) | Value::Markup(text) => !text.is_empty(),
        Value::List(items) | Value::Tuple(items) => !items.is_empty(),
        Value::Dict(dict) => !dict.is_empty(),
        Value::Object(object) => object.truth(),
    }
}

pub fn binary(rt: &Runtime, op: Binary, left: &Value, right: &Value) -> Result<Value> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => numbers::ints(rt, op, *a, *b),
        (Value::Str(a), Value::Str(b)) if op == Binary::Add => sequences::concat(rt, a, b),
        _ => general(rt, op, left, right),
    }
}

fn general(rt: &Runtime, op: Binary, left: &Value, right: &Value) -> Result<Value> {
    if let Some((left, right)) = tuples(left, right) {
        return general(rt, op, &left, &right);
    }
    if let Value::Undefined(message) = left {
        return Err(undefined_error(message));
    }
    match left {
        Value::Str(text) if op == Binary::Mod => return format::percent(rt, text, right).map(Value::str),
        Value::Markup(text) if op == Binary::Mod => return format::percent_markup(rt, text, right),
        _ => {}
    }
    if op == Binary::Sub && (comparison::is_set_view(left) || comparison::is_set_view(right)) {
        return unsupported("the template makes a set, whose order cannot be reproduced");
    }
    if let Value::Undefined(message) = right {
        return Err(undefined_error(message));
    }
    if let (Some(a), Some(b)) = (Number::of(left), Number::of(right)) {
        return numbers::binary(rt, op, a, b);
    }
    match op {
        Binary::Add => sequences::add(rt, left, right),
        Binary::Mul => sequences::multiply(rt, left, right),
        _ => operand_error(op, left, right),
    }
}

/// Both operands, where one is of a subclass of tuple, which has the operators of tuple.
fn tuples(left: &Value, right: &Value) -> Option<(Value, Value)> {
    if !matches!(left, Value::Object(_)) && !matches!(right, Value::Object(_)) {
        return None;
    }
    match (left.subtuple(), right.subtuple()) {
        (None, None) => None,
        (a, b) => Some((a.unwrap_or_else(|| left.clone()), b.unwrap_or_else(|| right.clone()))),
    }
}

fn symbol(op: Binary) -> &'static str {
    match op {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::FloorDiv => "//",
        Binary::Mod => "%",
        Binary::Pow => "** or pow()",
    }
}

fn operand_error<T>(op: Binary, left: &Value, right: &Value) -> Result<T> {
    let (left, right) = (left.type_name(), right.type_name());
    type_error(format!("unsupported operand type(s) for {}: '{left}' and '{right}'", symbol(op)))
}

pub fn unary(_rt: &Runtime, op: Unary, value: &Value) -> Result<Value> {
    if let Value::Undefined(message) = value {
        return Err(undefined_error(message));
    }
    match Number::of(value) {
        Some(number) => Ok(numbers::unary(op, number)),
        None => {
            let sign = if op == Unary::Plus { '+' } else { '-' };
            type_error(format!("bad operand type for unary {sign}: '{}'", value.type_name()))
        }
    }
}
