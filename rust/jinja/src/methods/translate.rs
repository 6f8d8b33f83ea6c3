//! str.translate and str.maketrans.

use super::arguments::{between, one};
use crate::dict::Dict;
use crate::error::{type_error, unsupported, value_error, Kind, Result};
use crate::operations::claim;
use crate::{access, runtime::Runtime, value::Args, value::Value};

pub fn translate(rt: &Runtime, text: &str, args: &Args) -> Result<Value> {
    let table = one("str.translate", args)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        rt.step(1)?;
        match access::subscript(rt, table, &Value::Int(c as i64)) {
            Ok(replacement) => push(&mut out, &replacement)?,
            Err(error) if matches!(error.kind, Kind::Index | Kind::Key) => out.push(c),
            Err(error) => return Err(error),
        }
    }
    claim(rt, out.len())?;
    Ok(Value::str(out))
}

fn push(out: &mut String, replacement: &Value) -> Result<()> {
    let code = match replacement {
        Value::None => return Ok(()),
        Value::Str(text) | Value::Markup(text) => {
            out.push_str(text);
            return within_limit(out);
        }
        Value::Int(code) => *code,
        Value::Bool(b) => *b as i64,
        Value::Big(_) => -1,
        _ => return type_error("character mapping must return integer, None or str"),
    };
    match u32::try_from(code) {
        Ok(code @ 0..=0x10ffff) => match char::from_u32(code) {
            Some(c) => out.push(c),
            None => return unsupported("the template makes half of a surrogate pair"),
        },
        _ => return value_error("character mapping must be in range(0x110000)"),
    }
    Ok(())
}

fn within_limit(out: &str) -> Result<()> {
    match out.len() > crate::operations::MAX_TEXT {
        true => unsupported("the template makes a text that is too long"),
        false => Ok(()),
    }
}

fn code(c: char) -> Value {
    Value::Int(c as i64)
}

pub fn maketrans(args: &Args) -> Result<Value> {
    let args = between("maketrans", args, 1, 3)?;
    let [from, to, ..] = args else { return of_dict(&args[0]) };
    let mut table = Dict::default();
    let Some(from) = from.as_str() else {
        return type_error("first maketrans argument must be a string if there is a second argument");
    };
    let Some(to) = to.as_str() else {
        return type_error(format!("maketrans() argument 2 must be str, not {}", to.type_name()));
    };
    if from.chars().count() != to.chars().count() {
        return value_error("the first two maketrans arguments must have equal length");
    }
    for (from, to) in from.chars().zip(to.chars()) {
        table.set(code(from), code(to))?;
    }
    if let Some(removed) = args.get(2) {
        let Some(removed) = removed.as_str() else {
            return type_error(format!("maketrans() argument 3 must be str, not {}", removed.type_name()));
        };
        for c in removed.chars() {
            table.set(code(c), Value::None)?;
        }
    }
    Ok(Value::dict(table))
}

fn of_dict(source: &Value) -> Result<Value> {
    let Value::Dict(source) = source else {
        return type_error("if you give only one argument to maketrans it must be a dict");
    };
    let mut table = Dict::default();
    for (key, value) in source.iter() {
        let key = match key {
            Value::Int(_) | Value::Bool(_) | Value::Big(_) => key.clone(),
            Value::Str(text) | Value::Markup(text) => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) => code(c),
                    _ => return value_error("string keys in translate table must be of length 1"),
                }
            }
            _ => return type_error("keys in translate table must be strings or integers"),
        };
        table.set(key, value.clone())?;
    }
    Ok(Value::dict(table))
}
