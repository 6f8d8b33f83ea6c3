//! format(value, specification): the mini-language of str.format().

use super::{character, floats, radix_small};
use crate::error::{type_error, unsupported, value_error, Error, Kind, Result};
use crate::methods::unicode;
use crate::operations::{claim, to_float, Number, MAX_TEXT};
use crate::repr::{big_digits, str_of};
use crate::{runtime::Runtime, value::Value};
use num_bigint::BigInt;

struct Specification {
    fill: char,
    align: char,
    sign: Option<char>,
    no_negative_zero: bool,
    alternate: bool,
    width: Option<usize>,
    grouping: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// format(value, specification)
pub fn format_value(rt: &Runtime, value: &Value, specification: &str) -> Result<String> {
    if specification.is_empty() {
        return Ok(str_of(rt, value)?.into_owned());
    }
    let type_name = value.type_name();
    let default_align = if value.as_str().is_some() { '<' } else { '>' };
    if value.as_str().is_none() && Number::of(value).is_none() {
        return type_error(format!("unsupported format string passed to {type_name}.__format__"));
    }
    let spec = Specification::parse(specification, default_align, type_name)?;
    let text = match (value.as_str(), Number::of(value)) {
        (Some(text), _) => spec.text(text, type_name)?,
        (_, Some(Number::Float(f))) => spec.float(f, type_name)?,
        (_, Some(number)) => spec.integer(number, type_name)?,
        _ => String::new(),
    };
    claim(rt, text.len())?;
    Ok(text)
}

/// What is left of a specification while it is read.
struct Rest<'t>(&'t [char]);

impl Rest<'_> {
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let (&first, rest) = self.0.split_first()?;
        wanted(first).then(|| {
            self.0 = rest;
            first
        })
    }

    fn number(&mut self) -> Result<Option<usize>> {
        let mut number = None;
        while let Some(digit) = self.0.first().and_then(|c| unicode::decimal(*c)) {
            self.0 = &self.0[1..];
            let next = number.unwrap_or(0usize).checked_mul(10).and_then(|n| n.checked_add(digit as usize));
            match next.filter(|n| *n <= isize::MAX as usize) {
                None => return value_error("Too many decimal digits in format string"),
                next => number = next,
            }
        }
        match number {
            Some(number) if number > MAX_TEXT => unsupported("the template makes a text that is too long"),
            number => Ok(number),
        }
    }
}

fn is_align(c: char) -> bool {
    matches!(c, '<' | '>' | '=' | '^')
}

impl Specification {
    fn parse(text: &str, default_align: char, type_name: &str) -> Result<Specification> {
        let chars: Vec<char> = text.chars().collect();
        let mut rest = Rest(&chars);
        let mut fill = None;
        if chars.get(1).is_some_and(|c| is_align(*c)) {
            fill = rest.take(|_| true);
        }
        let mut align = rest.take(is_align);
        let sign = rest.take(|c| matches!(c, ' ' | '+' | '-'));
        let no_negative_zero = rest.take(|c| c == 'z').is_some();
        let alternate = rest.take(|c| c == '#').is_some();
        if fill.is_none() && rest.take(|c| c == '0').is_some() {
            fill = Some('0');
            if align.is_none() && default_align == '>' {
                align = Some('=');
            }
        }
        let width = rest.number()?;
        let grouping = grouping(&mut rest)?;
        let mut precision = None;
        if rest.take(|c| c == '.').is_some() {
            precision = rest.number()?;
            if precision.is_none() {
                return value_error("Format specifier missing precision");
            }
        }
        let kind = rest.take(|_| true);
        if !rest.0.is_empty() {
            return value_error(format!(
                "Invalid format specifier '{text}' for object of type '{type_name}'"
            ));
        }
        let (fill, align) = (fill.unwrap_or(' '), align.unwrap_or(default_align));
        let spec = Specification {
            fill,
            align,
            sign,
            no_negative_zero,
            alternate,
            width,
            grouping,
            precision,
            kind,
        };
        spec.check_grouping()?;
        Ok(spec)
    }

    fn check_grouping(&self) -> Result<()> {
        match (self.grouping, self.kind) {
            (None, _) | (_, None | Some('d' | 'e' | 'f' | 'g' | 'E' | 'F' | 'G' | '%')) => Ok(()),
            (Some('_'), Some('b' | 'o' | 'x' | 'X')) => Ok(()),
            (Some(separator), Some(kind)) => {
                value_error(format!("Cannot specify '{separator}' with '{kind}'."))
            }
        }
    }

    fn unknown<T>(&self, type_name: &str) -> Result<T> {
        let kind = self.kind.unwrap_or(' ');
        value_error(format!("Unknown format code '{kind}' for object of type '{type_name}'"))
    }

    fn text(&self, text: &str, type_name: &str) -> Result<String> {
        const PLACE: &str = "in string format specifier";
        match self.kind {
            None | Some('s') => {}
            _ => return self.unknown(type_name),
        }
        match self.sign {
            Some(' ') => return value_error(format!("Space not allowed {PLACE}")),
            Some(_) => return value_error(format!("Sign not allowed {PLACE}")),
            None => {}
        }
        if self.no_negative_zero {
            return value_error(format!("Negative zero coercion (z) not allowed {PLACE}"));
        }
        if self.alternate {
            return value_error(format!("Alternate form (#) not allowed {PLACE}"));
        }
        if self.align == '=' {
            return value_error(format!("'=' alignment not allowed {PLACE}"));
        }
        if let Some(separator) = self.grouping {
            return value_error(format!("Cannot specify '{separator}' with 's'."));
        }
        let end = self.precision.and_then(|p| text.char_indices().nth(p)).map_or(text.len(), |(at, _)| at);
        let text = &text[..end];
        Ok(self.pad(text.chars().count(), "", text))
    }

    /// `head` (a sign and a prefix) and `body`, which have so many characters, at the width.
    fn pad(&self, length: usize, head: &str, body: &str) -> String {
        let padding = self.width.unwrap_or(0).saturating_sub(length);
        let (left, inner, right) = match self.align {
            '<' => (0, 0, padding),
            '^' => (padding / 2, 0, padding - padding / 2),
            '=' => (0, padding, 0),
            _ => (padding, 0, 0),
        };
        let mut out = String::with_capacity(body.len() + head.len() + padding * self.fill.len_utf8());
        let fill = |out: &mut String, count| out.extend(std::iter::repeat_n(self.fill, count));
        fill(&mut out, left);
        out.push_str(head);
        fill(&mut out, inner);
        out.push_str(body);
        fill(&mut out, right);
        out
    }

    fn integer(&self, number: Number, type_name: &str) -> Result<String> {
        let base = match self.kind {
            None | Some('d') => 10,
            Some('b') => 2,
            Some('o') => 8,
            Some('x' | 'X') => 16,
            Some('c') => return self.character(number),
            Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => return self.float(to_float(number)?, type_name),
            Some('n') => return unsupported("format code 'n' goes by the locale"),
            _ => return self.unknown(type_name),
        };
        self.check_integer()?;
        let (negative, mut digits) = digits(number, base)?;
        let mut head = self.sign_of(negative).to_string();
        if self.alternate {
            head.push_str(match base {
                2 => "0b",
                8 => "0o",
                16 => "0x",
                _ => "",
            });
        }
        if self.kind == Some('X') {
            head.make_ascii_uppercase();
            digits.make_ascii_uppercase();
        }
        Ok(self.number(head, &digits, "", if base == 10 { 3 } else { 4 }))
    }

    fn check_integer(&self) -> Result<()> {
        if self.precision.is_some() {
            return value_error("Precision not allowed in integer format specifier");
        }
        if self.no_negative_zero {
            return value_error("Negative zero coercion (z) not allowed in integer format specifier");
        }
        Ok(())
    }

    fn character(&self, number: Number) -> Result<String> {
        self.check_integer()?;
        if self.sign.is_some() {
            return value_error("Sign not allowed with integer format specifier 'c'");
        }
        if self.alternate {
            return value_error("Alternate form (#) not allowed with integer format specifier 'c'");
        }
        match number {
            Number::Int(code) => Ok(self.pad(1, "", &character(code)?.to_string())),
            _ => Err(Error::new(Kind::Overflow, "Python int too large to convert to C long")),
        }
    }

    fn sign_of(&self, negative: bool) -> &'static str {
        match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        }
    }

    fn float(&self, number: f64, type_name: &str) -> Result<String> {
        let number = if self.kind == Some('%') { number * 100.0 } else { number };
        if self.precision.is_some_and(|p| p > i32::MAX as usize) {
            return value_error("precision too big");
        }
        let precision = self.precision.unwrap_or(6);
        let mut text = match self.kind {
            None => match self.precision {
                None => self.plain(number),
                Some(precision) => floats::general(number, precision, self.alternate, true),
            },
            Some('e' | 'E') => floats::scientific(number, precision, self.alternate),
            Some('f' | 'F' | '%') => floats::fixed(number, precision, self.alternate),
            Some('g' | 'G') => floats::general(number, precision, self.alternate, false),
            Some('n') => return unsupported("format code 'n' goes by the locale"),
            _ => return self.unknown(type_name),
        };
        if matches!(self.kind, Some('E' | 'F' | 'G')) {
            text.make_ascii_uppercase();
        }
        let zero = !text.contains(|c: char| matches!(c, '1'..='9' | 'n' | 'N'));
        let negative = text.starts_with('-') && !(self.no_negative_zero && zero);
        let body = text.trim_start_matches('-');
        let behind = body.find(|c: char| !c.is_ascii_digit()).unwrap_or(body.len());
        let (digits, mut rest) = body.split_at(behind);
        let percent;
        if self.kind == Some('%') {
            percent = format!("{rest}%");
            rest = &percent;
        }
        Ok(self.number(self.sign_of(negative).to_string(), digits, rest, 3))
    }

    fn plain(&self, number: f64) -> String {
        let text = floats::shortest(number, true);
        // The alternate form keeps a point before an exponent: 1.e+16.
        match text.split_once('e') {
            Some((mantissa, exponent)) if self.alternate && !mantissa.contains('.') => {
                format!("{mantissa}.e{exponent}")
            }
            _ => text,
        }
    }

    /// Puts a number together from sign and prefix, the digits before the point, and what follows.
    fn number(&self, head: String, digits: &str, rest: &str, group: usize) -> String {
        let around = head.len() + rest.len();
        let minimum = match (self.fill, self.align) {
            ('0', '=') => self.width.unwrap_or(0).saturating_sub(around),
            _ => 0,
        };
        let mut body = match digits.is_empty() {
            true => String::new(),
            false => grouped(digits, self.grouping, group, minimum),
        };
        body.push_str(rest);
        self.pad(head.len() + body.len(), &head, &body)
    }
}

fn grouping(rest: &mut Rest) -> Result<Option<char>> {
    const BOTH: &str = "Cannot specify both ',' and '_'.";
    let mut grouping = rest.take(|c| c == ',');
    if rest.take(|c| c == '_').is_some() {
        if grouping.is_some() {
            return value_error(BOTH);
        }
        grouping = Some('_');
    }
    if rest.0.first() == Some(&',') && grouping == Some('_') {
        return value_error(BOTH);
    }
    Ok(grouping)
}

fn digits(number: Number, base: u32) -> Result<(bool, String)> {
    let text = match number {
        Number::Int(i) => return Ok((i < 0, radix_small(i.unsigned_abs(), base))),
        Number::Big(big) if base == 10 => big_digits(big)?,
        Number::Big(big) => BigInt::to_str_radix(big, base),
        Number::Float(_) => String::new(),
    };
    Ok((text.starts_with('-'), text.trim_start_matches('-').to_string()))
}

/// The digits with zeros before them up to a width, and a separator between groups of digits.
fn grouped(digits: &str, separator: Option<char>, group: usize, minimum: usize) -> String {
    let Some(separator) = separator else {
        return "0".repeat(minimum.saturating_sub(digits.len())) + digits;
    };
    let mut reversed = Vec::with_capacity(minimum.max(digits.len() * 4 / 3 + 1));
    let mut left = digits.bytes().rev();
    let mut count = 0;
    loop {
        let digit = left.next();
        // A separator never comes first: where one would fill the width, a zero is added before it.
        let starts_group = count > 0 && count % group == 0;
        if digit.is_none() && reversed.len() >= minimum {
            break;
        }
        if starts_group {
            reversed.push(separator as u8);
        }
        reversed.push(digit.unwrap_or(b'0'));
        count += 1;
    }
    reversed.iter().rev().map(|byte| *byte as char).collect()
}
