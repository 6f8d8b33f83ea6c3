//! Arguments of methods, taken and refused as CPython does.

use crate::error::{type_error, Error, Kind, Result};
use crate::{value::Args, value::Value};

fn count_name(count: usize) -> &'static str {
    if count == 1 {
        ""
    } else {
        "s"
    }
}

/// No arguments.
pub fn nothing(method: &str, args: &Args) -> Result<()> {
    no_names(method, args)?;
    match args.positional.len() {
        0 => Ok(()),
        given => type_error(format!("{method}() takes no arguments ({given} given)")),
    }
}

fn no_names(method: &str, args: &Args) -> Result<()> {
    match args.named.is_empty() {
        true => Ok(()),
        false => type_error(format!("{method}() takes no keyword arguments")),
    }
}

/// From `least` to `most` arguments without names.
pub fn between<'a>(method: &str, args: &'a Args, least: usize, most: usize) -> Result<&'a [Value]> {
    no_names(method, args)?;
    let given = args.positional.len();
    if given < least {
        let s = count_name(least);
        return type_error(format!("{method} expected at least {least} argument{s}, got {given}"));
    }
    if given > most {
        let s = count_name(most);
        return type_error(format!("{method} expected at most {most} argument{s}, got {given}"));
    }
    Ok(&args.positional)
}

/// Exactly one argument without a name.
pub fn one<'a>(method: &str, args: &'a Args) -> Result<&'a Value> {
    no_names(method, args)?;
    match &args.positional[..] {
        [argument] => Ok(argument),
        other => type_error(format!("{method}() takes exactly one argument ({} given)", other.len())),
    }
}

/// Optional arguments that may be given by name.
pub fn named<'a, const N: usize>(
    method: &str,
    args: &'a Args,
    names: [&str; N],
) -> Result<[Option<&'a Value>; N]> {
    let given = args.positional.len() + args.named.len();
    if given > N {
        let s = count_name(N);
        return type_error(format!("{method}() takes at most {N} argument{s} ({given} given)"));
    }
    let mut values = [None; N];
    for (slot, value) in values.iter_mut().zip(&args.positional) {
        *slot = Some(value);
    }
    for (name, value) in &args.named {
        match names.iter().position(|wanted| **wanted == **name) {
            None => return type_error(format!("'{name}' is an invalid keyword argument for {method}()")),
            Some(at) if values[at].is_some() => {
                let (place, at) = ("given by name and position", at + 1);
                return type_error(format!("argument for {method}() {place} ('{name}' and position {at})"));
            }
            Some(at) => values[at] = Some(value),
        }
    }
    Ok(values)
}

/// operator.index(value), as a C ssize_t.
pub fn index(value: &Value) -> Result<i64> {
    match value {
        Value::Int(i) => Ok(*i),
        Value::Bool(b) => Ok(*b as i64),
        Value::Big(_) => Err(Error::new(Kind::Overflow, "Python int too large to convert to C ssize_t")),
        _ => type_error(format!("'{}' object cannot be interpreted as an integer", value.type_name())),
    }
}

/// A bound of a slice: clamped, and None where it is left out.
pub fn bound(value: Option<&Value>) -> Result<Option<i64>> {
    match value {
        None | Some(Value::None) => Ok(None),
        Some(Value::Int(i)) => Ok(Some(*i)),
        Some(Value::Bool(b)) => Ok(Some(*b as i64)),
        Some(Value::Big(big)) if big.sign() == num_bigint::Sign::Minus => Ok(Some(i64::MIN)),
        Some(Value::Big(_)) => Ok(Some(i64::MAX)),
        Some(_) => type_error("slice indices must be integers or None or have an __index__ method"),
    }
}

/// [start, end) within a length; start may lie behind end.
pub fn range(start: Option<i64>, end: Option<i64>, length: usize) -> (usize, usize) {
    let place = |at: i64| match at {
        0.. => at as usize,
        _ => length.saturating_sub(at.unsigned_abs() as usize),
    };
    (start.map_or(0, place), end.map_or(length, place).min(length))
}
