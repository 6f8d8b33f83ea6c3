//! What can be assigned to.

use super::Parser;
use crate::ast::{Expr, Name, Target};
use crate::error::Result;
use crate::lexer::{syntax, Kind};

const RESERVED: [&str; 6] = ["true", "false", "none", "True", "False", "None"];

impl Parser {
    pub(super) fn target(&mut self, with_namespace: bool) -> Result<Target> {
        let line = self.line();
        let expr = self.simple_tuple(with_namespace)?;
        let name = type_name(&expr);
        match as_target(expr) {
            Some(target) => Ok(target),
            None => Err(syntax(format!("can't assign to '{name}'"), line)),
        }
    }

    pub(super) fn name_target(&mut self) -> Result<Name> {
        let line = self.line();
        let name = self.expect_name()?;
        match RESERVED.contains(&&*name) {
            true => Err(syntax("can't assign to 'name'", line)),
            false => Ok(name),
        }
    }

    /// Names and literals with commas between them.
    fn simple_tuple(&mut self, with_namespace: bool) -> Result<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.at_tuple_end() {
                break;
            }
            items.push(self.primary_target(with_namespace)?);
            if !self.current().is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        self.finish_tuple(items, is_tuple)
    }

    fn primary_target(&mut self, with_namespace: bool) -> Result<Expr> {
        let is_name = self.current().name().is_some();
        match self.primary()? {
            Expr::Name(name, _) if with_namespace && is_name && self.current().is_operator(".") => {
                self.skip(1);
                Ok(Expr::NamespaceAttribute(name, self.expect_name()?))
            }
            expr => Ok(expr),
        }
    }

    /// is_tuple_end(), whose extra rules never apply in jinja2.
    pub(super) fn at_tuple_end(&self) -> bool {
        matches!(self.current().kind, Kind::VariableEnd | Kind::BlockEnd | Kind::Operator(")"))
    }
}

fn as_target(expr: Expr) -> Option<Target> {
    match expr {
        Expr::Name(name, line) => Some(Target::Name(name, line)),
        Expr::NamespaceAttribute(name, attribute) => Some(Target::NamespaceAttribute(name, attribute)),
        Expr::Tuple(items) => items.into_iter().map(as_target).collect::<Option<_>>().map(Target::Tuple),
        _ => None,
    }
}

/// The name that jinja2 gives to the kind of an expression.
fn type_name(expr: &Expr) -> &'static str {
    match expr {
        Expr::And(_) => "and",
        Expr::Attribute(..) => "getattr",
        Expr::Binary(op, _) => match op {
            crate::operations::Binary::Add => "add",
            crate::operations::Binary::Sub => "sub",
            crate::operations::Binary::Mul => "mul",
            crate::operations::Binary::Div => "div",
            crate::operations::Binary::FloorDiv => "floordiv",
            crate::operations::Binary::Mod => "mod",
            crate::operations::Binary::Pow => "pow",
        },
        Expr::Call(_) => "call",
        Expr::Compare(..) => "compare",
        Expr::Concat(_) => "concat",
        Expr::Conditional(_) => "condexpr",
        Expr::Dict(_) => "dict",
        Expr::Filter(_) => "filter",
        Expr::Item(_) => "getitem",
        Expr::List(_) => "list",
        Expr::Literal(_) => "const",
        Expr::Name(..) => "name",
        Expr::NamespaceAttribute(..) => "nsref",
        Expr::Not(_) => "not",
        Expr::Or(_) => "or",
        Expr::Slice(_) => "slice",
        Expr::Test(_) => "test",
        Expr::Tuple(_) => "tuple",
        Expr::Unary(crate::operations::Unary::Plus, _) => "pos",
        Expr::Unary(crate::operations::Unary::Minus, _) => "neg",
    }
}
