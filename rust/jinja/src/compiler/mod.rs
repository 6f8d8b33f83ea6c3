//! Resolves the names of a template to slots, as jinja2's compiler resolves them to Python's
//! variables, and finds what jinja2 refuses at this time.

mod expressions;
mod functions;
mod loops;
mod names;
mod statements;
mod symbols;

use crate::ast;
use crate::code::{Code, Function, FunctionId, Load, NameId, Scope, Variable};
use crate::error::{Error, Kind, Result};
use std::collections::{HashMap, HashSet};
use symbols::{Ident, Scopes, Source, SymbolsId};

pub fn compile(body: &ast::Body) -> Result<Code> {
    let mut compiler = Compiler::default();
    let mut blocks = Vec::new();
    find_blocks(body, &mut blocks);
    compiler.declare_blocks(&blocks)?;
    compiler.root(body)?;
    for block in blocks {
        compiler.block(block)?;
    }
    compiler.code.functions = compiler.functions.into_iter().map(Option::unwrap_or_default).collect();
    Ok(compiler.code)
}

#[derive(Default)]
struct Compiler {
    code: Code,
    /// None are those that are being compiled.
    functions: Vec<Option<Function>>,
    /// The functions that are being compiled, each within the one before.
    open: Vec<Open>,
    scopes: Scopes,
    name_ids: HashMap<ast::Name, NameId>,
    /// For each macro whose defaults are being compiled, the parameters without a value yet.
    pending_parameters: Vec<HashSet<Ident>>,
    /// How deep the compiler is in statements and expressions.
    depth: u32,
}

/// A function while it is compiled.
#[derive(Default)]
struct Open {
    /// The level of its outermost scope.
    base: u32,
    slots: HashMap<Ident, u32>,
    slot_count: u32,
    /// The loops around what is being compiled.
    loops: u32,
    has_inner: bool,
    /// Where it begins, and how deep it goes.
    depth: u32,
    deepest: u32,
}

/// jinja2's Frame: a scope, and what it allows.
#[derive(Clone, Copy)]
struct Frame {
    symbols: SymbolsId,
    toplevel: bool,
    /// In `if`, filters and tests that do not exist are refused only when they are used.
    soft: bool,
}

impl Frame {
    fn soft(self) -> Frame {
        Frame { soft: true, ..self }
    }
}

/// Python's limit on loops within loops.
const LOOPS: u32 = 20;

fn assertion(message: impl Into<String>, line: u32) -> Error {
    Error::new(Kind::Syntax, message).at(line)
}

impl Compiler {
    fn name_id(&mut self, name: &ast::Name) -> NameId {
        if let Some(id) = self.name_ids.get(name) {
            return *id;
        }
        let id = self.code.names.len() as NameId;
        self.code.names.push(name.clone());
        self.name_ids.insert(name.clone(), id);
        id
    }

    fn inner(&mut self, frame: Frame) -> Frame {
        Frame { symbols: self.scopes.new_inner(frame.symbols), toplevel: false, soft: false }
    }

    fn open_function(&mut self, base: u32) -> FunctionId {
        if let Some(outer) = self.open.last_mut() {
            outer.has_inner = true;
        }
        self.open.push(Open { base, depth: self.depth, ..Open::default() });
        self.functions.push(None);
        self.functions.len() - 1
    }

    fn close_function(&mut self, id: FunctionId, function: Function) {
        let Some(open) = self.open.pop() else { return };
        let height = open.deepest.saturating_sub(open.depth) + 1;
        let slots = open.slot_count as usize;
        self.functions[id] = Some(Function { slots, has_inner: open.has_inner, height, ..function });
    }

    fn current(&mut self) -> &mut Open {
        let last = self.open.len() - 1;
        &mut self.open[last]
    }

    /// Compiles what is within something else; `weight` tells how much of the stack it takes to run.
    fn deeper<T>(&mut self, weight: u32, part: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += weight;
        let depth = self.depth;
        let open = self.current();
        open.deepest = open.deepest.max(depth);
        let result = part(self);
        self.depth -= weight;
        result
    }

    /// A slot that no name has.
    fn hidden_slot(&mut self) -> u32 {
        let open = self.current();
        open.slot_count += 1;
        open.slot_count - 1
    }

    fn variable(&mut self, ident: &Ident) -> Variable {
        let owner = self.open.iter().rposition(|open| open.base <= ident.level).unwrap_or(0);
        let up = (self.open.len() - 1 - owner) as u32;
        let open = &mut self.open[owner];
        let slot = match open.slots.get(ident) {
            Some(slot) => *slot,
            None => {
                open.slots.insert(ident.clone(), open.slot_count);
                open.slot_count += 1;
                open.slot_count - 1
            }
        };
        Variable { up, slot }
    }

    /// The identifier of a name, which the analysis of the scopes must have seen.
    fn ident(&self, frame: Frame, name: &ast::Name, line: u32) -> Result<Ident> {
        self.scopes.find(frame.symbols, name).ok_or_else(|| {
            let message =
                format!("Tried to resolve a name to a reference that was unknown to the frame ('{name}')");
            assertion(message, line)
        })
    }

    fn slot(&mut self, frame: Frame, name: &ast::Name, line: u32) -> Result<u32> {
        let ident = self.ident(frame, name, line)?;
        Ok(self.variable(&ident).slot)
    }

    /// enter_frame() and leave_frame()
    fn scope(&mut self, frame: Frame) -> Scope {
        let symbols = self.scopes.get(frame.symbols);
        let level = symbols.level;
        let mut scope = Scope::default();
        for (name, source) in symbols.loads.clone() {
            let slot = self.variable(&Ident { level, name: name.clone() }).slot;
            scope.leave.push(slot);
            match source {
                Source::Parameter => {}
                Source::Context => {
                    let id = self.name_id(&name);
                    scope.enter.push(Load::Resolve(slot, id));
                }
                Source::Alias(outer) => {
                    let outer = self.variable(&outer);
                    scope.enter.push(Load::Alias(slot, outer));
                }
                Source::Undefined => scope.enter.push(Load::Clear(slot)),
            }
        }
        scope
    }
}

/// All blocks of a template, wherever they are.
fn find_blocks<'a>(body: &'a ast::Body, found: &mut Vec<&'a ast::Block>) {
    use ast::Node;
    for statement in body {
        match &statement.kind {
            Node::Block(block) => {
                found.push(block);
                find_blocks(&block.body, found);
            }
            Node::Autoescape(_, body)
            | Node::FilterBlock(_, body)
            | Node::SetBlock(_, _, body)
            | Node::With(_, body) => find_blocks(body, found),
            Node::CallBlock(block) => find_blocks(&block.caller.body, found),
            Node::For(node) => {
                find_blocks(&node.body, found);
                find_blocks(&node.otherwise, found);
            }
            Node::Generation(signature) | Node::Macro(_, signature) => find_blocks(&signature.body, found),
            Node::If(branches, otherwise) => {
                branches.iter().for_each(|(_, body)| find_blocks(body, found));
                find_blocks(otherwise, found);
            }
            _ => {}
        }
    }
}
