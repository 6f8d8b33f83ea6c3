//! Walks over all names of a part of a template, in the order of jinja2's nodes.

use crate::ast::{Arguments, Body, Expr, Name, Node, Piece, Signature, Statement, Target};
use std::collections::HashSet;

/// How a name is used.
#[derive(Clone, Copy, PartialEq)]
pub enum Use {
    Load,
    Store,
    Parameter,
}

type Visit<'a> = &'a mut dyn FnMut(&Name, Use, u32);

/// Those of `names` that a body uses without having set them before (UndeclaredNameVisitor).
pub fn undeclared(body: &Body, names: &[&'static str]) -> HashSet<&'static str> {
    let mut names: HashSet<&'static str> = names.iter().copied().collect();
    let mut found = HashSet::new();
    let mut visit = |name: &Name, usage: Use, _: u32| match names.get(&**name).copied() {
        Some(name) if usage == Use::Load => {
            found.insert(name);
        }
        Some(name) => {
            names.remove(name);
        }
        None => {}
    };
    walk_body(body, false, &mut visit);
    found
}

/// The line in which a loop sets `loop`, which it must not.
pub fn stores_loop(node: &crate::ast::For) -> Option<u32> {
    let mut found = None;
    walk_for(node, true, &mut |name, usage, line| {
        if usage == Use::Store && &**name == "loop" {
            found.get_or_insert(line);
        }
    });
    found
}

fn walk_body(body: &Body, blocks: bool, visit: Visit) {
    body.iter().for_each(|statement| walk(statement, blocks, visit));
}

fn walk(statement: &Statement, blocks: bool, visit: Visit) {
    match &statement.kind {
        Node::Autoescape(value, body) => {
            walk_expr(value, visit);
            walk_body(body, blocks, visit);
        }
        Node::Block(block) if blocks => walk_body(&block.body, blocks, visit),
        Node::Block(_) | Node::Break | Node::Continue => {}
        Node::CallBlock(block) => {
            walk_expr(&block.call.callee, visit);
            arguments(&block.call.arguments, &mut |expr| walk_expr(expr, visit));
            walk_signature(&block.caller, blocks, visit);
        }
        Node::Extends(template) | Node::Import(template, _) | Node::FromImport(template, _) => {
            walk_expr(template, visit)
        }
        Node::FilterBlock(filter, body) => {
            walk_body(body, blocks, visit);
            walk_expr(filter, visit);
        }
        Node::For(node) => walk_for(node, blocks, visit),
        Node::Generation(signature) | Node::Macro(_, signature) => walk_signature(signature, blocks, visit),
        Node::If(branches, otherwise) => walk_if(branches, otherwise, blocks, visit),
        Node::Include(include) => walk_expr(&include.template, visit),
        Node::Output(pieces) => pieces.iter().for_each(|piece| walk_piece(piece, visit)),
        Node::Set(target, value) => {
            walk_target(target, Use::Store, visit);
            walk_expr(value, visit);
        }
        Node::SetBlock(target, filter, body) => {
            walk_target(target, Use::Store, visit);
            filter.iter().for_each(|filter| walk_expr(filter, visit));
            walk_body(body, blocks, visit);
        }
        Node::With(assignments, body) => {
            assignments.iter().for_each(|(target, _)| walk_target(target, Use::Parameter, visit));
            assignments.iter().for_each(|(_, value)| walk_expr(value, visit));
            walk_body(body, blocks, visit);
        }
    }
}

fn walk_piece(piece: &Piece, visit: Visit) {
    if let Piece::Expr(expr, _) = piece {
        walk_expr(expr, visit);
    }
}

fn walk_if(branches: &[(Expr, Body)], otherwise: &Body, blocks: bool, visit: Visit) {
    for (test, body) in branches {
        walk_expr(test, visit);
        walk_body(body, blocks, visit);
    }
    walk_body(otherwise, blocks, visit);
}

fn walk_for(node: &crate::ast::For, blocks: bool, visit: Visit) {
    walk_target(&node.target, Use::Store, visit);
    walk_expr(&node.over, visit);
    walk_body(&node.body, blocks, visit);
    walk_body(&node.otherwise, blocks, visit);
    node.test.iter().for_each(|test| walk_expr(test, visit));
}

fn walk_signature(signature: &Signature, blocks: bool, visit: Visit) {
    signature.parameters.iter().for_each(|name| visit(name, Use::Parameter, 0));
    signature.defaults.iter().for_each(|default| walk_expr(default, visit));
    walk_body(&signature.body, blocks, visit);
}

fn walk_target(target: &Target, usage: Use, visit: Visit) {
    match target {
        Target::Name(name, line) => visit(name, usage, *line),
        Target::Tuple(items) => items.iter().for_each(|item| walk_target(item, usage, visit)),
        Target::NamespaceAttribute(..) => {}
    }
}

fn walk_expr(expr: &Expr, visit: Visit) {
    if let Expr::Name(name, line) = expr {
        visit(name, Use::Load, *line);
    }
    children(expr, &mut |child| walk_expr(child, visit));
}

/// Visits the expressions that an expression consists of.
pub fn children<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    match expr {
        Expr::Literal(_) | Expr::Name(..) | Expr::NamespaceAttribute(..) => {}
        Expr::And(pair) | Expr::Or(pair) | Expr::Binary(_, pair) | Expr::Item(pair) => {
            visit(&pair.0);
            visit(&pair.1);
        }
        Expr::Attribute(inner, _) | Expr::Not(inner) | Expr::Unary(_, inner) => visit(inner),
        Expr::Call(call) => {
            visit(&call.callee);
            arguments(&call.arguments, visit);
        }
        Expr::Compare(left, rights) => {
            visit(left);
            rights.iter().for_each(|(_, right)| visit(right));
        }
        Expr::Concat(parts) | Expr::List(parts) | Expr::Tuple(parts) => parts.iter().for_each(visit),
        Expr::Conditional(node) => {
            visit(&node.test);
            visit(&node.then);
            node.otherwise.iter().for_each(visit);
        }
        Expr::Dict(entries) => {
            for (key, value) in entries {
                visit(key);
                visit(value);
            }
        }
        Expr::Filter(applied) | Expr::Test(applied) => {
            applied.to.iter().for_each(&mut *visit);
            arguments(&applied.arguments, visit);
        }
        Expr::Slice(parts) => parts.iter().flatten().for_each(visit),
    }
}

pub fn arguments<'a>(arguments: &'a Arguments, visit: &mut dyn FnMut(&'a Expr)) {
    arguments.positional.iter().for_each(&mut *visit);
    arguments.named.iter().for_each(|(_, value)| visit(value));
    arguments.star.iter().for_each(&mut *visit);
    arguments.double_star.iter().for_each(visit);
}
