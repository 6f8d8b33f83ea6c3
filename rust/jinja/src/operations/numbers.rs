//! Arithmetic: bool, int and float.

use super::{Binary, Unary};
use crate::error::{unsupported, Error, Kind, Result};
use crate::{runtime::Runtime, value::Value};
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_traits::{One, Signed, ToPrimitive, Zero};
use std::borrow::Cow;
use std::rc::Rc;

/// The largest integers that are computed here.
const MAX_BITS: u64 = 1 << 22;

/// The value of an integer: Int where it fits, Big elsewhere.
pub fn integer(big: BigInt) -> Value {
    match big.to_i64() {
        Some(small) => Value::Int(small),
        None => Value::Big(Rc::new(big)),
    }
}

fn wide(number: i128) -> Value {
    match i64::try_from(number) {
        Ok(small) => Value::Int(small),
        Err(_) => Value::Big(Rc::new(BigInt::from(number))),
    }
}

/// A value that is a number; bool is an int.
#[derive(Clone, Copy)]
pub enum Number<'a> {
    Int(i64),
    Big(&'a BigInt),
    Float(f64),
}

impl<'a> Number<'a> {
    pub fn of(value: &'a Value) -> Option<Number<'a>> {
        Some(match value {
            Value::Bool(b) => Number::Int(*b as i64),
            Value::Int(i) => Number::Int(*i),
            Value::Big(big) => Number::Big(big),
            Value::Float(f) => Number::Float(*f),
            _ => return None,
        })
    }

    /// The integer, where it is one.
    pub fn big(self) -> Option<Cow<'a, BigInt>> {
        match self {
            Number::Int(i) => Some(Cow::Owned(BigInt::from(i))),
            Number::Big(big) => Some(Cow::Borrowed(big)),
            Number::Float(_) => None,
        }
    }
}

fn overflow<T>(message: &str) -> Result<T> {
    Err(Error::new(Kind::Overflow, message))
}

fn zero_division<T>(message: &str) -> Result<T> {
    Err(Error::new(Kind::ZeroDivision, message))
}

/// float(x)
pub fn to_float(number: Number) -> Result<f64> {
    match number {
        Number::Int(i) => Ok(i as f64),
        Number::Float(f) => Ok(f),
        Number::Big(big) => match big.to_f64() {
            Some(f) if f.is_finite() => Ok(f),
            _ => overflow("int too large to convert to float"),
        },
    }
}

pub fn unary(op: Unary, number: Number) -> Value {
    match (op, number) {
        (Unary::Plus, Number::Int(i)) => Value::Int(i),
        (Unary::Plus, Number::Big(big)) => Value::Big(Rc::new(big.clone())),
        (Unary::Plus, Number::Float(f)) => Value::Float(f),
        (Unary::Minus, Number::Int(i)) => wide(-(i as i128)),
        (Unary::Minus, Number::Big(big)) => integer(-big),
        (Unary::Minus, Number::Float(f)) => Value::Float(-f),
    }
}

pub fn binary(rt: &Runtime, op: Binary, left: Number, right: Number) -> Result<Value> {
    match (left, right) {
        (Number::Int(a), Number::Int(b)) => ints(rt, op, a, b),
        (Number::Float(_), _) | (_, Number::Float(_)) => floats(op, to_float(left)?, to_float(right)?),
        _ => match (left.big(), right.big()) {
            (Some(a), Some(b)) => bigs(rt, op, &a, &b),
            _ => unreachable!("both are integers"),
        },
    }
}

pub fn ints(rt: &Runtime, op: Binary, a: i64, b: i64) -> Result<Value> {
    let (x, y) = (a as i128, b as i128);
    Ok(match op {
        Binary::Add => wide(x + y),
        Binary::Sub => wide(x - y),
        Binary::Mul => wide(x * y),
        Binary::FloorDiv if b == 0 => return zero_division("integer division or modulo by zero"),
        Binary::Mod if b == 0 => return zero_division("integer modulo by zero"),
        Binary::FloorDiv => wide(Integer::div_floor(&x, &y)),
        Binary::Mod => wide(Integer::mod_floor(&x, &y)),
        Binary::Div if b != 0 && a.unsigned_abs() <= 1 << 53 && b.unsigned_abs() <= 1 << 53 => {
            Value::Float(a as f64 / b as f64)
        }
        Binary::Div | Binary::Pow => return bigs(rt, op, &BigInt::from(a), &BigInt::from(b)),
    })
}

fn bigs(rt: &Runtime, op: Binary, a: &BigInt, b: &BigInt) -> Result<Value> {
    let bits = a.bits() + b.bits();
    if bits > MAX_BITS && op != Binary::Pow {
        return unsupported("the template computes integers that are too large");
    }
    rt.step(bits / 64)?;
    Ok(match op {
        Binary::Add => integer(a + b),
        Binary::Sub => integer(a - b),
        Binary::Mul => integer(a * b),
        Binary::FloorDiv if b.is_zero() => return zero_division("integer division or modulo by zero"),
        Binary::Mod if b.is_zero() => return zero_division("integer modulo by zero"),
        Binary::FloorDiv => integer(a.div_floor(b)),
        Binary::Mod => integer(a.mod_floor(b)),
        Binary::Div => Value::Float(true_division(a, b)?),
        Binary::Pow => return power(rt, a, b),
    })
}

/// a / b, rounded once, half to even.
fn true_division(a: &BigInt, b: &BigInt) -> Result<f64> {
    if b.is_zero() {
        return zero_division("division by zero");
    }
    if a.is_zero() {
        return Ok(if b.is_negative() { -0.0 } else { 0.0 });
    }
    // The quotient as q * 2^-shift, where q has at least 64 bits (or ends below the smallest float),
    // and an odd q where there is a remainder.
    let shift = (66 - a.bits() as i64 + b.bits() as i64).min(1080);
    let (x, y) = (a.magnitude(), b.magnitude());
    let (mut q, rest) = match shift >= 0 {
        true => (x << shift as u64).div_rem(y),
        false => x.div_rem(&(y << shift.unsigned_abs())),
    };
    if !rest.is_zero() {
        q |= BigUint::one();
    }
    let drop = (q.bits() as i64 - 53).max(shift - 1074).max(0) as u64;
    let mantissa = round_half_even(&q, drop).to_f64().unwrap_or(f64::INFINITY);
    let result = scale(mantissa, drop as i64 - shift);
    if result.is_infinite() {
        return overflow("integer division result too large for a float");
    }
    Ok(if (a.sign() == Sign::Minus) != (b.sign() == Sign::Minus) { -result } else { result })
}

fn round_half_even(q: &BigUint, drop: u64) -> BigUint {
    let kept = q >> drop;
    if drop == 0 {
        return kept;
    }
    let rest = q - (&kept << drop);
    let half = BigUint::one() << (drop - 1);
    match rest > half || rest == half && kept.is_odd() {
        true => kept + BigUint::one(),
        false => kept,
    }
}

/// mantissa * 2^exponent, which is exact.
fn scale(mantissa: f64, exponent: i64) -> f64 {
    let half = (exponent / 2) as i32;
    mantissa * 2f64.powi(half) * 2f64.powi(exponent as i32 - half)
}

fn power(rt: &Runtime, base: &BigInt, exponent: &BigInt) -> Result<Value> {
    if exponent.is_negative() {
        return float_power(to_float(Number::Big(base))?, to_float(Number::Big(exponent))?);
    }
    if base.magnitude() <= &BigUint::one() {
        let odd = exponent.is_odd();
        return Ok(Value::Int(match base.sign() {
            Sign::NoSign => exponent.is_zero() as i64,
            Sign::Minus if odd => -1,
            _ => 1,
        }));
    }
    let bits = exponent.to_u64().and_then(|e| base.bits().checked_mul(e));
    match (bits, exponent.to_u32()) {
        (Some(bits), Some(exponent)) if bits <= MAX_BITS => {
            rt.step(bits / 64)?;
            Ok(integer(base.pow(exponent)))
        }
        _ => unsupported("the template computes integers that are too large"),
    }
}

fn floats(op: Binary, a: f64, b: f64) -> Result<Value> {
    Ok(Value::Float(match op {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div if b == 0.0 => return zero_division("float division by zero"),
        Binary::FloorDiv if b == 0.0 => return zero_division("float floor division by zero"),
        Binary::Mod if b == 0.0 => return zero_division("float modulo"),
        Binary::Div => a / b,
        Binary::FloorDiv => floor_division(a, b),
        Binary::Mod => modulo(a, b),
        Binary::Pow => return float_power(a, b),
    }))
}

/// CPython's steps, which differ from floor(a / b) in their rounding.
fn floor_division(a: f64, b: f64) -> f64 {
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return 0f64.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > 0.5 {
        floor + 1.0
    } else {
        floor
    }
}

fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    match rest != 0.0 {
        true if (b < 0.0) != (rest < 0.0) => rest + b,
        true => rest,
        false => 0f64.copysign(b),
    }
}

fn float_power(a: f64, b: f64) -> Result<Value> {
    if a == 0.0 && b < 0.0 && b.is_finite() {
        return zero_division("0.0 cannot be raised to a negative power");
    }
    if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 {
        return unsupported("the template computes a complex number");
    }
    let result = a.powf(b);
    if result.is_infinite() && a.is_finite() && b.is_finite() {
        return overflow("(34, 'Numerical result out of range')");
    }
    Ok(Value::Float(result))
}
