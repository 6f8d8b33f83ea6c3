//! Expressions.

use super::output::LONGEST;
use super::Frame;
use crate::access;
use crate::code::{Applied, Conditional, Constant, Expr, NameId, PoolId, Variable};
use crate::dict::Dict;
use crate::error::{unsupported, Error, Kind, Result};
use crate::operations::{self, Binary, Comparison};
use crate::value::Value;
use std::rc::Rc;

impl Frame<'_> {
    pub(super) fn eval(self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::Constant(constant) => Ok(value_of(constant)),
            Expr::Variable(variable, name) => Ok(self.variable(*variable, *name)),
            Expr::Parameter(variable) => self.parameter(*variable),
            Expr::Attribute(value, name) => {
                let value = self.eval(value)?;
                access::attribute(self.rt, &value, name)
            }
            Expr::Item(pair) => {
                let value = self.eval(&pair.0)?;
                let key = self.eval(&pair.1)?;
                access::item(self.rt, &value, &key)
            }
            Expr::And(pair) => {
                let left = self.eval(&pair.0)?;
                if operations::truth(&left) { self.eval(&pair.1) } else { Ok(left) }
            }
            Expr::Or(pair) => {
                let left = self.eval(&pair.0)?;
                if operations::truth(&left) { Ok(left) } else { self.eval(&pair.1) }
            }
            Expr::Compare(_) | Expr::CompareChain(..) | Expr::Not(_) | Expr::Test(..) => {
                self.test(expr).map(Value::Bool)
            }
            Expr::Binary(op, pair) => self.binary(*op, pair),
            Expr::Call(call) => self.call(call, None),
            Expr::Concat(parts) => self.concat(parts),
            Expr::Conditional(node) => self.conditional(node),
            Expr::Dict(entries) => self.dict(entries),
            Expr::Filter(filter, applied) => filter(self.rt, self.applied(applied)?),
            Expr::List(items) => Ok(Value::List(self.items(items)?)),
            Expr::Pooled(id, list) => self.pooled(*id, list),
            Expr::Slice(node) => self.slice(&node.0, &node.1),
            Expr::Sum(parts) => self.sum(parts),
            Expr::Tuple(items) => Ok(Value::Tuple(self.items(items)?)),
            Expr::Unary(op, inner) => {
                let value = self.eval(inner)?;
                operations::unary(self.rt, *op, &value)
            }
            Expr::Unknown(message, applied) => {
                self.applied(applied)?;
                Err(Error::new(Kind::Runtime, message.as_str()))
            }
        }
    }

    /// Whether an expression is true.
    pub(super) fn test(self, expr: &Expr) -> Result<bool> {
        match expr {
            Expr::Not(inner) => Ok(!self.test(inner)?),
            Expr::And(pair) => Ok(self.test(&pair.0)? && self.test(&pair.1)?),
            Expr::Or(pair) => Ok(self.test(&pair.0)? || self.test(&pair.1)?),
            Expr::Compare(node) => {
                let left = self.eval(&node.0)?;
                let right = self.eval(&node.2)?;
                operations::compare(self.rt, node.1, &left, &right)
            }
            Expr::CompareChain(left, rights) => self.compare_chain(left, rights),
            Expr::Test(test, applied) => test(self.rt, self.applied(applied)?),
            _ => Ok(operations::truth(&self.eval(expr)?)),
        }
    }

    fn variable(self, variable: Variable, name: NameId) -> Value {
        self.env.get(variable).unwrap_or_else(|| self.cx.session.undefined(name))
    }

    /// A parameter is missing only to a macro that outlives the scope around it.
    fn parameter(self, variable: Variable) -> Result<Value> {
        match self.env.get(variable) {
            Some(value) => Ok(value),
            None => unsupported("a macro uses a variable of a scope that has ended"),
        }
    }

    #[inline(never)]
    fn applied(self, applied: &Applied) -> Result<crate::value::Args> {
        let to = self.eval(&applied.to)?;
        self.applied_arguments(to, &applied.arguments)
    }

    #[inline(never)]
    fn binary(self, op: Binary, pair: &(Expr, Expr)) -> Result<Value> {
        let left = self.eval(&pair.0)?;
        let right = self.eval(&pair.1)?;
        operations::binary(self.rt, op, &left, &right)
    }

    #[inline(never)]
    fn compare_chain(self, left: &Expr, rights: &[(Comparison, Expr)]) -> Result<bool> {
        let mut left = self.eval(left)?;
        for (op, right) in rights {
            let right = self.eval(right)?;
            if !operations::compare(self.rt, *op, &left, &right)? {
                return Ok(false);
            }
            left = right;
        }
        Ok(true)
    }

    #[inline(never)]
    fn conditional(self, node: &Conditional) -> Result<Value> {
        if self.test(&node.test)? {
            return self.eval(&node.then);
        }
        match &node.otherwise {
            Some(otherwise) => self.eval(otherwise),
            None => Ok(Value::undefined(format!(
                "the inline if-expression on line {} evaluated to false and no else section was defined.",
                node.line
            ))),
        }
    }

    #[inline(never)]
    fn concat(self, parts: &[Expr]) -> Result<Value> {
        let mut text = String::new();
        for part in parts {
            match self.eval(part)? {
                Value::Str(part) => text.push_str(&part),
                value => text.push_str(&crate::repr::str_of(self.rt, &value)?),
            }
        }
        self.text(text)
    }

    fn text(self, text: String) -> Result<Value> {
        self.rt.step(text.len() as u64 / 64)?;
        match text.len() > LONGEST {
            true => unsupported("a text is too long"),
            false => Ok(Value::str(text)),
        }
    }

    /// x + y + z, from left to right; texts are joined in one go.
    #[inline(never)]
    fn sum(self, parts: &[Expr]) -> Result<Value> {
        let Some((first, rest)) = parts.split_first() else { return Ok(Value::None) };
        let mut sum = self.eval(first)?;
        let mut joined: Option<String> = None;
        for part in rest {
            let right = self.eval(part)?;
            match (&mut joined, &sum, &right) {
                (Some(text), _, Value::Str(right)) => text.push_str(right),
                (None, Value::Str(left), Value::Str(right)) => joined = Some([&**left, &**right].concat()),
                _ => {
                    if let Some(text) = joined.take() {
                        sum = self.text(text)?;
                    }
                    sum = operations::binary(self.rt, Binary::Add, &sum, &right)?;
                }
            }
        }
        match joined {
            Some(text) => self.text(text),
            None => Ok(sum),
        }
    }

    fn items(self, items: &[Expr]) -> Result<Rc<Vec<Value>>> {
        Ok(Rc::new(items.iter().map(|item| self.eval(item)).collect::<Result<_>>()?))
    }

    #[inline(never)]
    fn dict(self, entries: &[(Expr, Expr)]) -> Result<Value> {
        let mut dict = Dict::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.eval(key)?;
            dict.set(key, self.eval(value)?)?;
        }
        Ok(Value::dict(dict))
    }

    #[inline(never)]
    fn pooled(self, id: PoolId, list: &Expr) -> Result<Value> {
        let cell = &self.cx.session.pool[id];
        if let Some(value) = cell.get() {
            return Ok(value.clone());
        }
        let value = self.eval(list)?;
        Ok(cell.get_or_init(|| value).clone())
    }

    #[inline(never)]
    fn slice(self, of: &Expr, parts: &[Option<Expr>; 3]) -> Result<Value> {
        let value = self.eval(of)?;
        let mut evaluated = [Value::None, Value::None, Value::None];
        for (to, part) in evaluated.iter_mut().zip(parts) {
            if let Some(part) = part {
                *to = self.eval(part)?;
            }
        }
        let [start, stop, step] = evaluated;
        let sliced = access::slice(self.rt, &value, &start, &stop, &step);
        match sliced {
            Err(error) if error.kind == Kind::Type && is_fixed(of) => {
                unsupported("a slice of constants fails, which jinja2 may take for undefined")
            }
            sliced => sliced,
        }
    }
}

/// Whether jinja2 may compute an expression when it compiles the template.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Constant(_) | Expr::Dict(_) => true,
        Expr::And(pair) | Expr::Or(pair) | Expr::Binary(_, pair) | Expr::Item(pair) => {
            is_fixed(&pair.0) && is_fixed(&pair.1)
        }
        Expr::Compare(node) => is_fixed(&node.0) && is_fixed(&node.2),
        Expr::CompareChain(of, _) | Expr::Attribute(of, _) | Expr::Not(of) | Expr::Unary(_, of) => is_fixed(of),
        Expr::Concat(items) | Expr::List(items) | Expr::Sum(items) | Expr::Tuple(items) => {
            items.iter().all(is_fixed)
        }
        Expr::Slice(node) => is_fixed(&node.0),
        Expr::Filter(_, applied) | Expr::Test(_, applied) => is_fixed(&applied.to),
        _ => false,
    }
}

fn value_of(constant: &Constant) -> Value {
    match constant {
        Constant::None => Value::None,
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(number) => Value::Int(*number),
        Constant::Big(number) => Value::Big(Rc::new((**number).clone())),
        Constant::Float(number) => Value::Float(*number),
        Constant::Str(text) => Value::Str(text.clone()),
    }
}
