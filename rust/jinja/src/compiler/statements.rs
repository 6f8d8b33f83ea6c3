//! Statements.

use super::{assertion, Compiler, Frame};
use crate::ast::{self, Node as Source};
use crate::code::{
    Block, Body, CallBlock, Captured, Exports, FilterBlock, MacroDefinition, Node, Piece, SetBlock,
    Statement, Target,
};
use crate::error::Result;
use std::sync::Arc;

impl Compiler {
    pub(super) fn body(&mut self, body: &ast::Body, frame: Frame) -> Result<Body> {
        let statement = |statement| self.deeper(4, |compiler| compiler.statement(statement, frame));
        body.iter().map(statement).collect()
    }

    fn statement(&mut self, statement: &ast::Statement, frame: Frame) -> Result<Statement> {
        let line = statement.line;
        let kind = match &statement.kind {
            Source::Autoescape(value, body) => self.autoescape(value, body, frame)?,
            Source::Block(block) => Node::Block(self.block_call(block, frame)),
            Source::Break => self.in_loop(Node::Break, "'break' outside loop", line)?,
            Source::CallBlock(block) => self.call_block(block, frame, line)?,
            Source::Continue => self.in_loop(Node::Continue, "'continue' not properly in loop", line)?,
            Source::Extends(_) if !frame.toplevel => {
                return Err(assertion("cannot use extend from a non top-level scope", line))
            }
            Source::Extends(template) => Node::OtherTemplate(self.expr(template, frame)?),
            Source::FilterBlock(filter, body) => self.filter_block(filter, body, frame)?,
            Source::For(node) => self.for_loop(node, frame, line)?,
            Source::FromImport(template, names) => {
                self.import(template, names.iter().map(|n| &n.1), frame, line)?
            }
            Source::Generation(signature) => {
                self.code.has_generation = true;
                Node::Generation(self.macro_function(None, signature, frame, line)?)
            }
            Source::If(branches, otherwise) => self.condition(branches, otherwise, frame.soft())?,
            Source::Import(template, name) => self.import(template, [name].into_iter(), frame, line)?,
            Source::Include(include) => {
                Node::Include(self.expr(&include.template, frame)?, include.ignore_missing)
            }
            Source::Macro(name, signature) => self.macro_definition(name, signature, frame, line)?,
            Source::Output(pieces) => Node::Output(self.pieces(pieces, frame)?),
            Source::Set(target, value) => self.set(target, value, frame, line)?,
            Source::SetBlock(target, filter, body) => self.set_block(target, filter, body, frame, line)?,
            Source::With(assignments, body) => self.with(assignments, body, frame, line)?,
        };
        Ok(Statement { kind, line })
    }

    fn in_loop(&mut self, node: Node, message: &str, line: u32) -> Result<Node> {
        match self.current().loops {
            0 => Err(assertion(message, line)),
            _ => Ok(node),
        }
    }

    fn pieces(&mut self, pieces: &[ast::Piece], frame: Frame) -> Result<Vec<Piece>> {
        let mut compiled = Vec::new();
        for piece in pieces {
            compiled.push(match piece {
                ast::Piece::Data(text) => Piece::Data(text.clone(), text.chars().count()),
                ast::Piece::Expr(expr, line) => {
                    Piece::Expr(self.expr(expr, frame).map_err(|error| error.at(*line))?, *line)
                }
            });
        }
        Ok(compiled)
    }

    fn condition(
        &mut self,
        branches: &[(ast::Expr, ast::Body)],
        otherwise: &ast::Body,
        frame: Frame,
    ) -> Result<Node> {
        let mut compiled = Vec::new();
        for (test, body) in branches {
            compiled.push((self.expr(test, frame)?, self.body(body, frame)?));
        }
        Ok(Node::If(compiled, self.body(otherwise, frame)?))
    }

    pub(super) fn target(&mut self, target: &ast::Target, frame: Frame, line: u32) -> Result<Target> {
        Ok(match target {
            ast::Target::Name(name, line) => Target::Variable(self.slot(frame, name, *line)?),
            ast::Target::Tuple(items) => {
                let items = items.iter().map(|item| self.target(item, frame, line));
                Target::Tuple(items.collect::<Result<_>>()?)
            }
            ast::Target::NamespaceAttribute(name, attribute) => {
                let ident = self.ident(frame, name, line)?;
                Target::NamespaceAttribute(self.variable(&ident), attribute.clone())
            }
        })
    }

    /// The variables of a target, where the context takes them too: at the top level.
    fn exports(&mut self, target: &ast::Target, frame: Frame, line: u32) -> Result<Exports> {
        let mut exports = Vec::new();
        match target {
            _ if !frame.toplevel => {}
            ast::Target::Name(name, _) => {
                let ident = self.ident(frame, name, line)?;
                exports.push((self.name_id(name), self.variable(&ident)));
            }
            ast::Target::Tuple(items) => {
                for item in items {
                    exports.extend(self.exports(item, frame, line)?);
                }
            }
            ast::Target::NamespaceAttribute(..) => {}
        }
        Ok(exports)
    }

    fn set(&mut self, target: &ast::Target, value: &ast::Expr, frame: Frame, line: u32) -> Result<Node> {
        let exports = self.exports(target, frame, line)?;
        Ok(Node::Set(self.target(target, frame, line)?, self.expr(value, frame)?, exports))
    }

    fn set_block(
        &mut self,
        target: &ast::Target,
        filter: &Option<ast::Expr>,
        body: &ast::Body,
        frame: Frame,
        line: u32,
    ) -> Result<Node> {
        let inner = self.inner(frame);
        self.scopes.analyze(inner.symbols, |visitor| visitor.body(body));
        let scope = self.scope(inner);
        let body = self.body(body, inner)?;
        let exports = self.exports(target, frame, line)?;
        let target = self.target(target, frame, line)?;
        let filter = match filter {
            Some(filter) => Some(self.captured(filter, inner)?),
            None => None,
        };
        Ok(Node::SetBlock(Box::new(SetBlock { scope, body, target, filter, exports })))
    }

    fn filter_block(&mut self, filter: &ast::Expr, body: &ast::Body, frame: Frame) -> Result<Node> {
        let inner = self.inner(frame);
        self.scopes.analyze(inner.symbols, |visitor| {
            visitor.body(body);
            visitor.expr(filter);
        });
        let scope = self.scope(inner);
        let body = self.body(body, inner)?;
        let filter = self.captured(filter, inner)?;
        Ok(Node::FilterBlock(Box::new(FilterBlock { scope, body, filter })))
    }

    fn captured(&mut self, filter: &ast::Expr, frame: Frame) -> Result<Captured> {
        let slot = self.hidden_slot();
        Ok(Captured { slot, expr: self.filter_of(filter, slot, frame)? })
    }

    fn with(
        &mut self,
        assignments: &[(ast::Target, ast::Expr)],
        body: &ast::Body,
        frame: Frame,
        line: u32,
    ) -> Result<Node> {
        let inner = self.inner(frame);
        self.scopes.analyze(inner.symbols, |visitor| {
            assignments.iter().for_each(|(target, _)| visitor.parameters(target));
            visitor.body(body);
        });
        let scope = self.scope(inner);
        let mut compiled = Vec::new();
        for (target, value) in assignments {
            compiled.push((self.target(target, inner, line)?, self.expr(value, frame)?));
        }
        Ok(Node::With(compiled, scope, self.body(body, inner)?))
    }

    fn autoescape(&mut self, value: &ast::Expr, body: &ast::Body, frame: Frame) -> Result<Node> {
        let inner = self.inner(frame);
        self.scopes.analyze(inner.symbols, |visitor| {
            visitor.expr(value);
            visitor.body(body);
        });
        let scope = self.scope(inner);
        Ok(Node::Autoescape(self.expr(value, inner)?, scope, self.body(body, inner)?))
    }

    fn macro_definition(
        &mut self,
        name: &ast::Name,
        signature: &ast::Signature,
        frame: Frame,
        line: u32,
    ) -> Result<Node> {
        let info = self.macro_function(Some(name), signature, frame, line)?;
        let ident = self.ident(frame, name, line)?;
        let export = frame.toplevel.then(|| self.name_id(name));
        Ok(Node::Macro(Box::new(MacroDefinition { target: self.variable(&ident), export, info })))
    }

    fn call_block(&mut self, block: &ast::CallBlock, frame: Frame, line: u32) -> Result<Node> {
        let caller = self.macro_function(None, &block.caller, frame, line)?;
        let call = self.call(&block.call, frame, true)?;
        Ok(Node::CallBlock(Box::new(CallBlock { call, caller })))
    }

    fn block_call(&mut self, block: &ast::Block, frame: Frame) -> Block {
        let scoped = block.scoped.then(|| {
            let stored = self.scopes.stored(frame.symbols);
            let exports = stored.iter().map(|ident| (self.name_id(&ident.name), self.variable(ident)));
            exports.collect()
        });
        let name = Arc::clone(&block.name);
        Block { name, scoped, required: block.required }
    }

    /// Nothing can be imported, but the names must be good.
    fn import<'a>(
        &mut self,
        template: &ast::Expr,
        names: impl Iterator<Item = &'a ast::Name>,
        frame: Frame,
        line: u32,
    ) -> Result<Node> {
        let template = self.expr(template, frame)?;
        for name in names {
            self.slot(frame, name, line)?;
        }
        Ok(Node::OtherTemplate(template))
    }
}
