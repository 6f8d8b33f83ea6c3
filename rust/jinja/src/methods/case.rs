//! Upper, lower and title case.

use super::unicode::{is_cased, is_title as is_title_char};
use super::unicode::{is_lower as is_lower_char, is_upper as is_upper_char};
use super::unicode::{push_folded, push_lower, push_title, push_upper};

const SIGMA: char = '\u{3a3}';

pub fn upper(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    mapped(text, push_upper)
}

pub fn casefold(text: &str) -> String {
    mapped(text, push_folded)
}

fn mapped(text: &str, push: fn(&mut String, char)) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c));
    out
}

pub fn lower(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut out = String::with_capacity(text.len());
    text.char_indices().for_each(|(at, c)| push_lower_at(&mut out, text, at, c));
    out
}

/// Lower case at its place: a sigma at the end of a word has a form of its own.
fn push_lower_at(out: &mut String, text: &str, at: usize, c: char) {
    match c {
        SIGMA => {
            // Rust's std knows what ends a word, and tells of a whole text: the form has two bytes, so
            // that those before do not move it.
            let before = text[..at].to_lowercase().len();
            let lower = text.to_lowercase();
            out.push_str(lower.get(before..before + 2).unwrap_or("\u{3c3}"));
        }
        _ => push_lower(out, c),
    }
}

pub fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match at {
            0 => push_title(&mut out, c),
            _ => push_lower_at(&mut out, text, at, c),
        }
    }
    out
}

pub fn title(text: &str) -> String {
    let (mut out, mut within) = (String::with_capacity(text.len()), false);
    for (at, c) in text.char_indices() {
        match within {
            true => push_lower_at(&mut out, text, at, c),
            false => push_title(&mut out, c),
        }
        within = is_cased(c);
    }
    out
}

pub fn swapcase(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            _ if is_upper_char(c) => push_lower_at(&mut out, text, at, c),
            _ if is_lower_char(c) => push_upper(&mut out, c),
            _ => out.push(c),
        }
    }
    out
}

pub fn is_lower(text: &str) -> bool {
    text.chars().any(is_lower_char) && !text.chars().any(|c| is_upper_char(c) || is_title_char(c))
}

pub fn is_upper(text: &str) -> bool {
    text.chars().any(is_upper_char) && !text.chars().any(|c| is_lower_char(c) || is_title_char(c))
}

pub fn is_title(text: &str) -> bool {
    let (mut within, mut cased) = (false, false);
    for c in text.chars() {
        let begins = is_upper_char(c) || is_title_char(c);
        let goes_on = is_lower_char(c);
        if begins && within || goes_on && !within {
            return false;
        }
        within = begins || goes_on;
        cased |= within;
    }
    cased
}
