//! strftime_now(): the clock, written as glibc's strftime writes it in the C locale.

use crate::error::{type_error, unsupported, Result};
use crate::filters::arguments::bind;
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use chrono::{DateTime, Datelike, Local, NaiveDateTime, Timelike};
use std::iter::Peekable;
use std::str::CharIndices;

/// datetime.now().strftime(format)
pub fn strftime_now(rt: &Runtime, args: Args) -> Result<Value> {
    let ([format], []) = bind("strftime_now", ["format"], [], args)?;
    let Some(text) = format.as_str() else {
        return type_error(format!("strftime() argument 1 must be str, not {}", format.type_name()));
    };
    let Some((moment, seconds)) = now(rt) else {
        return unsupported("the moment of strftime_now is beyond the calendar");
    };
    Ok(Value::str(Writer { text, moment, seconds }.written()?))
}

fn now(rt: &Runtime) -> Option<(NaiveDateTime, i64)> {
    match rt.now {
        Some(seconds) => Some((DateTime::from_timestamp(seconds, 0)?.naive_utc(), seconds)),
        None => {
            let local = Local::now();
            Some((local.naive_local(), local.timestamp()))
        }
    }
}

struct Writer<'a> {
    text: &'a str,
    moment: NaiveDateTime,
    seconds: i64,
}

/// How a directive's flags and width change what it writes.
#[derive(Default, Clone, Copy)]
struct Style {
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: usize,
}

/// What a directive writes before its style is applied.
enum Field {
    Number { number: i64, digits: usize, spaced: bool },
    Name(String),
    Half(&'static str),
    LowerHalf(&'static str),
    Plain(&'static str),
    Composite(&'static str),
}

/// Wider fields are refused.
const WIDEST: usize = 1024;

impl Writer<'_> {
    fn written(&self) -> Result<String> {
        let mut out = String::new();
        let mut chars = self.text.char_indices().peekable();
        while let Some((begin, c)) = chars.next() {
            match c {
                '\0' => return unsupported("the format of strftime_now has a null character"),
                '%' => self.directive(begin, &mut chars, &mut out)?,
                _ => out.push(c),
            }
        }
        Ok(out)
    }

    fn directive(&self, begin: usize, chars: &mut Peekable<CharIndices>, out: &mut String) -> Result<()> {
        let style = style(chars);
        if style.width > WIDEST {
            return unsupported("strftime_now is asked for too wide a field");
        }
        let modifier = chars.next_if(|(_, c)| matches!(c, 'E' | 'O')).map(|(_, c)| c);
        let Some((at, c)) = chars.next() else {
            out.push_str(&unknown(&self.text[begin..], self.text.len() - begin, style));
            return Ok(());
        };
        let plain = at == begin + 1;
        match (c, self.field(c).filter(|_| takes(c, modifier))) {
            // Python writes these itself; without a time zone they are empty.
            ('z' | 'Z', _) if plain => {}
            ('z' | 'Z', _) => {
                return unsupported("strftime_now is asked for a time zone with a width or a flag")
            }
            ('f', _) if plain => out.push_str(&format!("{:06}", self.moment.nanosecond() / 1000 % 1_000_000)),
            (_, Some(field)) => out.push_str(&self.styled(field, style)?),
            // glibc takes but the first byte of a character for the directive.
            (_, None) => out.push_str(&unknown(&self.text[begin..at + c.len_utf8()], at + 1 - begin, style)),
        }
        Ok(())
    }

    fn styled(&self, field: Field, style: Style) -> Result<String> {
        let upper = style.upper;
        let text = match field {
            Field::Number { number, digits, spaced } => {
                padded_number(number, digits.max(style.width), spaced, style.pad)
            }
            Field::Name(name) if style.swap || upper => name.to_ascii_uppercase(),
            Field::Name(name) => name,
            Field::Half(half) if style.swap => half.to_ascii_lowercase(),
            Field::LowerHalf(half) => half.to_ascii_lowercase(),
            Field::Half(half) | Field::Plain(half) => half.to_string(),
            Field::Composite(text) if upper => Writer { text, ..*self }.written()?.to_ascii_uppercase(),
            Field::Composite(text) => Writer { text, ..*self }.written()?,
        };
        let width = text.len();
        Ok(padded(text, width, style))
    }

    fn field(&self, c: char) -> Option<Field> {
        let moment = &self.moment;
        let half = if moment.hour12().0 { "PM" } else { "AM" };
        Some(match c {
            'a' => Field::Name(moment.format("%a").to_string()),
            'A' => Field::Name(moment.format("%A").to_string()),
            'b' | 'h' => Field::Name(moment.format("%b").to_string()),
            'B' => Field::Name(moment.format("%B").to_string()),
            'c' => Field::Composite("%a %b %e %H:%M:%S %Y"),
            'D' | 'x' => Field::Composite("%m/%d/%y"),
            'F' => Field::Composite("%Y-%m-%d"),
            'n' => Field::Plain("\n"),
            'p' => Field::Half(half),
            'P' => Field::LowerHalf(half),
            'r' => Field::Composite("%I:%M:%S %p"),
            'R' => Field::Composite("%H:%M"),
            't' => Field::Plain("\t"),
            'T' | 'X' => Field::Composite("%H:%M:%S"),
            '%' => Field::Plain("%"),
            _ => return self.number(c),
        })
    }

    fn number(&self, c: char) -> Option<Field> {
        let moment = &self.moment;
        let weekday = moment.weekday().num_days_from_sunday();
        let week = |first: u32| (moment.ordinal0() + 7 - (weekday + 7 - first) % 7) / 7;
        let (number, digits): (i64, usize) = match c {
            'C' => (moment.year().div_euclid(100).into(), 1),
            'd' | 'e' => (moment.day().into(), 2),
            'g' => (moment.iso_week().year().rem_euclid(100).into(), 2),
            'G' => (moment.iso_week().year().into(), 1),
            'H' | 'k' => (moment.hour().into(), 2),
            'I' | 'l' => (moment.hour12().1.into(), 2),
            'j' => (moment.ordinal().into(), 3),
            'm' => (moment.month().into(), 2),
            'M' => (moment.minute().into(), 2),
            's' => (self.seconds, 1),
            'S' => (moment.second().into(), 2),
            'u' => (moment.weekday().number_from_monday().into(), 1),
            'U' => (week(0).into(), 2),
            'V' => (moment.iso_week().week().into(), 2),
            'w' => (weekday.into(), 1),
            'W' => (week(1).into(), 2),
            'y' => (moment.year().rem_euclid(100).into(), 2),
            'Y' => (moment.year().into(), 1),
            _ => return None,
        };
        Some(Field::Number { number, digits, spaced: matches!(c, 'e' | 'k' | 'l') })
    }
}

/// Whether a directive may have a modifier: E for another calendar, O for other digits.
fn takes(c: char, modifier: Option<char>) -> bool {
    match modifier {
        None => true,
        Some('E') => "cCnpPrRstTuxXyY%".contains(c),
        Some(_) => !"aAcDFxXY".contains(c),
    }
}

fn style(chars: &mut Peekable<CharIndices>) -> Style {
    let mut style = Style::default();
    while let Some((_, c)) = chars.next_if(|(_, c)| "_-0^#".contains(*c)) {
        match c {
            '^' => style.upper = true,
            '#' => style.swap = true,
            pad => style.pad = Some(pad),
        }
    }
    while let Some((_, digit)) = chars.next_if(|(_, c)| c.is_ascii_digit()) {
        let digit = digit.to_digit(10).unwrap_or_default() as usize;
        style.width = style.width.saturating_mul(10).saturating_add(digit);
    }
    style
}

fn padded_number(number: i64, digits: usize, spaced: bool, pad: Option<char>) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let text = number.unsigned_abs();
    match pad {
        Some('-') => format!("{sign}{text}"),
        Some('_') => format!("{:>digits$}", format!("{sign}{text}")),
        None if spaced => format!("{:>digits$}", format!("{sign}{text}")),
        _ => format!("{sign}{text:0>digits$}"),
    }
}

/// What glibc does not know is written as it is; `bytes` of it count for the width.
fn unknown(text: &str, bytes: usize, style: Style) -> String {
    let text = if style.upper { text.to_ascii_uppercase() } else { text.to_string() };
    padded(text, bytes, style)
}

/// Pads on the left: with zeros only if a flag says so.
fn padded(text: String, bytes: usize, style: Style) -> String {
    let missing = style.width.saturating_sub(bytes);
    if missing == 0 {
        return text;
    }
    (if style.pad == Some('0') { "0" } else { " " }).repeat(missing) + &text
}
