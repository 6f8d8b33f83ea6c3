//! Tokens, and how jinja2's messages name them.

use num_bigint::BigInt;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    BlockBegin,
    BlockEnd,
    Data(Arc<str>),
    Eof,
    Float(f64),
    Integer(BigInt),
    Name(Arc<str>),
    Operator(&'static str),
    Str(String),
    VariableBegin,
    VariableEnd,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    pub line: u32,
}

/// The longer ones come first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<",
    "=", ".", ":", "|", ",", ";",
];

/// The operator that a text begins with.
pub fn operator(text: &str) -> Option<&'static str> {
    OPERATORS.into_iter().find(|operator| text.starts_with(operator))
}

impl Token {
    pub fn is_operator(&self, operator: &str) -> bool {
        matches!(self.kind, Kind::Operator(found) if found == operator)
    }
    pub fn is_name(&self, name: &str) -> bool {
        self.name() == Some(name)
    }
    pub fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(found) => Some(found),
            _ => None,
        }
    }
    /// describe_token() of jinja2.
    pub fn describe(&self) -> &str {
        match &self.kind {
            Kind::Name(name) => name,
            kind => describe(kind),
        }
    }
}

fn describe(kind: &Kind) -> &str {
    match kind {
        Kind::BlockBegin => "begin of statement block",
        Kind::BlockEnd => "end of statement block",
        Kind::Data(_) => "template data / text",
        Kind::Eof => "end of template",
        Kind::Float(_) => "float",
        Kind::Integer(_) => "integer",
        Kind::Name(_) => "name",
        Kind::Operator(operator) => operator,
        Kind::Str(_) => "string",
        Kind::VariableBegin => "begin of print statement",
        Kind::VariableEnd => "end of print statement",
    }
}

/// describe_token_expr() of jinja2, of a kind.
pub fn describe_expected(kind: &Kind) -> &str {
    describe(kind)
}
