//! The tags.

use super::Parser;
use crate::ast::{Block, CallBlock, Expr, For, Node, Piece, Signature, Statement};
use crate::error::Result;
use crate::lexer::{syntax, Kind};

impl Parser {
    pub(super) fn statement(&mut self) -> Result<Statement> {
        let line = self.line();
        let Kind::Name(tag) = &self.current().kind else { return self.fail("tag name expected") };
        let tag = tag.clone();
        self.skip(1);
        self.tags.push(tag.clone());
        let kind = self.tag(&tag, line)?;
        self.tags.pop();
        Ok(Statement { kind, line })
    }

    fn tag(&mut self, tag: &str, line: u32) -> Result<Node> {
        match tag {
            "autoescape" => self.autoescape(),
            "block" => self.block(),
            "break" => Ok(Node::Break),
            "call" => self.call_block(line),
            "continue" => Ok(Node::Continue),
            "extends" => Ok(Node::Extends(self.expression()?)),
            "filter" => self.filter_block(),
            "for" => self.for_loop(),
            "from" => self.imported_names(),
            "generation" => self.generation(),
            "if" => self.condition(),
            "import" => self.import(),
            "include" => self.include(),
            "macro" => self.macro_definition(),
            "print" => self.print(),
            "set" => self.set(),
            "with" => self.with(),
            _ => {
                self.tags.pop();
                self.fail_unknown(tag, line)
            }
        }
    }

    fn set(&mut self) -> Result<Node> {
        let target = self.target(true)?;
        if self.skip_operator("=") {
            return Ok(Node::Set(target, self.tuple()?));
        }
        let filter = match self.current().is_operator("|") {
            true => Some(self.filters(None)?),
            false => None,
        };
        Ok(Node::SetBlock(target, filter, self.whole_body(&["endset"])?))
    }

    fn for_loop(&mut self) -> Result<Node> {
        let target = self.target(false)?;
        self.expect_keyword("in")?;
        let over = self.tuple_without_condition()?;
        let test = match self.skip_name("if") {
            true => Some(self.expression()?),
            false => None,
        };
        let recursive = self.skip_name("recursive");
        let body = self.block_body(&["endfor", "else"])?;
        let otherwise = match self.next().is_name("endfor") {
            true => Vec::new(),
            false => self.whole_body(&["endfor"])?,
        };
        Ok(Node::For(Box::new(For { target, over, test, recursive, body, otherwise })))
    }

    fn condition(&mut self) -> Result<Node> {
        let mut branches = Vec::new();
        loop {
            let test = self.tuple_without_condition()?;
            branches.push((test, self.block_body(&["elif", "else", "endif"])?));
            let end = self.next();
            if end.is_name("elif") {
                continue;
            }
            let otherwise = match end.is_name("else") {
                true => self.whole_body(&["endif"])?,
                false => Vec::new(),
            };
            return Ok(Node::If(branches, otherwise));
        }
    }

    fn with(&mut self) -> Result<Node> {
        let mut assignments = Vec::new();
        while self.current().kind != Kind::BlockEnd {
            if !assignments.is_empty() {
                self.expect_operator(",")?;
            }
            let target = self.target(false)?;
            self.expect_operator("=")?;
            assignments.push((target, self.expression()?));
        }
        Ok(Node::With(assignments, self.whole_body(&["endwith"])?))
    }

    fn autoescape(&mut self) -> Result<Node> {
        let value = self.expression()?;
        Ok(Node::Autoescape(value, self.whole_body(&["endautoescape"])?))
    }

    fn block(&mut self) -> Result<Node> {
        let name = self.expect_name()?;
        let scoped = self.skip_name("scoped");
        let required = self.skip_name("required");
        if self.current().is_operator("-") {
            return self.fail(
                "Block names in Jinja have to be valid Python identifiers and may not contain hyphens, \
                 use an underscore instead.",
            );
        }
        let body = self.whole_body(&["endblock"])?;
        if required && !body.iter().all(is_blank) {
            return self.fail("Required blocks can only contain comments or whitespace");
        }
        self.skip_name(&name);
        Ok(Node::Block(Block { name, scoped, required, body }))
    }

    fn signature(&mut self) -> Result<Signature> {
        let mut signature = Signature { parameters: Vec::new(), defaults: Vec::new(), body: Vec::new() };
        self.expect_operator("(")?;
        while !self.current().is_operator(")") {
            if !signature.parameters.is_empty() {
                self.expect_operator(",")?;
            }
            let name = self.name_target()?;
            if self.skip_operator("=") {
                signature.defaults.push(self.expression()?);
            } else if !signature.defaults.is_empty() {
                return self.fail("non-default argument follows default argument");
            }
            signature.parameters.push(name);
        }
        self.expect_operator(")")?;
        Ok(signature)
    }

    fn call_block(&mut self, line: u32) -> Result<Node> {
        let mut caller = match self.current().is_operator("(") {
            true => self.signature()?,
            false => Signature { parameters: Vec::new(), defaults: Vec::new(), body: Vec::new() },
        };
        let Expr::Call(call) = self.expression()? else { return Err(syntax("expected call", line)) };
        caller.body = self.whole_body(&["endcall"])?;
        Ok(Node::CallBlock(CallBlock { call: *call, caller }))
    }

    fn generation(&mut self) -> Result<Node> {
        let body = self.whole_body(&["endgeneration"])?;
        Ok(Node::Generation(Signature { parameters: Vec::new(), defaults: Vec::new(), body }))
    }

    fn filter_block(&mut self) -> Result<Node> {
        let filter = self.filter(None)?;
        let filter = self.filters(Some(filter))?;
        Ok(Node::FilterBlock(filter, self.whole_body(&["endfilter"])?))
    }

    fn macro_definition(&mut self) -> Result<Node> {
        let name = self.name_target()?;
        let mut signature = self.signature()?;
        signature.body = self.whole_body(&["endmacro"])?;
        Ok(Node::Macro(name, signature))
    }

    fn print(&mut self) -> Result<Node> {
        let mut pieces = Vec::new();
        while self.current().kind != Kind::BlockEnd {
            if !pieces.is_empty() {
                self.expect_operator(",")?;
            }
            let line = self.line();
            pieces.push(Piece::Expr(self.expression()?, line));
        }
        Ok(Node::Output(pieces))
    }
}

/// Whether a statement is nothing but whitespace.
fn is_blank(statement: &Statement) -> bool {
    let Node::Output(pieces) = &statement.kind else { return false };
    pieces.iter().all(|piece| match piece {
        Piece::Data(text) => text.chars().all(crate::lexer::is_space),
        Piece::Expr(..) => false,
    })
}
