//! Classes of characters, as Python's regular expressions have them.

use crate::methods::unicode::{is_alpha, is_decimal, is_line_break, is_numeric};

pub use crate::methods::unicode::{is_decimal as is_digit, is_space};

/// \w
pub fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c == '_' || c.is_ascii_alphanumeric();
    }
    is_alpha(c) || is_decimal(c) || is_numeric(c) || crate::methods::unicode::is_digit(c)
}

/// str.splitlines()
pub fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut begin = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if !is_line_break(c) {
            continue;
        }
        lines.push(&text[begin..at]);
        begin = at + c.len_utf8();
        if c == '\r' && chars.next_if(|(_, c)| *c == '\n').is_some() {
            begin += 1;
        }
    }
    if begin < text.len() {
        lines.push(&text[begin..]);
    }
    lines
}

/// str.splitlines(True)
pub fn lines_with_ends(text: &str) -> Vec<&str> {
    let starts: Vec<usize> =
        lines(text).iter().map(|line| line.as_ptr() as usize - text.as_ptr() as usize).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&begin, end)| &text[begin..end]).collect()
}
