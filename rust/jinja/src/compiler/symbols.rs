//! Which scope a name belongs to: jinja2's idtracking.

use crate::ast::{Body, Expr, Name, Node, Piece, Signature, Statement, Target};
use std::collections::{BTreeSet, HashMap, HashSet};

/// A Python variable of jinja2: l_{level}_{name}.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Ident {
    pub level: u32,
    pub name: Name,
}

/// Where a variable has its value from when its scope is entered.
#[derive(Clone, PartialEq, Debug)]
pub enum Source {
    Parameter,
    Context,
    Alias(Ident),
    Undefined,
}

#[derive(Clone, Default)]
pub struct Symbols {
    pub level: u32,
    parent: Option<SymbolsId>,
    refs: HashSet<Name>,
    /// In the order in which they came.
    pub loads: Vec<(Name, Source)>,
    pub stores: BTreeSet<Name>,
}

pub type SymbolsId = usize;

/// All scopes; a scope knows the one around it by its number.
#[derive(Default)]
pub struct Scopes {
    all: Vec<Symbols>,
}

impl Scopes {
    pub fn new_root(&mut self) -> SymbolsId {
        self.add(Symbols::default())
    }

    pub fn new_inner(&mut self, parent: SymbolsId) -> SymbolsId {
        let level = self.all[parent].level + 1;
        self.add(Symbols { level, parent: Some(parent), ..Symbols::default() })
    }

    fn add(&mut self, symbols: Symbols) -> SymbolsId {
        self.all.push(symbols);
        self.all.len() - 1
    }

    pub fn get(&self, id: SymbolsId) -> &Symbols {
        &self.all[id]
    }

    /// The variable that a name stands for in a scope.
    pub fn find(&self, id: SymbolsId, name: &str) -> Option<Ident> {
        let mut at = Some(id);
        while let Some(id) = at {
            let symbols = &self.all[id];
            if let Some(name) = symbols.refs.get(name) {
                return Some(Ident { level: symbols.level, name: name.clone() });
            }
            at = symbols.parent;
        }
        None
    }

    /// Where a variable that a scope sees has its value from.
    pub fn source(&self, id: SymbolsId, ident: &Ident) -> Option<&Source> {
        let mut at = Some(id);
        while let Some(id) = at {
            let symbols = &self.all[id];
            if symbols.level == ident.level {
                return symbols.load(&ident.name);
            }
            at = symbols.parent;
        }
        None
    }

    /// dump_stores(): every name that is set in a scope or around it.
    pub fn stored(&self, id: SymbolsId) -> Vec<Ident> {
        let mut found: HashMap<Name, Ident> = HashMap::new();
        let mut at = Some(id);
        while let Some(now) = at {
            for name in &self.all[now].stores {
                if let Some(ident) = self.find(id, name) {
                    found.entry(name.clone()).or_insert(ident);
                }
            }
            at = self.all[now].parent;
        }
        found.into_values().collect()
    }

    pub fn declare_parameter(&mut self, id: SymbolsId, name: &Name) {
        self.all[id].declare_parameter(name);
    }

    /// Lets a visitor enter names into a scope.
    pub fn analyze(&mut self, id: SymbolsId, visit: impl FnOnce(&mut Visitor)) {
        let symbols = std::mem::take(&mut self.all[id]);
        let mut visitor = Visitor { scopes: self, symbols };
        visit(&mut visitor);
        self.all[id] = visitor.symbols;
    }
}

impl Symbols {
    fn load(&self, name: &str) -> Option<&Source> {
        self.loads.iter().find(|(found, _)| **found == *name).map(|(_, source)| source)
    }

    fn set_load(&mut self, name: &Name, source: Source) {
        match self.loads.iter_mut().find(|(found, _)| found == name) {
            Some((_, old)) => *old = source,
            None => self.loads.push((name.clone(), source)),
        }
    }

    fn declare_parameter(&mut self, name: &Name) {
        self.stores.insert(name.clone());
        self.refs.insert(name.clone());
        self.set_load(name, Source::Parameter);
    }
}

/// FrameSymbolVisitor: enters the names of statements and expressions into a scope.
pub struct Visitor<'a> {
    scopes: &'a Scopes,
    symbols: Symbols,
}

impl Visitor<'_> {
    fn find_outer(&self, name: &str) -> Option<Ident> {
        self.symbols.parent.and_then(|parent| self.scopes.find(parent, name))
    }

    fn load(&mut self, name: &Name) {
        if !self.symbols.refs.contains(name) && self.find_outer(name).is_none() {
            self.symbols.refs.insert(name.clone());
            self.symbols.set_load(name, Source::Context);
        }
    }

    fn store(&mut self, name: &Name) {
        self.symbols.stores.insert(name.clone());
        if self.symbols.refs.insert(name.clone()) {
            let source = self.find_outer(name).map_or(Source::Undefined, Source::Alias);
            self.symbols.set_load(name, source);
        }
    }

    pub fn parameter(&mut self, name: &Name) {
        self.symbols.declare_parameter(name);
    }

    /// The parameters, defaults and body of a macro or a call block.
    pub fn signature(&mut self, signature: &Signature) {
        signature.parameters.iter().for_each(|name| self.parameter(name));
        signature.defaults.iter().for_each(|default| self.expr(default));
        self.body(&signature.body);
    }

    pub fn parameters(&mut self, target: &Target) {
        match target {
            Target::Name(name, _) => self.parameter(name),
            Target::Tuple(items) => items.iter().for_each(|item| self.parameters(item)),
            Target::NamespaceAttribute(name, _) => self.load(name),
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name, _) => self.store(name),
            Target::Tuple(items) => items.iter().for_each(|item| self.target(item)),
            Target::NamespaceAttribute(name, _) => self.load(name),
        }
    }

    pub fn body(&mut self, body: &Body) {
        body.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &Statement) {
        match &statement.kind {
            Node::Autoescape(..) | Node::Block(_) | Node::Break | Node::Continue | Node::Generation(_) => {}
            Node::CallBlock(block) => self.call(&block.call),
            Node::Extends(template) => self.expr(template),
            Node::FilterBlock(filter, _) => self.expr(filter),
            Node::For(node) => self.expr(&node.over),
            Node::FromImport(template, names) => {
                self.expr(template);
                names.iter().for_each(|(_, alias)| self.store(alias));
            }
            Node::If(branches, otherwise) => self.condition(branches, otherwise),
            Node::Import(template, name) => {
                self.expr(template);
                self.store(name);
            }
            Node::Include(include) => self.expr(&include.template),
            Node::Macro(name, _) => self.store(name),
            Node::Output(pieces) => pieces.iter().for_each(|piece| self.piece(piece)),
            Node::Set(target, value) => {
                self.expr(value);
                self.target(target);
            }
            Node::SetBlock(target, ..) => self.target(target),
            Node::With(assignments, _) => assignments.iter().for_each(|(_, value)| self.expr(value)),
        }
    }

    fn piece(&mut self, piece: &Piece) {
        if let Piece::Expr(expr, _) = piece {
            self.expr(expr);
        }
    }

    fn condition(&mut self, branches: &[(Expr, Body)], otherwise: &Body) {
        let Some(((test, body), others)) = branches.split_first() else { return };
        self.expr(test);
        let body = self.branch(|visitor| visitor.body(body));
        let elifs = self.branch(|visitor| {
            others.iter().for_each(|other| visitor.condition(std::slice::from_ref(other), &Vec::new()))
        });
        let otherwise = self.branch(|visitor| visitor.body(otherwise));
        self.merge([body, elifs, otherwise]);
    }

    /// What the scope becomes where a branch is taken.
    fn branch(&mut self, visit: impl FnOnce(&mut Visitor)) -> Symbols {
        let mut visitor = Visitor { scopes: self.scopes, symbols: self.symbols.clone() };
        visit(&mut visitor);
        visitor.symbols
    }

    /// branch_update()
    fn merge(&mut self, branches: [Symbols; 3]) {
        let mut stores: BTreeSet<Name> = BTreeSet::new();
        for branch in &branches {
            stores.extend(branch.stores.difference(&self.symbols.stores).cloned());
        }
        for branch in branches {
            self.symbols.refs.extend(branch.refs);
            self.symbols.stores.extend(branch.stores);
            for (name, source) in branch.loads {
                self.symbols.set_load(&name, source);
            }
        }
        for name in stores {
            let source = self.find_outer(&name).map_or(Source::Context, Source::Alias);
            self.symbols.set_load(&name, source);
        }
    }

    fn call(&mut self, call: &crate::ast::Call) {
        self.expr(&call.callee);
        super::names::arguments(&call.arguments, &mut |expr| self.expr(expr));
    }

    pub fn expr(&mut self, expr: &Expr) {
        if let Expr::Name(name, _) = expr {
            self.load(name);
        }
        super::names::children(expr, &mut |child| self.expr(child));
    }
}
