//! The tests that jinja2 has.

use crate::access;
use crate::dict::Key;
use crate::error::{unsupported, Error, Kind, Result};
use crate::filters;
use crate::filters::arguments::{bind, exactly};
use crate::methods;
use crate::operations::{binary, compare, equals, truth, Binary, Comparison};
use crate::repr::{repr, str_of};
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::rc::Rc;
use std::sync::Arc;

/// A test; its first positional argument is the value that is tested.
pub type Test = fn(&Runtime, Args) -> Result<bool>;

pub fn find(name: &str) -> Option<Test> {
    Some(match name {
        "odd" => |rt, args| remainder_is(rt, "test_odd", args, 1),
        "even" => |rt, args| remainder_is(rt, "test_even", args, 0),
        "divisibleby" => divisible_by,
        "defined" => |_, args| Ok(!only("test_defined", args)?.is_undefined()),
        "undefined" => |_, args| Ok(only("test_undefined", args)?.is_undefined()),
        "filter" => |_, args| is_known(&only("test_filter", args)?, |name| filters::find(name).is_some()),
        "test" => |_, args| is_known(&only("test_test", args)?, |name| find(name).is_some()),
        "none" => |_, args| Ok(only("test_none", args)?.is_none()),
        "boolean" => |_, args| Ok(matches!(only("test_boolean", args)?, Value::Bool(_))),
        "false" => |_, args| Ok(matches!(only("test_false", args)?, Value::Bool(false))),
        "true" => |_, args| Ok(matches!(only("test_true", args)?, Value::Bool(true))),
        "integer" => |_, args| Ok(matches!(only("test_integer", args)?, Value::Int(_) | Value::Big(_))),
        "float" => |_, args| Ok(matches!(only("test_float", args)?, Value::Float(_))),
        "lower" => |rt, args| has_case(rt, &only("test_lower", args)?, "islower"),
        "upper" => |rt, args| has_case(rt, &only("test_upper", args)?, "isupper"),
        "string" => |_, args| Ok(only("test_string", args)?.as_str().is_some()),
        "mapping" => |_, args| Ok(is_mapping(&only("test_mapping", args)?)),
        "number" => |_, args| Ok(is_number(&only("test_number", args)?)),
        "sequence" => |_, args| Ok(is_sequence(&only("test_sequence", args)?)),
        "iterable" => |_, args| Ok(access::is_iterable(&only("test_iterable", args)?)),
        "callable" => |_, args| {
            let [value] = exactly("callable", args)?;
            Ok(access::is_callable(&value))
        },
        "sameas" => |rt, args| {
            let ([value, other], []) = bind("test_sameas", ["value", "other"], [], args)?;
            is_same(rt, &value, &other)
        },
        "escaped" => |_, args| Ok(matches!(only("test_escaped", args)?, Value::Markup(_))),
        "in" => |rt, args| {
            let ([value, sequence], []) = bind("test_in", ["value", "seq"], [], args)?;
            compare(rt, Comparison::In, &value, &sequence)
        },
        "==" | "eq" | "equalto" => |rt, args| compared(rt, "eq", Comparison::Eq, args),
        "!=" | "ne" => |rt, args| compared(rt, "ne", Comparison::Ne, args),
        ">" | "gt" | "greaterthan" => |rt, args| compared(rt, "gt", Comparison::Gt, args),
        ">=" | "ge" => |rt, args| compared(rt, "ge", Comparison::Ge, args),
        "<" | "lt" | "lessthan" => |rt, args| compared(rt, "lt", Comparison::Lt, args),
        "<=" | "le" => |rt, args| compared(rt, "le", Comparison::Le, args),
        _ => return None,
    })
}

/// Calls a test whose name the template computes: environment.call_test.
pub(crate) fn call(rt: &Runtime, name: &Value, args: Args) -> Result<bool> {
    match name.as_str().and_then(find) {
        Some(test) => test(rt, args),
        None => unknown(rt, "test", name),
    }
}

/// Refuses a filter or a test that there is not.
pub(crate) fn unknown<T>(rt: &Runtime, what: &str, name: &Value) -> Result<T> {
    Key::of(name)?;
    let mut message = format!("No {what} named {}.", repr(rt, name)?);
    if let Value::Undefined(reason) = name {
        message.push_str(&format!(" ({reason}; did you forget to quote the callable name?)"));
    }
    Err(Error::new(Kind::Runtime, message))
}

fn only(function: &str, args: Args) -> Result<Value> {
    let ([value], []) = bind(function, ["value"], [], args)?;
    Ok(value)
}

fn compared(rt: &Runtime, function: &str, comparison: Comparison, args: Args) -> Result<bool> {
    let [left, right] = exactly(function, args)?;
    compare(rt, comparison, &left, &right)
}

fn remainder_is(rt: &Runtime, function: &str, args: Args, wanted: i64) -> Result<bool> {
    let value = only(function, args)?;
    if let Value::Int(number) = value {
        return Ok(number.rem_euclid(2) == wanted);
    }
    let remainder = binary(rt, Binary::Mod, &value, &Value::Int(2))?;
    equals(rt, &remainder, &Value::Int(wanted))
}

fn divisible_by(rt: &Runtime, args: Args) -> Result<bool> {
    let ([value, number], []) = bind("test_divisibleby", ["value", "num"], [], args)?;
    let remainder = binary(rt, Binary::Mod, &value, &number)?;
    equals(rt, &remainder, &Value::Int(0))
}

/// `name in environment.filters`, which asks for the name's hash.
fn is_known(name: &Value, known: impl Fn(&str) -> bool) -> Result<bool> {
    Key::of(name)?;
    Ok(name.as_str().is_some_and(known))
}

fn has_case(rt: &Runtime, value: &Value, method: &str) -> Result<bool> {
    let text = match value {
        Value::Str(_) => value.clone(),
        _ => Value::str(str_of(rt, value)?),
    };
    match methods::call(rt, &text, method, Args::default()) {
        Some(answer) => Ok(truth(&answer?)),
        None => unsupported(format!("there is no method {method}")),
    }
}

pub(crate) fn is_mapping(value: &Value) -> bool {
    match value {
        Value::Dict(_) => true,
        Value::Object(object) => object.is_mapping(),
        _ => false,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Big(_) | Value::Float(_))
}

/// Whether len() and __getitem__ are there. Views of dicts and `loop` have but the first.
fn is_sequence(value: &Value) -> bool {
    match value {
        Value::Undefined(_) | Value::Str(_) | Value::Markup(_) => true,
        Value::List(_) | Value::Tuple(_) | Value::Dict(_) => true,
        Value::Object(object) => object.as_tuple().is_some() || object.type_name() == "range",
        _ => false,
    }
}

/// `value is other`. Numbers and texts that are equal may or may not be one object in Python.
fn is_same(rt: &Runtime, value: &Value, other: &Value) -> Result<bool> {
    let same = match (value, other) {
        (Value::None, Value::None) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) if left != right => false,
        // CPython keeps one object for each of these.
        (Value::Int(-5..=256), Value::Int(_)) => true,
        (Value::List(left), Value::List(right)) => Rc::ptr_eq(left, right),
        (Value::Dict(left), Value::Dict(right)) => Rc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => Rc::ptr_eq(left, right),
        (Value::Str(left), Value::Str(right)) if Arc::ptr_eq(left, right) => true,
        (Value::Markup(left), Value::Markup(right)) if Arc::ptr_eq(left, right) => true,
        (Value::Tuple(left), Value::Tuple(right)) if Rc::ptr_eq(left, right) => true,
        _ if value.type_name() != other.type_name() => false,
        _ if equals(rt, value, other)? => {
            return unsupported("`sameas` compares equal values by their address")
        }
        _ => false,
    };
    Ok(same)
}
