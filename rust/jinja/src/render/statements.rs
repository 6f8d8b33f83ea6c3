//! Statements.

use super::macros::Macro;
use super::output::Output;
use super::{Flow, Frame};
use crate::code::{Body, CallBlock, Captured, Exports, Expr, FilterBlock, MacroDefinition, MacroInfo};
use crate::code::{Node, Piece, Scope, SetBlock, Statement, Target};
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::operations;
use crate::value::{Args, Value};
use std::sync::Arc;

impl Frame<'_> {
    pub(super) fn body(self, body: &[Statement], out: &mut Output) -> Result<Flow> {
        for statement in body {
            self.rt.step(1)?;
            let flow = self.statement(&statement.kind, out).map_err(|error| error.at(statement.line))?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(self, node: &Node, out: &mut Output) -> Result<Flow> {
        match node {
            Node::Autoescape(value, scope, body) => return self.autoescape(value, scope, body, out),
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
            Node::FilterBlock(block) => return self.filter_block(block, out),
            Node::For(node) => return self.for_loop(node, out),
            Node::If(branches, otherwise) => return self.condition(branches, otherwise, out),
            Node::SetBlock(block) => return self.set_block(block),
            Node::With(assignments, scope, body) => return self.with(assignments, scope, body, out),
            Node::Block(block) => self.block(block, out)?,
            Node::CallBlock(block) => self.call_block(block, out)?,
            Node::Generation(info) => self.generation(info, out)?,
            Node::Include(template, ignore_missing) => self.include(template, *ignore_missing)?,
            Node::Macro(node) => self.define(node),
            Node::OtherTemplate(template) => self.other_template(template)?,
            Node::Output(pieces) => self.output(pieces, out)?,
            Node::RecursiveFor(over, function) => self.recursive_for(over, *function, out)?,
            Node::Set(target, value, exports) => self.set(target, value, exports)?,
        }
        Ok(Flow::Next)
    }

    fn define(self, node: &MacroDefinition) {
        let value = Macro::value(self.cx, self.env, &node.info);
        if let Some(name) = node.export {
            self.cx.export(name, Some(value.clone()));
        }
        self.env.set_outer(node.target, value);
    }

    fn other_template(self, template: &Expr) -> Result<()> {
        self.eval(template)?;
        no_loader()
    }

    fn set(self, target: &Target, value: &Expr, exports: &Exports) -> Result<()> {
        self.assign(target, self.eval(value)?)?;
        self.export(exports);
        Ok(())
    }

    fn output(self, pieces: &[Piece], out: &mut Output) -> Result<()> {
        for piece in pieces {
            match piece {
                Piece::Data(text, count) => out.write_counted(self.rt, text, *count)?,
                Piece::Expr(expr, line) => self.print(expr, out).map_err(|error| error.at(*line))?,
            }
        }
        Ok(())
    }

    fn print(self, expr: &Expr, out: &mut Output) -> Result<()> {
        let value = match expr {
            Expr::Sum(parts) => {
                let begin = out.text.len();
                match self.add_up(parts, &mut out.text)? {
                    Some(value) => value,
                    None => return out.written(self.rt, begin),
                }
            }
            _ => self.eval(expr)?,
        };
        out.write_value(self.rt, &value)
    }

    fn condition(self, branches: &[(Expr, Body)], otherwise: &Body, out: &mut Output) -> Result<Flow> {
        for (test, body) in branches {
            if self.test(test)? {
                return self.body(body, out);
            }
        }
        self.body(otherwise, out)
    }

    pub(super) fn export(self, exports: &Exports) {
        for (name, variable) in exports {
            self.cx.export(*name, self.env.get(*variable));
        }
    }

    fn with(
        self,
        assignments: &[(Target, Expr)],
        scope: &Scope,
        body: &Body,
        out: &mut Output,
    ) -> Result<Flow> {
        self.enter(&scope.enter);
        for (target, value) in assignments {
            self.assign(target, self.eval(value)?)?;
        }
        let flow = self.body(body, out)?;
        self.leave(&scope.leave);
        Ok(flow)
    }

    fn autoescape(self, value: &Expr, scope: &Scope, body: &Body, out: &mut Output) -> Result<Flow> {
        self.enter(&scope.enter);
        if self.test(value)? {
            return unsupported("the template turns autoescape on");
        }
        let flow = self.body(body, out)?;
        self.leave(&scope.leave);
        Ok(flow)
    }

    fn set_block(self, block: &SetBlock) -> Result<Flow> {
        self.enter(&block.scope.enter);
        let mut buffer = Output::buffer();
        let flow = self.body(&block.body, &mut buffer)?;
        if flow != Flow::Next {
            return Ok(flow);
        }
        let value = match &block.filter {
            None => Value::str(buffer.text),
            Some(filter) => self.captured(filter, buffer)?,
        };
        self.assign_block(&block.target, value)?;
        self.export(&block.exports);
        self.leave(&block.scope.leave);
        Ok(Flow::Next)
    }

    fn filter_block(self, block: &FilterBlock, out: &mut Output) -> Result<Flow> {
        self.enter(&block.scope.enter);
        let mut buffer = Output::buffer();
        let flow = self.body(&block.body, &mut buffer)?;
        if flow != Flow::Next {
            return Ok(flow);
        }
        self.write_text(self.captured(&block.filter, buffer)?, out)?;
        self.leave(&block.scope.leave);
        Ok(Flow::Next)
    }

    fn captured(self, captured: &Captured, buffer: Output) -> Result<Value> {
        self.env.set(captured.slot, Some(Value::str(buffer.text)));
        let value = self.eval(&captured.expr)?;
        self.env.set(captured.slot, None);
        Ok(value)
    }

    /// Writes what must be a text already: jinja2 joins the parts of a template without str().
    fn write_text(self, value: Value, out: &mut Output) -> Result<()> {
        match value.as_str() {
            Some(text) => out.write(self.rt, text),
            None => {
                type_error(format!("sequence item 0: expected str instance, {} found", value.type_name()))
            }
        }
    }

    fn call_block(self, block: &CallBlock, out: &mut Output) -> Result<()> {
        let caller = Macro::value(self.cx, self.env, &block.caller);
        let value = self.call(&block.call, Some(caller))?;
        self.write_text(value, out)
    }

    /// AssistantTracker._generation_support
    fn generation(self, info: &Arc<MacroInfo>, out: &mut Output) -> Result<()> {
        let text = Macro::new(self.cx, self.env, info).invoke(self.rt, Args::default())?;
        let begin = self.rt.written.get();
        self.rt.generations.borrow_mut().push((begin, begin + text.chars().count()));
        out.write(self.rt, &text)
    }

    fn include(self, template: &Expr, ignore_missing: bool) -> Result<()> {
        let template = self.eval(template)?;
        let is_name = template.as_str().is_some() || template.is_undefined();
        match is_name || operations::truth(&template) {
            true => no_loader(),
            false if ignore_missing => Ok(()),
            false => Err(Error::new(Kind::Other, "Tried to select from an empty list of templates.")),
        }
    }
}

fn no_loader<T>() -> Result<T> {
    type_error("no loader for this environment specified")
}
