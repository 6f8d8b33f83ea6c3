//! str.format(): string.Formatter, with the attributes and items of the sandbox.

use super::specification::format_value;
use crate::error::{value_error, Error, Kind, Result};
use crate::methods::{markup, unicode};
use crate::operations::claim;
use crate::repr::{ascii, repr, str_of, str_repr};
use crate::{access, runtime::Runtime, value::Args, value::Value};
use std::sync::Arc;

/// Whether the values are escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Markup,
}

/// The values that fields name.
pub struct Arguments<'a> {
    positional: &'a [Value],
    named: Named<'a>,
}

enum Named<'a> {
    Args(&'a [(Arc<str>, Value)]),
    /// format_map(mapping)
    Mapping(&'a Value),
}

impl<'a> Arguments<'a> {
    pub fn of(args: &'a Args) -> Self {
        Arguments { positional: &args.positional, named: Named::Args(&args.named) }
    }
    pub fn map(mapping: &'a Value) -> Self {
        Arguments { positional: &[], named: Named::Mapping(mapping) }
    }

    fn get(&self, rt: &Runtime, first: &First) -> Result<Value> {
        match (first, &self.named) {
            (First::Index(at), _) => match self.positional.get(*at) {
                Some(value) => Ok(value.clone()),
                // What the sandbox calls has its arguments in a tuple.
                None => Err(Error::new(Kind::Index, "tuple index out of range")),
            },
            (First::Name(name), Named::Args(named)) => match named.iter().find(|(key, _)| **key == **name) {
                Some((_, value)) => Ok(value.clone()),
                None => Err(Error::new(Kind::Key, str_repr(name))),
            },
            (First::Name(name), Named::Mapping(mapping)) => {
                access::subscript(rt, mapping, &Value::str(name.as_str()))
            }
        }
    }
}

enum First {
    Index(usize),
    Name(String),
}

/// How fields without a number are counted.
#[derive(Clone, Copy)]
enum Numbering {
    Automatic(usize),
    Manual,
}

pub fn format(rt: &Runtime, text: &str, args: &Arguments, style: Style) -> Result<String> {
    let mut formatter = Fields { rt, args, style, numbering: Numbering::Automatic(0) };
    formatter.expand(&text.chars().collect::<Vec<_>>(), 2)
}

struct Fields<'a> {
    rt: &'a Runtime,
    args: &'a Arguments<'a>,
    style: Style,
    numbering: Numbering,
}

/// A replacement field; the parts between `{` and `}`.
struct Field<'t> {
    name: &'t [char],
    conversion: Option<char>,
    specification: &'t [char],
}

impl Fields<'_> {
    fn expand(&mut self, text: &[char], depth: i32) -> Result<String> {
        if depth < 0 {
            return value_error("Max string recursion exceeded");
        }
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((&c, after)) = rest.split_first() {
            rest = after;
            let doubled = rest.first() == Some(&c);
            match c {
                '{' | '}' if doubled => {
                    out.push(c);
                    rest = &rest[1..];
                }
                '}' => return value_error("Single '}' encountered in format string"),
                '{' if rest.is_empty() => return value_error("Single '{' encountered in format string"),
                '{' => {
                    let field = Field::parse(&mut rest)?;
                    let text = self.field(&field, depth)?;
                    claim(self.rt, out.len() + text.len())?;
                    out.push_str(&text);
                }
                _ => out.push(c),
            }
        }
        Ok(out)
    }

    fn field(&mut self, field: &Field, depth: i32) -> Result<String> {
        let value = self.look_up(field.name)?;
        let value = match field.conversion {
            None => value,
            Some('s') => Value::str(str_of(self.rt, &value)?),
            Some('r') => Value::str(repr(self.rt, &value)?),
            Some('a') => Value::str(ascii(self.rt, &value)?),
            Some(other) => return value_error(format!("Unknown conversion specifier {other}")),
        };
        let specification = self.expand(field.specification, depth - 1)?;
        match self.style {
            Style::Plain => format_value(self.rt, &value, &specification),
            Style::Markup => self.escaped(&value, &specification),
        }
    }

    fn escaped(&self, value: &Value, specification: &str) -> Result<String> {
        match value {
            Value::Markup(_) if !specification.is_empty() => {
                value_error("Unsupported format specification for Markup.")
            }
            Value::Markup(text) => Ok(text.to_string()),
            _ => Ok(markup::escape(&format_value(self.rt, value, specification)?).to_string()),
        }
    }

    fn look_up(&mut self, name: &[char]) -> Result<Value> {
        let counted;
        let name = match self.number(name)? {
            Some(at) => {
                counted = at.to_string().chars().collect::<Vec<_>>();
                &counted[..]
            }
            None => name,
        };
        let end = name.iter().position(|c| matches!(c, '.' | '[')).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let first = match index(first)? {
            Some(at) => First::Index(at),
            None => First::Name(first.iter().collect()),
        };
        let mut value = self.args.get(self.rt, &first)?;
        while let Some((&c, after)) = rest.split_first() {
            value = match c {
                '.' => self.attribute(&value, after, &mut rest)?,
                '[' => self.item(&value, after, &mut rest)?,
                _ => return value_error("Only '.' or '[' may follow ']' in format field specifier"),
            };
        }
        Ok(value)
    }

    /// The number that a field without a name gets.
    fn number(&mut self, name: &[char]) -> Result<Option<usize>> {
        const SWITCH: &str = "cannot switch from manual field specification to automatic field numbering";
        match (name.is_empty(), self.numbering) {
            (true, Numbering::Manual) => value_error(SWITCH),
            (true, Numbering::Automatic(at)) => {
                self.numbering = Numbering::Automatic(at + 1);
                Ok(Some(at))
            }
            (false, numbering) if name.iter().all(|c| unicode::is_digit(*c)) => match numbering {
                Numbering::Automatic(1..) => value_error(SWITCH),
                _ => {
                    self.numbering = Numbering::Manual;
                    Ok(None)
                }
            },
            _ => Ok(None),
        }
    }

    fn attribute<'t>(&self, value: &Value, after: &'t [char], rest: &mut &'t [char]) -> Result<Value> {
        let end = after.iter().position(|c| matches!(c, '.' | '[')).unwrap_or(after.len());
        let (name, left) = after.split_at(end);
        *rest = left;
        if name.is_empty() {
            return value_error("Empty attribute in format string");
        }
        access::attribute(self.rt, value, &name.iter().collect::<String>())
    }

    fn item<'t>(&self, value: &Value, after: &'t [char], rest: &mut &'t [char]) -> Result<Value> {
        let Some(end) = after.iter().position(|c| *c == ']') else {
            return value_error("Missing ']' in format string");
        };
        let key = &after[..end];
        *rest = &after[end + 1..];
        if key.is_empty() {
            return value_error("Empty attribute in format string");
        }
        let key = match index(key)? {
            Some(at) => Value::Int(at as i64),
            None => Value::str(key.iter().collect::<String>()),
        };
        access::item(self.rt, value, &key)
    }
}

/// A name of decimal digits is a number.
fn index(name: &[char]) -> Result<Option<usize>> {
    let mut number: usize = 0;
    for c in name {
        let Some(digit) = unicode::decimal(*c) else { return Ok(None) };
        let next = number.checked_mul(10).and_then(|n| n.checked_add(digit as usize));
        match next.filter(|n| *n <= isize::MAX as usize) {
            Some(next) => number = next,
            None => return value_error("Too many decimal digits in format string"),
        }
    }
    Ok((!name.is_empty()).then_some(number))
}

impl<'t> Field<'t> {
    /// Reads a field behind its `{` through its `}`.
    fn parse(rest: &mut &'t [char]) -> Result<Field<'t>> {
        let text = *rest;
        let mut at = 0;
        let end = loop {
            match text.get(at) {
                None => return value_error("expected '}' before end of string"),
                Some('{') => return value_error("unexpected '{' in field name"),
                Some('[') => at += text[at..].iter().position(|c| *c == ']').unwrap_or(text.len() - at),
                Some('}' | ':' | '!') => break at,
                Some(_) => at += 1,
            }
        };
        let mut field = Field { name: &text[..end], conversion: None, specification: &[] };
        let mut begin = end + 1;
        match text[end] {
            '}' => {
                *rest = &text[begin..];
                return Ok(field);
            }
            '!' => {
                let Some(conversion) = text.get(begin) else {
                    return value_error("end of string while looking for conversion specifier");
                };
                field.conversion = Some(*conversion);
                match text.get(begin + 1) {
                    Some('}') => {
                        *rest = &text[begin + 2..];
                        return Ok(field);
                    }
                    Some(':') => begin += 2,
                    Some(_) => return value_error("expected ':' after conversion specifier"),
                    None => return value_error("unmatched '{' in format spec"),
                }
            }
            _ => {}
        }
        let length = closing(&text[begin..])?;
        field.specification = &text[begin..begin + length];
        *rest = &text[begin + length + 1..];
        Ok(field)
    }
}

/// Where the `}` is that closes a field, behind the braces within its specification.
fn closing(text: &[char]) -> Result<usize> {
    let mut open = 1;
    for (at, c) in text.iter().enumerate() {
        open += (*c == '{') as i32 - (*c == '}') as i32;
        if open == 0 {
            return Ok(at);
        }
    }
    value_error("unmatched '{' in format spec")
}
