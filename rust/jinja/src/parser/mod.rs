//! jinja2's parser, with the tags of loopcontrols and {% generation %}.

mod arguments;
mod expressions;
mod inheritance;
mod primary;
mod statements;
mod targets;

use crate::ast::{Body, Node, Piece, Statement};
use crate::error::{Error, Result};
use crate::lexer::{describe_expected, syntax, tokenize, Kind, Token};
use std::sync::Arc;

pub fn parse(source: &str) -> Result<Body> {
    let (tokens, read) = tokenize(source);
    let mut parser = Parser { tokens, at: 0, tags: Vec::new(), ends: Vec::new(), depth: 0, height: 0 };
    let body = parser.body(None);
    // jinja2 reads tokens when it comes to them: what is wrong before counts first.
    if parser.at + 1 == parser.tokens.len() {
        read?;
    }
    body
}

/// The names of the tags that may end a body.
type Ends = &'static [&'static str];

struct Parser {
    /// The last one is Eof.
    tokens: Vec<Token>,
    at: usize,
    /// The tags that are open, for messages.
    tags: Vec<Arc<str>>,
    ends: Vec<Ends>,
    /// How deep the parser is in brackets and statements.
    depth: u32,
    /// How many expressions the expression that was parsed last has within one another.
    height: u32,
}

/// Python refuses deeper nesting in the code that jinja2 makes of a template: of statements, and of
/// the parentheses that stand for operators.
const DEEPEST: u32 = 200;
const HIGHEST: u32 = 197;

impl Parser {
    fn current(&self) -> &Token {
        self.look(0)
    }

    fn look(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    fn line(&self) -> u32 {
        self.current().line
    }

    fn next(&mut self) -> Token {
        let token = self.current().clone();
        self.skip(1);
        token
    }

    fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.tokens.len() - 1);
    }

    fn skip_operator(&mut self, operator: &str) -> bool {
        let found = self.current().is_operator(operator);
        self.skip(found as usize);
        found
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.current().is_name(name);
        self.skip(found as usize);
        found
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(syntax(message, self.line()))
    }

    /// The error for a token other than the expected one.
    fn unexpected(&self, expected: &str) -> Error {
        let token = self.current();
        let message = match token.kind {
            Kind::Eof => format!("unexpected end of template, expected '{expected}'."),
            _ => format!("expected token '{expected}', got '{}'", token.describe()),
        };
        syntax(message, token.line)
    }

    fn expect(&mut self, kind: &Kind) -> Result<()> {
        if self.current().kind != *kind {
            return Err(self.unexpected(describe_expected(kind)));
        }
        self.skip(1);
        Ok(())
    }

    fn expect_operator(&mut self, operator: &'static str) -> Result<()> {
        self.expect(&Kind::Operator(operator))
    }

    fn expect_keyword(&mut self, name: &str) -> Result<()> {
        match self.skip_name(name) {
            true => Ok(()),
            false => Err(self.unexpected(name)),
        }
    }

    fn expect_name(&mut self) -> Result<Arc<str>> {
        let Kind::Name(name) = &self.current().kind else { return Err(self.unexpected("name")) };
        let name = name.clone();
        self.skip(1);
        Ok(name)
    }

    /// Runs a part of the parser that may contain itself.
    fn deeper<T>(&mut self, weight: u32, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += weight;
        if self.depth > DEEPEST {
            return self.fail("the template is nested too deeply");
        }
        let result = part(self);
        self.depth -= weight;
        result
    }

    /// Notes that an expression was made of one of this height and the one that was parsed last.
    fn grow(&mut self, height: u32) -> Result<()> {
        self.height = self.height.max(height) + 1;
        match self.height > HIGHEST {
            true => self.fail("the expression is nested too deeply"),
            false => Ok(()),
        }
    }

    /// parse_statements(): a body behind a tag, up to one of the tags that end it, which is left to
    /// be read.
    fn block_body(&mut self, ends: Ends) -> Result<Body> {
        self.skip_operator(":");
        self.expect(&Kind::BlockEnd)?;
        let body = self.deeper(2, |parser| parser.body(Some(ends)))?;
        match self.current().kind {
            Kind::Eof => self.fail_end(Some(ends)),
            _ => Ok(body),
        }
    }

    /// A body up to its only end, which is read too.
    fn whole_body(&mut self, ends: Ends) -> Result<Body> {
        let body = self.block_body(ends)?;
        self.skip(1);
        Ok(body)
    }

    fn body(&mut self, ends: Option<Ends>) -> Result<Body> {
        self.ends.extend(ends);
        let body = self.statements_until(ends);
        if ends.is_some() {
            self.ends.pop();
        }
        body
    }

    fn statements_until(&mut self, ends: Option<Ends>) -> Result<Body> {
        let mut body = Vec::new();
        let mut pieces = Vec::new();
        loop {
            let token = self.current();
            let line = token.line;
            match &token.kind {
                Kind::Data(text) => {
                    pieces.push(Piece::Data(text.clone()));
                    self.skip(1);
                }
                Kind::VariableBegin => pieces.push(self.variable()?),
                Kind::BlockBegin => {
                    flush(&mut pieces, &mut body, line);
                    self.skip(1);
                    if self.at_end(ends) {
                        return Ok(body);
                    }
                    body.push(self.statement()?);
                    self.expect(&Kind::BlockEnd)?;
                }
                _ => {
                    flush(&mut pieces, &mut body, line);
                    return Ok(body);
                }
            }
        }
    }

    fn at_end(&self, ends: Option<Ends>) -> bool {
        ends.is_some_and(|ends| self.current().name().is_some_and(|name| ends.contains(&name)))
    }

    /// {{ … }}
    fn variable(&mut self) -> Result<Piece> {
        self.skip(1);
        let line = self.line();
        let expr = self.tuple()?;
        self.expect(&Kind::VariableEnd)?;
        Ok(Piece::Expr(expr, line))
    }

    fn fail_end<T>(&self, ends: Option<Ends>) -> Result<T> {
        let mut stack = self.ends.clone();
        stack.extend(ends);
        self.fail_tag(None, &stack, self.line())
    }

    fn fail_unknown<T>(&self, name: &str, line: u32) -> Result<T> {
        self.fail_tag(Some(name), &self.ends, line)
    }

    fn fail_tag<T>(&self, name: Option<&str>, stack: &[Ends], line: u32) -> Result<T> {
        let mut message = match name {
            None => "Unexpected end of template.".to_string(),
            Some(name) => format!("Encountered unknown tag '{name}'."),
        };
        if let Some(innermost) = stack.last() {
            let names: Vec<_> = innermost.iter().map(|name| format!("'{name}'")).collect();
            let looking = names.join(" or ");
            let nested = name.is_some_and(|name| stack.iter().any(|ends| ends.contains(&name)));
            message += &match nested {
                true => format!(
                    " You probably made a nesting mistake. Jinja is expecting this tag, but currently \
                     looking for {looking}."
                ),
                false => format!(" Jinja was looking for the following tags: {looking}."),
            };
        }
        if let Some(tag) = self.tags.last() {
            message += &format!(" The innermost block that needs to be closed is '{tag}'.");
        }
        Err(syntax(message, line))
    }
}

/// Makes one statement of the texts and variables since the last tag.
fn flush(pieces: &mut Vec<Piece>, body: &mut Body, line: u32) {
    if !pieces.is_empty() {
        body.push(Statement { kind: Node::Output(std::mem::take(pieces)), line });
    }
}
