//! Characters as Python 3.11 sees them. Rust's std knows a newer Unicode: whatever Unicode 14 has not
//! assigned is left alone here, because it is not printable to Python.

use super::tables;

fn within(boundaries: &[u32], c: char) -> bool {
    boundaries.partition_point(|&at| at <= c as u32) % 2 == 1
}

/// str.isprintable
pub fn is_printable(c: char) -> bool {
    match c.is_ascii() {
        true => (' '..='~').contains(&c),
        false => within(tables::PRINTABLE, c),
    }
}

pub fn is_alpha(c: char) -> bool {
    match c.is_ascii() {
        true => c.is_ascii_alphabetic(),
        false => within(tables::ALPHA, c),
    }
}

pub fn is_decimal(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && within(tables::DECIMAL, c)
}

pub fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && within(tables::DIGIT, c)
}

pub fn is_numeric(c: char) -> bool {
    c.is_ascii_digit() || !c.is_ascii() && within(tables::NUMERIC, c)
}

/// The value of a decimal digit; those of Unicode come in runs of ten that begin with zero.
pub fn decimal(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let at = tables::DECIMAL.partition_point(|&at| at <= c as u32);
    (at % 2 == 1).then(|| (c as u32 - tables::DECIMAL[at - 1]) % 10)
}

/// str.isspace, which is what str.split() and str.strip() go by.
pub fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\x1c'..='\x1f' | ' ')
        || !c.is_ascii()
            && matches!(
                c,
                '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'
                    ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
            )
}

/// Where str.splitlines() ends a line.
pub fn is_line_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether Unicode 14 has the character at all, as far as cases go.
fn assigned(c: char) -> bool {
    c.is_ascii() || is_printable(c)
}

pub fn is_lower(c: char) -> bool {
    // Rust's version of Unicode calls these letters lower case, and the last one not.
    let newer = matches!(c, '\u{10fc}' | '\u{a7f2}'..='\u{a7f4}' | '\u{ab69}');
    c.is_lowercase() && assigned(c) && !newer || c == '\u{295}'
}

pub fn is_upper(c: char) -> bool {
    c.is_uppercase() && assigned(c)
}

pub fn is_title(c: char) -> bool {
    matches!(c, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' | '\u{1f88}'..='\u{1f8f}')
        || matches!(c, '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}')
        || matches!(c, '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

pub fn is_cased(c: char) -> bool {
    is_lower(c) || is_upper(c) || is_title(c)
}

pub fn push_lower(out: &mut String, c: char) {
    match assigned(c) {
        true => out.extend(c.to_lowercase()),
        false => out.push(c),
    }
}

pub fn push_upper(out: &mut String, c: char) {
    // Later versions of Unicode give these an upper case.
    let later = matches!(c, '\u{19b}' | '\u{264}' | '\u{a7d3}' | '\u{a7d5}');
    match assigned(c) && !later {
        true => out.extend(c.to_uppercase()),
        false => out.push(c),
    }
}

fn mapped(table: &[(char, &'static str)], c: char) -> Option<&'static str> {
    table.binary_search_by_key(&c, |(from, _)| *from).ok().map(|at| table[at].1)
}

pub fn push_title(out: &mut String, c: char) {
    match c {
        _ if c.is_ascii() => out.push(c.to_ascii_uppercase()),
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => out.push(c),
        '\u{1f80}'..='\u{1faf}' => out.extend(char::from_u32(c as u32 | 8)),
        _ => match mapped(tables::TITLE, c) {
            Some(title) => out.push_str(title),
            None => push_upper(out, c),
        },
    }
}

pub fn push_folded(out: &mut String, c: char) {
    let u = c as u32;
    match c {
        _ if c.is_ascii() => out.push(c.to_ascii_lowercase()),
        // Cherokee folds to its upper case.
        '\u{13a0}'..='\u{13f5}' => out.push(c),
        '\u{13f8}'..='\u{13fd}' => out.extend(char::from_u32(u - 8)),
        '\u{ab70}'..='\u{abbf}' => out.extend(char::from_u32(u - 0xab70 + 0x13a0)),
        '\u{1f80}'..='\u{1faf}' => {
            let row = [0x1f00, 0x1f20, 0x1f60][(((u >> 4) & 3) as usize).min(2)];
            out.extend(char::from_u32(row + (u & 7)));
            out.push('\u{3b9}');
        }
        _ => match mapped(tables::FOLDED, c) {
            Some(folded) => out.push_str(folded),
            None => push_lower(out, c),
        },
    }
}
