//! The template's own function, and those of blocks, macros and call blocks.

use super::symbols::Ident;
use super::{assertion, Compiler, Frame};
use crate::ast;
use crate::code::{Function, MacroInfo, Parameter};
use crate::error::Result;
use std::collections::HashSet;
use std::sync::Arc;

impl Compiler {
    pub(super) fn declare_blocks(&mut self, blocks: &[&ast::Block]) -> Result<()> {
        let mut names = HashSet::new();
        for block in blocks {
            if !names.insert(&block.name) {
                return Err(assertion(format!("block '{}' defined twice", block.name), 1));
            }
        }
        Ok(())
    }

    pub(super) fn root(&mut self, body: &ast::Body) -> Result<()> {
        let symbols = self.scopes.new_root();
        let frame = Frame { symbols, toplevel: true, soft: false };
        let id = self.open_function(0);
        let function = self.own_function(frame, body, &["self"])?;
        self.close_function(id, function);
        Ok(())
    }

    pub(super) fn block(&mut self, block: &ast::Block) -> Result<()> {
        let symbols = self.scopes.new_root();
        let frame = Frame { symbols, toplevel: false, soft: false };
        let id = self.open_function(0);
        let function = self.own_function(frame, &block.body, &["self", "super"])?;
        self.close_function(id, function);
        self.code.blocks.push((block.name.clone(), id));
        Ok(())
    }

    /// A function that is in no other one; the special names are its parameters if it uses them.
    fn own_function(&mut self, frame: Frame, body: &ast::Body, special: &[&'static str]) -> Result<Function> {
        let used = super::names::undeclared(body, special);
        let mut slots = [None, None];
        for (at, name) in special.iter().enumerate().filter(|(_, name)| used.contains(*name)) {
            self.scopes.declare_parameter(frame.symbols, &(*name).into());
            slots[at] = Some(self.slot(frame, &(*name).into(), 1)?);
        }
        self.scopes.analyze(frame.symbols, |visitor| visitor.body(body));
        let enter = self.scope(frame).enter;
        let body = self.body(body, frame)?;
        let [own, parent] = slots;
        Ok(Function { enter, body, own, parent, ..Function::default() })
    }

    /// macro_body()
    pub(super) fn macro_function(
        &mut self,
        name: Option<&ast::Name>,
        signature: &ast::Signature,
        frame: Frame,
        line: u32,
    ) -> Result<Arc<MacroInfo>> {
        let frame = self.inner(frame);
        self.scopes.analyze(frame.symbols, |visitor| visitor.signature(signature));
        let used = super::names::undeclared(&signature.body, &["caller", "kwargs", "varargs"]);
        let caller = self.special(frame, signature, used.contains("caller"), "caller");
        let kwargs = self.special(frame, signature, used.contains("kwargs"), "kwargs");
        let varargs = self.special(frame, signature, used.contains("varargs"), "varargs");
        if used.contains("caller") {
            check_caller(signature, line)?;
        }
        check_parameters(signature, line)?;
        self.scopes.analyze(frame.symbols, |visitor| visitor.signature(signature));

        let id = self.open_function(self.scopes.get(frame.symbols).level);
        let mut slot = |name: Option<ast::Name>| match name {
            Some(name) => self.slot(frame, &name, line).map(Some),
            None => Ok(None),
        };
        let (caller, kwargs, varargs) = (slot(caller)?, slot(kwargs)?, slot(varargs)?);
        let enter = self.scope(frame).enter;
        let parameters = self.parameters(signature, frame, line)?;
        let body = self.body(&signature.body, frame)?;
        self.close_function(id, Function { enter, body, ..Function::default() });
        Ok(Arc::new(MacroInfo {
            name: name.cloned(),
            function: id,
            parameters,
            caller,
            accesses_caller: used.contains("caller"),
            kwargs,
            varargs,
        }))
    }

    /// Declares a special parameter that a macro uses and does not list itself.
    fn special(
        &mut self,
        frame: Frame,
        signature: &ast::Signature,
        used: bool,
        name: &str,
    ) -> Option<ast::Name> {
        if !used || signature.parameters.iter().any(|parameter| **parameter == *name) {
            return None;
        }
        let name: ast::Name = name.into();
        self.scopes.declare_parameter(frame.symbols, &name);
        Some(name)
    }

    fn parameters(&mut self, signature: &ast::Signature, frame: Frame, line: u32) -> Result<Vec<Parameter>> {
        let symbols = self.scopes.get(frame.symbols);
        let level = symbols.level;
        let parameters = symbols.loads.iter().filter(|(_, source)| *source == super::Source::Parameter);
        let pending = parameters.map(|(name, _)| Ident { level, name: name.clone() }).collect();
        self.pending_parameters.push(pending);
        let first_default = signature.parameters.len() - signature.defaults.len();
        let mut parameters = Vec::new();
        for (at, name) in signature.parameters.iter().enumerate() {
            let default = match at.checked_sub(first_default) {
                Some(at) => Some(self.expr(&signature.defaults[at], frame)?),
                None => None,
            };
            let slot = self.slot(frame, name, line)?;
            parameters.push(Parameter { name: name.clone(), slot, default });
            if let Some(pending) = self.pending_parameters.last_mut() {
                pending.remove(&Ident { level, name: name.clone() });
            }
        }
        self.pending_parameters.pop();
        Ok(parameters)
    }
}

fn check_caller(signature: &ast::Signature, line: u32) -> Result<()> {
    let without_default = signature.parameters.len() - signature.defaults.len();
    if signature.parameters[..without_default].iter().any(|name| &**name == "caller") {
        let message = "When defining macros or call blocks the special \"caller\" argument must be omitted \
                       or be given a default.";
        return Err(assertion(message, line));
    }
    Ok(())
}

fn check_parameters(signature: &ast::Signature, line: u32) -> Result<()> {
    let mut names = HashSet::new();
    match signature.parameters.iter().all(|name| names.insert(name)) {
        true => Ok(()),
        false => Err(assertion("duplicate argument in function definition", line)),
    }
}
