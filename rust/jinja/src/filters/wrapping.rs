//! wordwrap, with the rules of Python's textwrap.

use super::arguments::{bind, index};
use super::padding::{join, no_method};
use super::words::{is_digit, is_space, is_word, lines};
use crate::access::undefined_error;
use crate::error::{unsupported, value_error, Result};
use crate::operations::truth;
use crate::runtime::Runtime;
use crate::value::{Args, Value};

pub fn wordwrap(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let ([text], [width, long, separator, hyphens]) = bind("do_wordwrap", ["s"], optional, args)?;
    let separator = separator.filter(|separator| !separator.is_none()).unwrap_or_else(|| Value::str("\n"));
    let Some(text) = text.as_str() else {
        return Err(no_method(&text, "splitlines"));
    };
    if separator.as_str().is_none() {
        return Err(no_method(&separator, "join"));
    }
    let mut paragraphs = Vec::new();
    for line in lines(text) {
        let wrapper = Wrapper {
            width: width_of(width.as_ref())?,
            break_long: long.as_ref().is_none_or(truth),
            at_hyphens: hyphens.as_ref().is_none_or(|flag| matches!(flag, Value::Bool(true))),
            within_hyphens: hyphens.as_ref().is_none_or(truth),
        };
        let wrapped = wrapper.wrap(rt, line)?.into_iter().map(Value::str).collect();
        paragraphs.push(join(rt, &separator, wrapped)?);
    }
    join(rt, &separator, paragraphs)
}

fn width_of(width: Option<&Value>) -> Result<usize> {
    let width = match width {
        None => 79,
        Some(Value::Float(_)) => return unsupported("the width of wordwrap is a float"),
        Some(Value::Undefined(message)) => return Err(undefined_error(message)),
        Some(width) => index(width)?,
    };
    match usize::try_from(width) {
        Ok(width) if width > 0 => Ok(width),
        _ => value_error(format!("invalid width {width} (must be > 0)")),
    }
}

/// textwrap.TextWrapper, with the settings that jinja2 gives it.
struct Wrapper {
    width: usize,
    break_long: bool,
    /// Whether chunks end after the hyphens of compound words.
    at_hyphens: bool,
    /// Whether too long a chunk is broken after a hyphen.
    within_hyphens: bool,
}

impl Wrapper {
    fn wrap(&self, rt: &Runtime, text: &str) -> Result<Vec<String>> {
        rt.step(text.len() as u64 / 16)?;
        let text: Vec<char> = text.chars().collect();
        let mut chunks = if self.at_hyphens { hyphenated(&text) } else { spaced(&text) };
        chunks.reverse();
        let mut lines = Vec::new();
        while !chunks.is_empty() {
            let line = self.line(&mut chunks, !lines.is_empty());
            if !line.is_empty() {
                lines.push(line.concat().iter().collect());
            }
        }
        Ok(lines)
    }

    /// Takes the chunks of one line off the end of `chunks`.
    fn line<'a>(&self, chunks: &mut Vec<&'a [char]>, later: bool) -> Vec<&'a [char]> {
        if later && chunks.last().is_some_and(|chunk| is_blank(chunk)) {
            chunks.pop();
        }
        let mut line: Vec<&[char]> = Vec::new();
        let mut length = 0;
        while chunks.last().is_some_and(|chunk| length + chunk.len() <= self.width) {
            let chunk = chunks.pop().unwrap_or_default();
            line.push(chunk);
            length += chunk.len();
        }
        if chunks.last().is_some_and(|chunk| chunk.len() > self.width) {
            self.break_long_chunk(chunks, &mut line, self.width - length);
        }
        if line.last().is_some_and(|chunk| is_blank(chunk)) {
            line.pop();
        }
        line
    }

    fn break_long_chunk<'a>(&self, chunks: &mut Vec<&'a [char]>, line: &mut Vec<&'a [char]>, left: usize) {
        let Some(chunk) = chunks.pop() else { return };
        if self.break_long {
            let (head, tail) = chunk.split_at(self.break_at(chunk, left));
            line.push(head);
            chunks.push(tail);
        } else if line.is_empty() {
            line.push(chunk);
        } else {
            chunks.push(chunk);
        }
    }

    fn break_at(&self, chunk: &[char], left: usize) -> usize {
        if !self.within_hyphens || chunk.len() <= left {
            return left.min(chunk.len());
        }
        match chunk[..left].iter().rposition(|c| *c == '-') {
            Some(hyphen) if chunk[..hyphen].iter().any(|c| *c != '-') => hyphen + 1,
            _ => left,
        }
    }
}

/// chunk.strip() == ''
fn is_blank(chunk: &[char]) -> bool {
    chunk.iter().all(|c| is_space(*c))
}

/// The whitespace at which textwrap splits: the space and ASCII's controls of it.
fn is_break(c: char) -> bool {
    matches!(c, '\t'..='\r' | ' ')
}

fn spaced(text: &[char]) -> Vec<&[char]> {
    text.chunk_by(|left, right| is_break(*left) == is_break(*right)).collect()
}

/// textwrap.TextWrapper.wordsep_re: splits at spaces, after the hyphens of compound words and around
/// dashes ("--") between words.
fn hyphenated(text: &[char]) -> Vec<&[char]> {
    let mut chunks = Vec::new();
    let mut begin = 0;
    while begin < text.len() {
        let end = chunk_end(text, begin);
        chunks.push(&text[begin..end]);
        begin = end;
    }
    chunks
}

fn chunk_end(text: &[char], begin: usize) -> usize {
    if is_break(text[begin]) {
        return begin + text[begin..].iter().take_while(|c| is_break(**c)).count();
    }
    if let Some(end) = dash_end(text, begin) {
        return end;
    }
    let mut at = begin + 1;
    while at < text.len() && !is_break(text[at]) && dash_end(text, at).is_none() {
        if ends_in_hyphen(text, at) {
            return at + 1;
        }
        at += 1;
    }
    at
}

/// The end of a dash between words that begins here: (?<=[\w!"'&.,?])-{2,}(?=\w)
fn dash_end(text: &[char], begin: usize) -> Option<usize> {
    let end = begin + text[begin..].iter().take_while(|c| **c == '-').count();
    let before = *text.get(begin.checked_sub(1)?)?;
    let between = is_word(before) || "!\"'&.,?".contains(before);
    (end >= begin + 2 && between && text.get(end).is_some_and(|c| is_word(*c))).then_some(end)
}

/// Whether the hyphen of a compound word is here: after two letters, or a letter, a hyphen and a
/// letter, and before two letters, which may have a hyphen between.
fn ends_in_hyphen(text: &[char], at: usize) -> bool {
    let letter = |at: Option<usize>| {
        let c = at.and_then(|at| text.get(at));
        c.is_some_and(|c| is_word(*c) && !is_digit(*c))
    };
    if text[at] != '-' || !letter(at.checked_sub(1)) {
        return false;
    }
    let compound = at >= 3 && text[at - 2] == '-' && letter(Some(at - 3));
    let second = if text.get(at + 2) == Some(&'-') { at + 3 } else { at + 2 };
    (compound || letter(at.checked_sub(2))) && letter(Some(at + 1)) && letter(Some(second))
}
