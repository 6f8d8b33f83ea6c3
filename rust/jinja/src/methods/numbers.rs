//! The methods of int, bool and float.

use super::arguments::nothing;
use crate::error::{unsupported, value_error, Error, Kind, Result};
use crate::operations::{integer as integer_value, Number};
use crate::value::{Args, Value};
use num_bigint::BigInt;
use num_traits::FromPrimitive;

pub fn integer(value: &Value, name: &str, args: &Args) -> Option<Result<Value>> {
    let number = Number::of(value)?.big()?;
    let answer = match name {
        "bit_length" => Value::Int(number.bits() as i64),
        "bit_count" => Value::Int(number.magnitude().count_ones() as i64),
        "conjugate" => integer_value(number.into_owned()),
        "as_integer_ratio" => Value::tuple(vec![integer_value(number.into_owned()), Value::Int(1)]),
        "to_bytes" | "from_bytes" => return Some(unsupported("the template makes bytes")),
        _ => return None,
    };
    Some(nothing(&format!("int.{name}"), args).map(|()| answer))
}

pub fn float(number: f64, name: &str, args: &Args) -> Option<Result<Value>> {
    let answer = match name {
        "is_integer" => Ok(Value::Bool(number.is_finite() && number.fract() == 0.0)),
        "conjugate" => Ok(Value::Float(number)),
        "hex" => Ok(Value::str(hex(number))),
        "as_integer_ratio" => ratio(number),
        "fromhex" => return Some(unsupported("float.fromhex() is not known here")),
        _ => return None,
    };
    Some(nothing(&format!("float.{name}"), args).and(answer))
}

/// mantissa * 2^exponent
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    match exponent {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, exponent - 1075),
    }
}

fn hex(number: f64) -> String {
    if !number.is_finite() {
        return crate::repr::float_repr(number);
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    let (mantissa, exponent) = parts(number);
    let (lead, fraction) = (mantissa >> 52, mantissa & ((1 << 52) - 1));
    match mantissa {
        0 => format!("{sign}0x0.0p+0"),
        _ => format!("{sign}0x{lead}.{fraction:013x}p{:+}", exponent + 52),
    }
}

fn ratio(number: f64) -> Result<Value> {
    if number.is_nan() {
        return value_error("cannot convert NaN to integer ratio");
    }
    if number.is_infinite() {
        return Err(Error::new(Kind::Overflow, "cannot convert Infinity to integer ratio"));
    }
    let (mantissa, exponent) = parts(number);
    let shift = if mantissa == 0 { 0 } else { mantissa.trailing_zeros() as i32 };
    let exponent = if mantissa == 0 { 0 } else { exponent + shift };
    let mantissa = BigInt::from_u64(mantissa >> shift).unwrap_or_default();
    let power = BigInt::from(1) << exponent.unsigned_abs();
    let (top, bottom) = if exponent < 0 { (mantissa, power) } else { (mantissa * power, BigInt::from(1)) };
    let top = if number < 0.0 { -top } else { top };
    Ok(Value::tuple(vec![integer_value(top), integer_value(bottom)]))
}
