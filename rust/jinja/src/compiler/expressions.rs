//! Expressions.

use super::symbols::Source;
use super::{assertion, Compiler, Frame};
use crate::ast::{self, Expr as From, Literal};
use crate::code::{Applied, Arguments, Call, Callee, Conditional, Constant, Expr, Stars, Variable};
use crate::error::{unsupported, Result};
use crate::operations::{Binary, Comparison};
use num_traits::ToPrimitive;
use std::collections::HashSet;
use std::sync::Arc;

const PYTHON_KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

impl Compiler {
    pub(super) fn expr(&mut self, expr: &From, frame: Frame) -> Result<Expr> {
        self.deeper(1, |compiler| compiler.expression(expr, frame))
    }

    fn boxed(&mut self, expr: &From, frame: Frame) -> Result<Box<Expr>> {
        self.expr(expr, frame).map(Box::new)
    }

    fn pair(&mut self, pair: &(From, From), frame: Frame) -> Result<Box<(Expr, Expr)>> {
        Ok(Box::new((self.expr(&pair.0, frame)?, self.expr(&pair.1, frame)?)))
    }

    fn list(&mut self, items: &[From], frame: Frame) -> Result<Vec<Expr>> {
        items.iter().map(|item| self.expr(item, frame)).collect()
    }

    fn expression(&mut self, expr: &From, frame: Frame) -> Result<Expr> {
        Ok(match expr {
            From::And(pair) => Expr::And(self.pair(pair, frame)?),
            From::Attribute(value, name) => Expr::Attribute(self.boxed(value, frame)?, name.clone()),
            From::Binary(op, pair) => self.binary(*op, pair, frame)?,
            From::Call(call) => Expr::Call(Box::new(self.call(call, frame, false)?)),
            From::Compare(left, rights) => self.comparison(left, rights, frame)?,
            From::Concat(parts) => Expr::Concat(self.list(parts, frame)?),
            From::Conditional(node) => self.conditional(node, frame.soft())?,
            From::Dict(entries) => {
                let entries = entries.iter().map(|(k, v)| Ok((self.expr(k, frame)?, self.expr(v, frame)?)));
                Expr::Dict(entries.collect::<Result<_>>()?)
            }
            From::Filter(applied) => self.filter(applied, None, frame)?,
            From::Item(pair) => self.item(pair, frame)?,
            From::List(items) => Expr::List(self.list(items, frame)?),
            From::Literal(literal) => Expr::Constant(constant(literal)?),
            From::Name(name, line) => self.name(name, *line, frame)?,
            From::NamespaceAttribute(..) | From::Slice(_) => return Err(assertion("invalid syntax", 1)),
            From::Not(inner) => Expr::Not(self.boxed(inner, frame)?),
            From::Or(pair) => Expr::Or(self.pair(pair, frame)?),
            From::Test(applied) => self.test(applied, frame)?,
            From::Tuple(items) => Expr::Tuple(self.list(items, frame)?),
            From::Unary(op, inner) => Expr::Unary(*op, self.boxed(inner, frame)?),
        })
    }

    fn name(&mut self, name: &ast::Name, line: u32, frame: Frame) -> Result<Expr> {
        let ident = self.ident(frame, name, line)?;
        let is_parameter = self.scopes.source(frame.symbols, &ident) == Some(&Source::Parameter);
        let pending = self.pending_parameters.last().is_some_and(|pending| pending.contains(&ident));
        let variable = self.variable(&ident);
        Ok(match is_parameter && !pending {
            true => Expr::Parameter(variable),
            false => Expr::Variable(variable, self.name_id(name)),
        })
    }

    /// `x + y + z` is one expression, so that texts are joined without copies in between.
    fn binary(&mut self, op: Binary, pair: &(From, From), frame: Frame) -> Result<Expr> {
        let (left, right) = (self.expr(&pair.0, frame)?, self.expr(&pair.1, frame)?);
        check_finite(op, &left, &right)?;
        Ok(match (op, left) {
            (Binary::Add, Expr::Sum(mut parts)) => {
                parts.push(right);
                Expr::Sum(parts)
            }
            (Binary::Add, left) => Expr::Sum(vec![left, right]),
            (op, left) => Expr::Binary(op, Box::new((left, right))),
        })
    }

    fn comparison(&mut self, left: &From, rights: &[(Comparison, From)], frame: Frame) -> Result<Expr> {
        let left = self.expr(left, frame)?;
        let mut compiled = Vec::new();
        for (op, right) in rights {
            let mut right = self.expr(right, frame)?;
            if matches!(op, Comparison::In | Comparison::NotIn) && is_constant_list(&right) {
                right = Expr::Pooled(self.code.pool_size, Box::new(right));
                self.code.pool_size += 1;
            }
            compiled.push((*op, right));
        }
        Ok(match compiled.len() {
            1 => {
                let (op, right) = compiled.swap_remove(0);
                Expr::Compare(Box::new((left, op, right)))
            }
            _ => Expr::CompareChain(Box::new(left), compiled),
        })
    }

    fn conditional(&mut self, node: &ast::Conditional, frame: Frame) -> Result<Expr> {
        let otherwise = match &node.otherwise {
            Some(otherwise) => Some(self.expr(otherwise, frame)?),
            None => None,
        };
        Ok(Expr::Conditional(Box::new(Conditional {
            test: self.expr(&node.test, frame)?,
            then: self.expr(&node.then, frame)?,
            otherwise,
            line: node.line,
        })))
    }

    fn item(&mut self, pair: &(From, From), frame: Frame) -> Result<Expr> {
        let value = self.expr(&pair.0, frame)?;
        let From::Slice(parts) = &pair.1 else {
            return Ok(Expr::Item(Box::new((value, self.expr(&pair.1, frame)?))));
        };
        let mut compiled = [None, None, None];
        for (to, part) in compiled.iter_mut().zip(parts.iter()) {
            if let Some(part) = part {
                *to = Some(self.expr(part, frame)?);
            }
        }
        Ok(Expr::Slice(Box::new((value, compiled))))
    }

    /// A chain of filters whose innermost one is applied to a slot.
    pub(super) fn filter_of(&mut self, filter: &From, slot: u32, frame: Frame) -> Result<Expr> {
        match filter {
            From::Filter(applied) => self.filter(applied, Some(slot), frame),
            _ => self.expr(filter, frame),
        }
    }

    fn filter(&mut self, applied: &ast::Applied, slot: Option<u32>, frame: Frame) -> Result<Expr> {
        let filter = crate::filters::find(&applied.name);
        if filter.is_none() && !frame.soft {
            return Err(assertion(format!("No filter named '{}'.", applied.name), applied.line));
        }
        let to = match (&applied.to, slot) {
            (Some(to), Some(slot)) => self.deeper(1, |compiler| compiler.filter_of(to, slot, frame))?,
            (Some(to), None) => self.expr(to, frame)?,
            (None, slot) => Expr::Parameter(Variable { up: 0, slot: slot.unwrap_or(0) }),
        };
        let arguments = self.arguments(&applied.arguments, frame, applied.line)?;
        let compiled = Box::new(Applied { to, arguments });
        Ok(match filter {
            Some(filter) => Expr::Filter(filter, compiled),
            None => Expr::Unknown(format!("No filter named '{}' found.", applied.name), compiled),
        })
    }

    fn test(&mut self, applied: &ast::Applied, frame: Frame) -> Result<Expr> {
        let test = crate::tests::find(&applied.name);
        if test.is_none() && !frame.soft {
            return Err(assertion(format!("No test named '{}'.", applied.name), applied.line));
        }
        let to = match &applied.to {
            Some(to) => self.expr(to, frame)?,
            None => Expr::Constant(Constant::None),
        };
        let arguments = self.arguments(&applied.arguments, frame, applied.line)?;
        let compiled = Box::new(Applied { to, arguments });
        Ok(match test {
            Some(test) => Expr::Test(test, compiled),
            None => Expr::Unknown(format!("No test named '{}' found.", applied.name), compiled),
        })
    }

    /// `with_caller`: the call is given a named argument `caller` besides.
    pub(super) fn call(&mut self, call: &ast::Call, frame: Frame, with_caller: bool) -> Result<Call> {
        let callee = match &call.callee {
            From::Attribute(value, name) => Callee::Method(self.expr(value, frame)?, name.clone()),
            callee => Callee::Value(self.expr(callee, frame)?),
        };
        let arguments = self.arguments(&call.arguments, frame, call.line)?;
        for (name, _) in &arguments.named {
            if matches!(&**name, "_loop_vars" | "_block_vars") {
                return unsupported(format!("an argument named {name}"));
            }
            if with_caller && &**name == "caller" {
                return Err(assertion(format!("keyword argument repeated: {name}"), call.line));
            }
        }
        Ok(Call { callee, arguments, line: call.line })
    }

    fn arguments(&mut self, arguments: &ast::Arguments, frame: Frame, line: u32) -> Result<Arguments> {
        let overrides = arguments.named.iter().any(|(name, _)| PYTHON_KEYWORDS.contains(&&**name));
        check_repeated(arguments, overrides, line)?;
        let positional = self.list(&arguments.positional, frame)?;
        let mut named = Vec::new();
        for (name, value) in &arguments.named {
            named.push((name.clone(), self.expr(value, frame)?));
        }
        let mut part = |expr: &Option<From>| match expr {
            Some(expr) => self.expr(expr, frame).map(Some),
            None => Ok(None),
        };
        let (star, double_star) = (part(&arguments.star)?, part(&arguments.double_star)?);
        let plain = star.is_none() && double_star.is_none() && !overrides;
        let stars = (!plain).then(|| Box::new(Stars { star, double_star, overrides }));
        Ok(Arguments { positional, named, stars })
    }
}

/// Python refuses a name that is given twice, unless jinja2 builds a dict of the names.
fn check_repeated(arguments: &ast::Arguments, overrides: bool, line: u32) -> Result<()> {
    let mut names = HashSet::new();
    match arguments.named.iter().find(|(name, _)| !names.insert(name)) {
        Some((name, _)) if !overrides => Err(assertion(format!("keyword argument repeated: {name}"), line)),
        _ => Ok(()),
    }
}

fn constant(literal: &Literal) -> Result<Constant> {
    Ok(match literal {
        Literal::None => Constant::None,
        Literal::Bool(value) => Constant::Bool(*value),
        Literal::Integer(number) => match number.to_i64() {
            Some(number) => Constant::Int(number),
            None => Constant::Big(Arc::new(number.clone())),
        },
        Literal::Float(number) if !number.is_finite() => return unsupported("a number that is too large"),
        Literal::Float(number) => Constant::Float(*number),
        Literal::Str(text) => Constant::Str(text.clone()),
    })
}

/// jinja2 computes with constants beforehand, and then writes an infinite result as a name that
/// Python does not know.
fn check_finite(op: Binary, left: &Expr, right: &Expr) -> Result<()> {
    let number = |expr: &Expr| match expr {
        Expr::Constant(Constant::Float(number)) => Some(*number),
        Expr::Constant(Constant::Int(number)) => Some(*number as f64),
        _ => None,
    };
    let (Some(left), Some(right)) = (number(left), number(right)) else { return Ok(()) };
    let result = match op {
        Binary::Add => left + right,
        Binary::Sub => left - right,
        Binary::Mul => left * right,
        _ => return Ok(()),
    };
    match result.is_finite() {
        true => Ok(()),
        false => unsupported("a number that is too large"),
    }
}

fn is_constant_list(expr: &Expr) -> bool {
    match expr {
        Expr::List(items) | Expr::Tuple(items) => {
            items.iter().all(|item| matches!(item, Expr::Constant(_)) || is_constant_list(item))
        }
        _ => false,
    }
}
