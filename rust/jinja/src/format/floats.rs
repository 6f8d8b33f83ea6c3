//! Floats as texts: PyOS_double_to_string.

/// No f64 has more digits than this behind its point; whatever is asked for beyond is zeros.
const DIGITS: usize = 1100;

/// 'inf' and 'nan', which have no digits to format.
fn special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("nan"),
        _ if number.is_finite() => None,
        _ if number > 0.0 => Some("inf"),
        _ => Some("-inf"),
    }
}

/// repr(number), or with `dot_zero` false what format code 'r' gives: 1 instead of 1.0.
pub fn shortest(number: f64, dot_zero: bool) -> String {
    if let Some(text) = special(number) {
        return text.to_string();
    }
    let text = shortest_digits(number);
    let (mantissa, exponent) = split_exponent(&text);
    if (-4..16).contains(&exponent) {
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
        let plain = format!("{number:.*}", (digits - 1 - exponent).max(0) as usize);
        return if dot_zero && !plain.contains('.') { plain + ".0" } else { plain };
    }
    with_exponent(mantissa.to_string(), exponent)
}

/// The fewest digits that are read as the same number, as d.ddde±x; the nearest where there are
/// several, and the even one of two that are equally near, where Rust takes the greater.
fn shortest_digits(number: f64) -> String {
    let text = format!("{number:e}");
    let digits = split_exponent(&text).0.bytes().filter(u8::is_ascii_digit).count();
    // A number halfway between shorter ones has one digit more than they have, and all of it is exact.
    if digits < 16 {
        return text;
    }
    let even = format!("{number:.*e}", digits - 1);
    match even.parse() == Ok(number) {
        true => even,
        false => text,
    }
}

fn split_exponent(text: &str) -> (&str, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    (mantissa, exponent.parse().unwrap_or(0))
}

fn with_exponent(mut mantissa: String, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    mantissa.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
    mantissa
}

fn add_zeros(text: &mut String, precision: usize) {
    text.extend(std::iter::repeat_n('0', precision.saturating_sub(DIGITS)));
}

/// Format code f: so many digits behind the point, which `alternate` keeps where there are none.
pub fn fixed(number: f64, precision: usize, alternate: bool) -> String {
    if let Some(text) = special(number) {
        return text.to_string();
    }
    let mut text = format!("{number:.*}", precision.min(DIGITS));
    add_zeros(&mut text, precision);
    if alternate && precision == 0 {
        text.push('.');
    }
    text
}

/// Format code e.
pub fn scientific(number: f64, precision: usize, alternate: bool) -> String {
    if let Some(text) = special(number) {
        return text.to_string();
    }
    let text = format!("{number:.*e}", precision.min(DIGITS));
    let (mantissa, exponent) = split_exponent(&text);
    let mut mantissa = mantissa.to_string();
    add_zeros(&mut mantissa, precision);
    if alternate && precision == 0 {
        mantissa.push('.');
    }
    with_exponent(mantissa, exponent)
}

/// Format code g; `dot_zero` as for a specification without a code: 1.0 where g gives 1.
pub fn general(number: f64, precision: usize, alternate: bool, dot_zero: bool) -> String {
    if let Some(text) = special(number) {
        return text.to_string();
    }
    let precision = precision.max(1);
    let text = format!("{number:.*e}", (precision - 1).min(DIGITS));
    let (mantissa, exponent) = split_exponent(&text);
    let point = exponent as i64 + 1;
    if point <= -4 || point > precision as i64 - dot_zero as i64 {
        let mut mantissa = mantissa.to_string();
        trim(&mut mantissa, precision - 1, alternate);
        return with_exponent(mantissa, exponent);
    }
    let behind = (precision as i64 - point).max(0) as usize;
    let mut text = format!("{number:.*}", behind.min(DIGITS));
    trim(&mut text, behind, alternate);
    if dot_zero && !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// Without the zeros at the end of a fraction, or with all of them and the point.
fn trim(text: &mut String, precision: usize, alternate: bool) {
    if alternate {
        add_zeros(text, precision);
        if !text.contains('.') {
            text.push('.');
        }
    } else if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
}
