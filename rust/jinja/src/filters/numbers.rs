//! Filters over numbers.

use super::arguments::{bind, exactly, index};
use super::number_text::{read_float, read_int};
use crate::access::undefined_error;
use crate::error::{type_error, unsupported, value_error, Error, Kind, Result};
use crate::operations::{self, binary, integer, truth, Binary, Number};
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use num_bigint::BigInt;
use num_integer::Integer;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

pub fn abs(_rt: &Runtime, args: Args) -> Result<Value> {
    let [value] = exactly("abs()", args)?;
    Ok(match value {
        Value::Bool(flag) => Value::Int(i64::from(flag)),
        Value::Int(number) => integer(BigInt::from(number).abs()),
        Value::Big(big) => integer(big.abs()),
        Value::Float(number) => Value::Float(number.abs()),
        _ => return type_error(format!("bad operand type for abs(): '{}'", value.type_name())),
    })
}

/// float(value)
fn to_float(value: &Value) -> Result<f64> {
    if let Some(number) = Number::of(value) {
        return operations::to_float(number);
    }
    match value {
        Value::Str(text) | Value::Markup(text) => read_float(text),
        Value::Undefined(message) => Err(undefined_error(message)),
        _ => type_error(format!(
            "float() argument must be a string or a real number, not '{}'",
            value.type_name()
        )),
    }
}

/// int(number)
fn truncated(number: f64) -> Result<Value> {
    match BigInt::from_f64(number.trunc()) {
        Some(big) => Ok(integer(big)),
        None if number.is_nan() => value_error("cannot convert float NaN to integer"),
        None => Err(Error::new(Kind::Overflow, "cannot convert float infinity to integer")),
    }
}

pub fn float(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [default]) = bind("do_float", ["value"], ["default"], args)?;
    match to_float(&value) {
        Ok(number) => Ok(Value::Float(number)),
        Err(error) if matches!(error.kind, Kind::Type | Kind::Value) => {
            Ok(default.unwrap_or(Value::Float(0.0)))
        }
        Err(error) => Err(error),
    }
}

pub fn int(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [default, base]) = bind("do_int", ["value"], ["default", "base"], args)?;
    let direct = match &value {
        Value::Bool(flag) => return Ok(Value::Int(i64::from(*flag))),
        Value::Int(_) | Value::Big(_) => return Ok(value),
        Value::Float(number) => truncated(*number),
        Value::Str(text) | Value::Markup(text) => {
            base.map_or(Ok(10), |base| index(&base)).and_then(|base| read_int(text, base))
        }
        Value::Undefined(message) => return Err(undefined_error(message)),
        _ => type_error("int() argument must be a string or a number"),
    };
    match direct {
        Err(error) if matches!(error.kind, Kind::Type | Kind::Value) => {}
        direct => return direct,
    }
    // "42.23" is 42.
    match to_float(&value).and_then(truncated) {
        Err(error) if matches!(error.kind, Kind::Type | Kind::Value | Kind::Overflow) => {
            Ok(default.unwrap_or(Value::Int(0)))
        }
        number => number,
    }
}

pub fn round(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [precision, method]) = bind("do_round", ["value"], ["precision", "method"], args)?;
    let precision = precision.unwrap_or(Value::Int(0));
    match method.as_ref().map_or(Some("common"), Value::as_str) {
        Some("common") => rounded(&value, &precision),
        Some("ceil") => rounded_to(rt, &value, &precision, f64::ceil),
        Some("floor") => rounded_to(rt, &value, &precision, f64::floor),
        _ => {
            if let Some(method) = &method {
                crate::dict::Key::of(method)?;
            }
            Err(Error::new(Kind::Runtime, "method must be common, ceil or floor"))
        }
    }
}

/// func(value * 10**precision) / 10**precision
fn rounded_to(rt: &Runtime, value: &Value, precision: &Value, func: fn(f64) -> f64) -> Result<Value> {
    let scale = binary(rt, Binary::Pow, &Value::Int(10), precision)?;
    let whole = match binary(rt, Binary::Mul, value, &scale)? {
        Value::Float(number) => truncated(func(number))?,
        Value::Bool(flag) => Value::Int(i64::from(flag)),
        number @ (Value::Int(_) | Value::Big(_)) => number,
        other => return type_error(format!("must be real number, not {}", other.type_name())),
    };
    binary(rt, Binary::Div, &whole, &scale)
}

/// round(value, digits)
fn rounded(value: &Value, digits: &Value) -> Result<Value> {
    let number = match value {
        Value::Float(number) if digits.is_none() => return truncated(number.round_ties_even()),
        Value::Float(number) => return rounded_float(*number, index(digits)?).map(Value::Float),
        Value::Bool(flag) => BigInt::from(u8::from(*flag)),
        Value::Int(number) => BigInt::from(*number),
        Value::Big(big) => (**big).clone(),
        _ => {
            let kind = value.type_name();
            return type_error(format!("type {kind} doesn't define __round__ method"));
        }
    };
    let digits = if digits.is_none() { 0 } else { index(digits)? };
    Ok(integer(if digits < 0 { rounded_int(number, digits)? } else { number }))
}

/// To a multiple of a power of ten, ties to the even one.
fn rounded_int(number: BigInt, digits: i64) -> Result<BigInt> {
    let digits = digits.unsigned_abs();
    // Beyond this, the power is more than twice the number, and nothing is left of it.
    if digits > number.bits() / 3 + 2 {
        return Ok(BigInt::zero());
    }
    let Ok(digits) = u32::try_from(digits) else {
        return unsupported("round() has too large a precision");
    };
    let unit = BigInt::from(10).pow(digits);
    let (quotient, remainder) = number.div_mod_floor(&unit);
    let twice: BigInt = remainder * 2;
    let up = twice > unit || twice == unit && quotient.is_odd();
    Ok((quotient + i32::from(up)) * unit)
}

fn rounded_float(number: f64, digits: i64) -> Result<f64> {
    if !number.is_finite() || number == 0.0 || digits > 323 {
        return Ok(number);
    }
    if digits < -308 {
        return Ok(0.0 * number);
    }
    let rounded = if digits >= 0 {
        format!("{number:.*}", digits as usize).parse().unwrap_or(number)
    } else {
        rounded_to_tens(number, digits)?
    };
    if f64::is_finite(rounded) {
        return Ok(rounded);
    }
    Err(Error::new(Kind::Overflow, "rounded value too large to represent"))
}

/// Like rounded_int; a fraction decides what would be a tie without it.
fn rounded_to_tens(number: f64, digits: i64) -> Result<f64> {
    let Some(whole) = BigInt::from_f64(number.abs().trunc()) else { return Ok(number) };
    // The unit is even, so that twice the number and a sticky bit compare as the number itself does.
    let sticky = i32::from(number.fract() != 0.0);
    let unit = BigInt::from(10).pow(digits.unsigned_abs() as u32);
    let (quotient, remainder) = whole.div_mod_floor(&unit);
    let twice: BigInt = remainder * 2 + sticky;
    let up = twice > unit || twice == unit && quotient.is_odd();
    let rounded: BigInt = (quotient + i32::from(up)) * unit;
    Ok(rounded.to_f64().unwrap_or(f64::INFINITY).copysign(number))
}

const DECIMAL: [&str; 8] = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const BINARY: [&str; 8] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

pub fn filesizeformat(_rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], [binary]) = bind("do_filesizeformat", ["value"], ["binary"], args)?;
    let bytes = to_float(&value)?;
    let binary = binary.is_some_and(|flag| truth(&flag));
    let (base, prefixes) = if binary { (1024_i128, BINARY) } else { (1000, DECIMAL) };
    if bytes == 1.0 {
        return Ok(Value::str("1 Byte"));
    }
    if bytes < base as f64 {
        let whole = truncated(bytes)?;
        let whole = match &whole {
            Value::Int(number) => number.to_string(),
            Value::Big(big) => big.to_string(),
            _ => String::new(),
        };
        return Ok(Value::str(format!("{whole} Bytes")));
    }
    let mut unit = base;
    let mut prefix = "";
    for next in prefixes {
        unit *= base;
        prefix = next;
        if is_less(bytes, unit) {
            break;
        }
    }
    let size = base as f64 * bytes / unit as f64;
    let size = if size.is_nan() { "nan".to_string() } else { format!("{size:.1}") };
    Ok(Value::str(format!("{size} {prefix}")))
}

/// Compares exactly, as Python compares a float with an integer.
fn is_less(number: f64, unit: i128) -> bool {
    match BigInt::from_f64(number.trunc()) {
        Some(whole) => whole < BigInt::from(unit),
        None => number < 0.0,
    }
}
