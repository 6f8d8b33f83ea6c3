//! `text % values`, step by step as CPython's unicode_format_arg.

use super::floats;
use crate::error::{type_error, unsupported, value_error, Error, Kind, Result};
use crate::methods::markup;
use crate::operations::{claim, to_float, Number, MAX_TEXT};
use crate::repr::{ascii, big_digits, repr, str_of};
use crate::{runtime::Runtime, value::Value};
use num_bigint::BigInt;
use num_traits::FromPrimitive;
use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// What stands between % and its conversion.
#[derive(Default)]
struct Directive {
    left: bool,
    sign: bool,
    blank: bool,
    alternate: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The values that are left to format.
enum Values<'a> {
    Tuple(&'a [Value]),
    /// One value that is not a tuple, until it is used.
    One(Option<Value>),
}

struct Formatter<'a> {
    rt: &'a Runtime,
    values: Values<'a>,
    /// The mapping of %(name)s.
    mapping: Option<&'a Value>,
    /// Markup escapes what it formats.
    escape: bool,
    out: String,
}

/// text % values
pub fn percent(rt: &Runtime, text: &str, values: &Value, escape: bool) -> Result<String> {
    let mut formatter = Formatter {
        rt,
        values: match values {
            Value::Tuple(items) => Values::Tuple(items),
            other => Values::One(Some(other.clone())),
        },
        mapping: is_mapping(values).then_some(values),
        escape,
        out: String::with_capacity(text.len() + 16),
    };
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '%' => formatter.directive(text, &mut rest)?,
            _ => formatter.out.push(c),
        }
    }
    let unused = match &formatter.values {
        Values::Tuple(items) => !items.is_empty(),
        Values::One(value) => value.is_some(),
    };
    if unused && formatter.mapping.is_none() {
        return type_error("not all arguments converted during string formatting");
    }
    claim(rt, formatter.out.len())?;
    Ok(formatter.out)
}

/// Whether Python's type has __getitem__ and is neither a tuple nor a str.
fn is_mapping(value: &Value) -> bool {
    match value {
        Value::Dict(_) | Value::List(_) | Value::Undefined(_) => true,
        Value::Object(object) => {
            object.is_mapping()
                || matches!(object.type_name(), "range" | "TemplateReference" | "mappingproxy")
        }
        _ => false,
    }
}

fn incomplete<T>() -> Result<T> {
    value_error("incomplete format")
}

impl Formatter<'_> {
    fn next_value(&mut self) -> Result<Value> {
        let next = match &mut self.values {
            Values::Tuple(items) => items.split_first().map(|(first, rest)| {
                *items = rest;
                first.clone()
            }),
            Values::One(value) => value.take(),
        };
        next.map_or_else(|| type_error("not enough arguments for format string"), Ok)
    }

    fn directive(&mut self, text: &str, rest: &mut Peekable<Chars>) -> Result<()> {
        if rest.next_if_eq(&'%').is_some() {
            self.out.push('%');
            return Ok(());
        }
        if rest.next_if_eq(&'(').is_some() {
            self.look_up(rest)?;
        }
        let mut directive = Directive::default();
        flags(&mut directive, rest);
        self.width(&mut directive, rest)?;
        if rest.next_if_eq(&'.').is_some() {
            self.precision(&mut directive, rest)?;
        }
        rest.next_if(|c| matches!(c, 'h' | 'l' | 'L'));
        let Some(conversion) = rest.next() else { return incomplete() };
        if !matches!(
            conversion,
            's' | 'r' | 'a' | 'd' | 'i' | 'u' | 'o' | 'x' | 'X' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'c'
        ) {
            self.next_value()?;
            let at = text.chars().count() - rest.clone().count() - 1;
            let shown = if matches!(conversion, ' '..='~') { conversion } else { '?' };
            let code = conversion as u32;
            return value_error(format!("unsupported format character '{shown}' ({code:#x}) at index {at}"));
        }
        let value = self.next_value()?;
        self.convert(&directive, conversion, &value)
    }

    /// %(name): the name may hold balanced parentheses.
    fn look_up(&mut self, rest: &mut Peekable<Chars>) -> Result<()> {
        let Some(mapping) = self.mapping else { return type_error("format requires a mapping") };
        let (mut name, mut open) = (String::new(), 1);
        loop {
            match rest.next() {
                None => return value_error("incomplete format key"),
                Some(')') if open == 1 => break,
                Some(c) => {
                    open += (c == '(') as i32 - (c == ')') as i32;
                    name.push(c);
                }
            }
        }
        let found = crate::access::subscript(self.rt, mapping, &Value::str(name))?;
        self.values = Values::One(Some(found));
        Ok(())
    }

    fn star(&mut self) -> Result<i64> {
        match self.next_value()? {
            _ if self.escape => type_error("* wants int"),
            Value::Int(i) => Ok(i),
            Value::Bool(b) => Ok(b as i64),
            Value::Big(_) => Err(Error::new(Kind::Overflow, "Python int too large to convert to C ssize_t")),
            _ => type_error("* wants int"),
        }
    }

    fn width(&mut self, directive: &mut Directive, rest: &mut Peekable<Chars>) -> Result<()> {
        if rest.next_if_eq(&'*').is_some() {
            let width = self.star()?;
            directive.left |= width < 0;
            directive.width = Some(limited(width.unsigned_abs() as usize)?);
        } else if rest.peek().is_some_and(char::is_ascii_digit) {
            directive.width = Some(number(rest, "width too big")?);
        }
        Ok(())
    }

    fn precision(&mut self, directive: &mut Directive, rest: &mut Peekable<Chars>) -> Result<()> {
        directive.precision = Some(match rest.next_if_eq(&'*') {
            Some(_) => limited(usize::try_from(self.star()?).unwrap_or(0))?,
            None => number(rest, "precision too big")?,
        });
        Ok(())
    }

    fn convert(&mut self, directive: &Directive, conversion: char, value: &Value) -> Result<()> {
        let numeric = !matches!(conversion, 's' | 'r' | 'a' | 'c');
        let text: Cow<str> = match conversion {
            's' if self.escape => markup::escape_value(self.rt, value)?.to_string().into(),
            's' => str_of(self.rt, value)?,
            'r' if self.escape => markup::escape(&repr(self.rt, value)?).to_string().into(),
            'a' if self.escape => markup::escape(&ascii(self.rt, value)?).to_string().into(),
            'r' => repr(self.rt, value)?.into(),
            'a' => ascii(self.rt, value)?.into(),
            'c' => self.character(value)?.to_string().into(),
            'd' | 'i' | 'u' | 'o' | 'x' | 'X' => self.integer(directive, conversion, value)?.into(),
            _ => self.float(directive, conversion, value)?.into(),
        };
        self.write(directive, conversion, &text, numeric)
    }

    fn character(&self, value: &Value) -> Result<char> {
        let code = match value {
            _ if self.escape => None,
            Value::Str(text) | Value::Markup(text) => {
                let mut chars = text.chars();
                return match (chars.next(), chars.next()) {
                    (Some(c), None) => Ok(c),
                    _ => type_error("%c requires int or char"),
                };
            }
            Value::Int(i) => Some(*i),
            Value::Bool(b) => Some(*b as i64),
            Value::Big(_) => Some(-1),
            _ => None,
        };
        match code {
            None => type_error("%c requires int or char"),
            Some(code) => character(code),
        }
    }

    fn integer(&self, directive: &Directive, conversion: char, value: &Value) -> Result<String> {
        let base = match conversion {
            'o' => 8,
            'x' | 'X' => 16,
            _ => 10,
        };
        let integer = self.to_integer(conversion, base, value)?;
        let (negative, digits, prefix) = match &integer {
            Cow::Borrowed(Value::Int(i)) => (*i < 0, radix_small(i.unsigned_abs(), base), base),
            other => big_radix(other, base)?,
        };
        let mut out = String::from(if negative { "-" } else { "" });
        if directive.alternate && prefix != 10 {
            out.push_str(if base == 8 { "0o" } else { "0x" });
        }
        let zeros = directive.precision.unwrap_or(0).saturating_sub(digits.len());
        out.extend(std::iter::repeat_n('0', zeros));
        out.push_str(&digits);
        Ok(if conversion == 'X' { out.to_ascii_uppercase() } else { out })
    }

    /// int(value) for the decimal conversions; the others take nothing but ints.
    fn to_integer<'v>(&self, conversion: char, base: u32, value: &'v Value) -> Result<Cow<'v, Value>> {
        let wanted = if base == 10 { "a real number" } else { "an integer" };
        match value {
            _ if self.escape && base != 10 => {
                type_error(format!("%{conversion} format: an integer is required, not _MarkupEscapeHelper"))
            }
            Value::Int(_) | Value::Big(_) => Ok(Cow::Borrowed(value)),
            Value::Bool(b) => Ok(Cow::Owned(Value::Int(*b as i64))),
            Value::Float(f) if base == 10 => truncated(*f).map(Cow::Owned),
            Value::Undefined(message) if base == 10 => Err(crate::access::undefined_error(message)),
            _ if self.escape => unsupported("a Markup text formats what is no number as a number"),
            _ => {
                let found = value.type_name();
                type_error(format!("%{conversion} format: {wanted} is required, not {found}"))
            }
        }
    }

    fn float(&self, directive: &Directive, conversion: char, value: &Value) -> Result<String> {
        let number = match Number::of(value) {
            Some(number) => to_float(number)?,
            None => match value {
                Value::Undefined(message) => return Err(crate::access::undefined_error(message)),
                _ if self.escape => {
                    return unsupported("a Markup text formats what is no number as a number")
                }
                _ => return type_error(format!("must be real number, not {}", value.type_name())),
            },
        };
        let (precision, alternate) = (directive.precision.unwrap_or(6), directive.alternate);
        let text = match conversion.to_ascii_lowercase() {
            'e' => floats::scientific(number, precision, alternate),
            'f' => floats::fixed(number, precision, alternate),
            _ => floats::general(number, precision, alternate, false),
        };
        Ok(if conversion.is_ascii_uppercase() { text.to_ascii_uppercase() } else { text })
    }

    /// Truncates, signs and pads the text of one value.
    fn write(&mut self, directive: &Directive, conversion: char, text: &str, numeric: bool) -> Result<()> {
        let (mut sign, mut body) = ("", text);
        if numeric {
            if let Some(digits) = text.strip_prefix('-') {
                (sign, body) = ("-", digits);
            } else if directive.sign {
                sign = "+";
            } else if directive.blank {
                sign = " ";
            }
        } else if let (Some(precision), 's' | 'r' | 'a') = (directive.precision, conversion) {
            body = body.char_indices().nth(precision).map_or(body, |(at, _)| &body[..at]);
        }
        let prefixed = directive.alternate && matches!(conversion, 'x' | 'X' | 'o');
        let (prefix, body) = body.split_at(if prefixed { 2 } else { 0 });
        let length = sign.len() + prefix.len() + body.chars().count();
        let padding = directive.width.unwrap_or(0).saturating_sub(length);
        claim(self.rt, self.out.len().saturating_add(padding).saturating_add(body.len()))?;
        let fill = |out: &mut String, c| out.extend(std::iter::repeat_n(c, padding));
        let zeros = numeric && directive.zero && !directive.left;
        if !directive.left && !zeros {
            fill(&mut self.out, ' ');
        }
        self.out.push_str(sign);
        self.out.push_str(prefix);
        if zeros {
            fill(&mut self.out, '0');
        }
        self.out.push_str(body);
        if directive.left {
            fill(&mut self.out, ' ');
        }
        Ok(())
    }
}

fn flags(directive: &mut Directive, rest: &mut Peekable<Chars>) {
    while let Some(flag) = rest.next_if(|c| matches!(c, '-' | '+' | ' ' | '#' | '0')) {
        match flag {
            '-' => directive.left = true,
            '+' => directive.sign = true,
            ' ' => directive.blank = true,
            '#' => directive.alternate = true,
            _ => directive.zero = true,
        }
    }
}

fn number(rest: &mut Peekable<Chars>, too_big: &str) -> Result<usize> {
    let mut number: usize = 0;
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        let next = number.checked_mul(10).and_then(|n| n.checked_add(digit as usize - '0' as usize));
        match next.filter(|n| *n <= isize::MAX as usize) {
            Some(next) => number = next,
            None => return value_error(too_big),
        }
    }
    limited(number)
}

/// Python would go on with gigabytes of padding.
fn limited(number: usize) -> Result<usize> {
    match number <= MAX_TEXT {
        true => Ok(number),
        false => unsupported("the template makes a text that is too long"),
    }
}

/// chr(code)
pub fn character(code: i64) -> Result<char> {
    match u32::try_from(code) {
        Ok(code @ 0..=0x10ffff) => match char::from_u32(code) {
            Some(c) => Ok(c),
            None => unsupported("the template makes half of a surrogate pair"),
        },
        _ => Err(Error::new(Kind::Overflow, "%c arg not in range(0x110000)")),
    }
}

/// int(number)
fn truncated(number: f64) -> Result<Value> {
    if number.is_nan() {
        return value_error("cannot convert float NaN to integer");
    }
    match BigInt::from_f64(number.trunc()) {
        Some(big) => Ok(crate::operations::integer(big)),
        None => Err(Error::new(Kind::Overflow, "cannot convert float infinity to integer")),
    }
}

pub fn radix_small(number: u64, base: u32) -> String {
    match base {
        2 => format!("{number:b}"),
        8 => format!("{number:o}"),
        16 => format!("{number:x}"),
        _ => number.to_string(),
    }
}

fn big_radix(value: &Value, base: u32) -> Result<(bool, String, u32)> {
    let digits = match value {
        Value::Big(big) if base == 10 => big_digits(big)?,
        Value::Big(big) => big.to_str_radix(base),
        Value::Int(i) => BigInt::from(*i).to_str_radix(base),
        _ => String::new(),
    };
    let negative = digits.starts_with('-');
    Ok((negative, digits.trim_start_matches('-').to_string(), base))
}
