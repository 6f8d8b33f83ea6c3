//! Arguments, bound to parameters as Python binds them.

use crate::access::undefined_error;
use crate::error::{type_error, Result};
use crate::operations::claim;
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use num_bigint::Sign;

/// What a call gives to a function's required and to its optional parameters.
pub type Bound<const R: usize, const O: usize> = ([Value; R], [Option<Value>; O]);

/// Binds a call's arguments to parameters that may be given by position or by name.
pub fn bind<const R: usize, const O: usize>(
    function: &str,
    required: [&str; R],
    optional: [&str; O],
    args: Args,
) -> Result<Bound<R, O>> {
    let mut first = [const { None }; R];
    let mut rest = [const { None }; O];
    let given = args.positional.len();
    if given > R + O {
        return too_many(function, R, O, given);
    }
    for (slot, value) in first.iter_mut().chain(&mut rest).zip(args.positional) {
        *slot = Some(value);
    }
    for (name, value) in args.named {
        let Some(at) = required.iter().chain(&optional).position(|known| **known == *name) else {
            return type_error(format!("{function}() got an unexpected keyword argument '{name}'"));
        };
        let slot = if at < R { &mut first[at] } else { &mut rest[at - R] };
        if slot.replace(value).is_some() {
            return type_error(format!("{function}() got multiple values for argument '{name}'"));
        }
    }
    if let Some(at) = first.iter().position(Option::is_none) {
        let name = required[at];
        return type_error(format!("{function}() missing 1 required positional argument: '{name}'"));
    }
    Ok((first.map(|value| value.unwrap_or(Value::None)), rest))
}

fn too_many<T>(function: &str, required: usize, optional: usize, given: usize) -> Result<T> {
    let most = required + optional;
    let takes = if optional == 0 { most.to_string() } else { format!("from {required} to {most}") };
    type_error(format!("{function}() takes {takes} positional arguments but {given} were given"))
}

/// Binds a call's arguments to parameters that are given by position only.
pub fn exactly<const N: usize>(function: &str, args: Args) -> Result<[Value; N]> {
    if !args.named.is_empty() {
        return type_error(format!("{function}() takes no keyword arguments"));
    }
    args.positional.try_into().or_else(|given: Vec<Value>| {
        let expected = if N == 1 { "1 argument".to_string() } else { format!("{N} arguments") };
        type_error(format!("{function} expected {expected}, got {}", given.len()))
    })
}

/// operator.index(value), with the integers that do not fit at the end of their side.
pub fn index(value: &Value) -> Result<i64> {
    match value {
        Value::Bool(flag) => Ok(i64::from(*flag)),
        Value::Int(number) => Ok(*number),
        Value::Big(big) if big.sign() == Sign::Minus => Ok(i64::MIN),
        Value::Big(_) => Ok(i64::MAX),
        _ => type_error(format!("'{}' object cannot be interpreted as an integer", value.type_name())),
    }
}

/// text * count, where the text is the left operand.
pub fn repeated(rt: &Runtime, text: &str, count: &Value) -> Result<String> {
    if let Value::Undefined(message) = count {
        return Err(undefined_error(message));
    }
    let Ok(count) = index(count) else {
        return type_error(format!("can't multiply sequence by non-int of type '{}'", count.type_name()));
    };
    let count = usize::try_from(count).unwrap_or(0);
    claim(rt, text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}
