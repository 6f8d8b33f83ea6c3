//! Splits a template into tokens, as jinja2's lexer does with trim_blocks and lstrip_blocks.

mod literals;
mod token;

pub use token::{describe_expected, Kind, Token};

use crate::error::{Error, Kind as ErrorKind, Result};

/// str.isspace() of one character.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

fn skip_spaces(text: &str) -> &str {
    text.trim_start_matches(is_space)
}

pub fn syntax(message: impl Into<String>, line: u32) -> Error {
    Error::new(ErrorKind::Syntax, message).at(line)
}

/// The tokens up to the end of the template, or up to an error.
pub fn tokenize(source: &str) -> (Vec<Token>, Result<()>) {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    let mut lexer = Lexer { source, at: 0, line: 1, line_starting: true, tokens: Vec::new() };
    let result = lexer.template();
    lexer.push(Kind::Eof);
    (lexer.tokens, result)
}

struct Lexer<'a> {
    source: &'a str,
    /// What is read so far, in bytes.
    at: usize,
    line: u32,
    /// Whether what was read last ends a line: then blanks before the next tag are stripped.
    line_starting: bool,
    tokens: Vec<Token>,
}

/// What opens a tag.
#[derive(Clone, Copy, PartialEq)]
enum Tag {
    Raw,
    Variable,
    Comment,
    Block,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    fn advance(&mut self, bytes: usize) {
        let read = &self.source[self.at..self.at + bytes];
        self.line += read.bytes().filter(|&b| b == b'\n').count() as u32;
        if bytes > 0 {
            self.line_starting = read.ends_with('\n');
        }
        self.at += bytes;
    }

    fn template(&mut self) -> Result<()> {
        while !self.rest().is_empty() {
            let Some((begin, tag)) = find_tag(self.rest()) else {
                let data = self.rest();
                self.data(data);
                self.advance(data.len());
                return Ok(());
            };
            self.open(begin, tag)?;
        }
        Ok(())
    }

    /// Reads the text up to a tag, and the tag.
    fn open(&mut self, begin: usize, tag: Tag) -> Result<()> {
        let rest = self.rest();
        let sign = Sign::of(&rest[begin + 2..]);
        self.data(self.stripped(&rest[..begin], sign, tag != Tag::Variable));
        self.advance(begin);
        match tag {
            Tag::Variable => self.push(Kind::VariableBegin),
            Tag::Block => self.push(Kind::BlockBegin),
            Tag::Comment | Tag::Raw => {}
        }
        let length = match tag {
            Tag::Raw => raw_tag(&rest[begin..]).unwrap_or(2),
            _ => 2 + sign.length(),
        };
        self.advance(length);
        match tag {
            Tag::Raw => self.raw(),
            Tag::Comment => self.comment(),
            Tag::Variable => self.code(false),
            Tag::Block => self.code(true),
        }
    }

    fn data(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Kind::Data(text.into()));
        }
    }

    /// The text before a tag, less the blanks that the tag strips.
    fn stripped(&self, text: &'a str, sign: Sign, strips_blanks: bool) -> &'a str {
        match sign {
            Sign::Minus => text.trim_end_matches(is_space),
            Sign::None if strips_blanks => {
                let line = text.rfind('\n').map_or(0, |at| at + 1);
                let blank = skip_spaces(&text[line..]).is_empty();
                if blank && (line > 0 || self.line_starting) {
                    &text[..line]
                } else {
                    text
                }
            }
            _ => text,
        }
    }

    fn comment(&mut self) -> Result<()> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(());
        }
        let Some(end) = rest.find("#}") else {
            return Err(syntax("Missing end of comment tag", self.line));
        };
        let sign = Sign::before(&rest[..end]);
        self.advance(end + 2);
        self.after_tag(sign);
        Ok(())
    }

    /// Skips what a tag with this sign before its end strips behind it.
    fn after_tag(&mut self, sign: Sign) {
        let rest = self.rest();
        match sign {
            Sign::Minus => self.advance(rest.len() - skip_spaces(rest).len()),
            Sign::None => self.advance(rest.starts_with('\n') as usize),
            Sign::Plus => {}
        }
    }

    fn raw(&mut self) -> Result<()> {
        let rest = self.rest();
        if rest.is_empty() {
            return Ok(());
        }
        let ends = rest.match_indices("{%").find_map(|(at, _)| Some((at, endraw_tag(&rest[at..])?)));
        let Some((begin, (length, end_sign))) = ends else {
            return Err(syntax("Missing end of raw directive", self.line));
        };
        self.data(self.stripped(&rest[..begin], Sign::of(&rest[begin + 2..]), true));
        self.advance(begin + length);
        self.after_tag(end_sign);
        Ok(())
    }

    /// Reads the expression or statement of a tag, up to its end.
    fn code(&mut self, block: bool) -> Result<()> {
        let mut open = Vec::new();
        while !self.rest().is_empty() {
            if open.is_empty() && self.close(block) {
                return Ok(());
            }
            self.token(&mut open)?;
        }
        Ok(())
    }

    /// Reads the end of a tag, if it is here.
    fn close(&mut self, block: bool) -> bool {
        let rest = self.rest();
        let (end, kind) = match block {
            true => ("%}", Kind::BlockEnd),
            false => ("}}", Kind::VariableEnd),
        };
        let sign = match Sign::of(rest) {
            Sign::Plus if !block => Sign::None,
            sign => sign,
        };
        if !rest[sign.length()..].starts_with(end) {
            return false;
        }
        self.push(kind);
        self.advance(sign.length() + 2);
        if block || sign == Sign::Minus {
            self.after_tag(sign);
        }
        true
    }

    fn token(&mut self, open: &mut Vec<char>) -> Result<()> {
        let rest = self.rest();
        let spaces = rest.len() - skip_spaces(rest).len();
        if spaces > 0 {
            self.advance(spaces);
            return Ok(());
        }
        let after_dot = self.source[..self.at].ends_with('.');
        let literal = literals::number(rest, after_dot, self.line)?;
        let literal = match literal {
            None => literals::name(rest, self.line)?,
            found => found,
        };
        let literal = match literal {
            None => literals::string(rest, self.line)?,
            found => found,
        };
        let (kind, length) = match literal {
            Some(found) => found,
            None => self.operator(open)?,
        };
        self.push(kind);
        self.advance(length);
        Ok(())
    }

    fn operator(&self, open: &mut Vec<char>) -> Result<(Kind, usize)> {
        let rest = self.rest();
        let Some(operator) = token::operator(rest) else {
            let at = self.source[..self.at].chars().count();
            let shown = crate::repr::str_repr(&rest.chars().take(1).collect::<String>());
            return Err(syntax(format!("unexpected char {shown} at {at}"), self.line));
        };
        match operator {
            "{" => open.push('}'),
            "(" => open.push(')'),
            "[" => open.push(']'),
            "}" | ")" | "]" => self.balance(operator, open.pop())?,
            _ => {}
        }
        Ok((Kind::Operator(operator), operator.len()))
    }

    fn balance(&self, got: &str, expected: Option<char>) -> Result<()> {
        match expected {
            Some(expected) if got.starts_with(expected) => Ok(()),
            Some(expected) => Err(syntax(format!("unexpected '{got}', expected '{expected}'"), self.line)),
            None => Err(syntax(format!("unexpected '{got}'"), self.line)),
        }
    }
}

/// The sign for whitespace control at the edge of a tag.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    None,
    Minus,
    Plus,
}

impl Sign {
    /// The sign that a text begins with.
    fn of(text: &str) -> Sign {
        Sign::from(text.bytes().next())
    }
    /// The sign that a text ends with.
    fn before(text: &str) -> Sign {
        Sign::from(text.bytes().last())
    }
    fn from(byte: Option<u8>) -> Sign {
        match byte {
            Some(b'-') => Sign::Minus,
            Some(b'+') => Sign::Plus,
            _ => Sign::None,
        }
    }
    fn length(self) -> usize {
        (self != Sign::None) as usize
    }
}

/// The first tag of a text, and what it opens.
fn find_tag(text: &str) -> Option<(usize, Tag)> {
    let bytes = text.as_bytes();
    let mut from = 0;
    while let Some(found) = text[from..].find('{') {
        let at = from + found;
        match bytes.get(at + 1) {
            Some(b'{') => return Some((at, Tag::Variable)),
            Some(b'#') => return Some((at, Tag::Comment)),
            Some(b'%') if raw_tag(&text[at..]).is_some() => return Some((at, Tag::Raw)),
            Some(b'%') => return Some((at, Tag::Block)),
            _ => from = at + 1,
        }
    }
    None
}

/// The length of {% raw %}, with what it strips behind itself, if the text begins with one.
fn raw_tag(text: &str) -> Option<usize> {
    let (rest, minus) = match keyword_tag(text, "raw")? {
        (rest, Sign::Minus) => (rest, true),
        (rest, Sign::None) => (rest, false),
        _ => return None,
    };
    let rest = if minus { skip_spaces(rest) } else { rest };
    Some(text.len() - rest.len())
}

/// The length of {% endraw %} and the sign at its end, if the text begins with one.
fn endraw_tag(text: &str) -> Option<(usize, Sign)> {
    let (rest, sign) = keyword_tag(text, "endraw")?;
    Some((text.len() - rest.len(), sign))
}

/// What follows a tag that consists of a keyword, and the sign at the tag's end.
fn keyword_tag<'a>(text: &'a str, keyword: &str) -> Option<(&'a str, Sign)> {
    let rest = text.strip_prefix("{%")?;
    let rest = skip_spaces(&rest[Sign::of(rest).length()..]);
    let rest = skip_spaces(rest.strip_prefix(keyword)?);
    let sign = Sign::of(rest);
    Some((rest[sign.length()..].strip_prefix("%}")?, sign))
}
