//! Errors, named as Python names its exceptions.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Attribute,
    /// The template is no template.
    Syntax,
    Index,
    Key,
    Overflow,
    /// {{ raise_exception('…') }}
    Raised,
    Recursion,
    Runtime,
    Security,
    /// StopIteration within a template, and everything else that has no kind of its own.
    Other,
    Type,
    Undefined,
    /// Python would go on, but to characters that cannot be reproduced here.
    Unsupported,
    Value,
    ZeroDivision,
}

#[derive(Debug, Clone)]
pub struct Error {
    pub kind: Kind,
    /// One sentence, without the template's name and line.
    pub message: String,
    /// The line of the template, from 1; the innermost that is known.
    pub line: Option<u32>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into(), line: None }
    }

    /// Adds the line, unless a line is known already.
    pub fn at(mut self, line: u32) -> Self {
        self.line.get_or_insert(line);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} (line {line} of the template)", self.message),
            None => f.write_str(&self.message),
        }
    }
}

pub fn type_error<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Type, message))
}

pub fn value_error<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Value, message))
}

/// Refuses what Python would render in a way that cannot be reproduced.
pub fn unsupported<T>(what: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Unsupported, what))
}
