//! Expressions.

use super::output::LONGEST;
use super::Frame;
use crate::access;
use crate::code::{Applied, Conditional, Constant, Expr, NameId, PoolId, Variable};
use crate::dict::Dict;
use crate::error::{unsupported, Error, Kind, Result};
use crate::filters::Filter;
use crate::operations::{self, Binary, Comparison, Unary};
use crate::value::Value;
use std::rc::Rc;

impl Frame<'_> {
    pub(super) fn eval(self, expr: &Expr) -> Result<Value> {
        match expr {
            Expr::Constant(constant) => Ok(value_of(constant)),
            Expr::Variable(variable, name) => Ok(self.variable(*variable, *name)),
            Expr::Parameter(variable) => self.parameter(*variable),
            Expr::Attribute(value, name) => self.attribute(value, name),
            Expr::Item(pair) => self.item(pair),
            Expr::And(pair) => self.either(pair, false),
            Expr::Or(pair) => self.either(pair, true),
            Expr::Compare(_) | Expr::CompareChain(..) | Expr::Not(_) | Expr::Test(..) => self.truth(expr),
            Expr::Binary(op, pair) => self.binary(*op, pair),
            Expr::Call(call) => self.call(call, None),
            Expr::Concat(parts) => self.concat(parts),
            Expr::Conditional(node) => self.conditional(node),
            Expr::Dict(entries) => self.dict(entries),
            Expr::Filter(filter, applied) => self.filter(*filter, applied),
            Expr::List(items) => self.items(items).map(Value::List),
            Expr::Pooled(id, list) => self.pooled(*id, list),
            Expr::Slice(node) => self.slice(&node.0, &node.1),
            Expr::Sum(parts) => self.sum(parts),
            Expr::Tuple(items) => self.items(items).map(Value::Tuple),
            Expr::Unary(op, inner) => self.unary(*op, inner),
            Expr::Unknown(message, applied) => self.unknown(message, applied),
        }
    }

    /// Whether an expression is true.
    pub(super) fn test(self, expr: &Expr) -> Result<bool> {
        match expr {
            Expr::Not(inner) => Ok(!self.test(inner)?),
            Expr::And(pair) => Ok(self.test(&pair.0)? && self.test(&pair.1)?),
            Expr::Or(pair) => Ok(self.test(&pair.0)? || self.test(&pair.1)?),
            Expr::Compare(node) => self.compare(node),
            Expr::CompareChain(left, rights) => self.compare_chain(left, rights),
            Expr::Test(test, applied) => test(self.rt, self.applied(applied)?),
            _ => Ok(operations::truth(&self.eval(expr)?)),
        }
    }

    // What follows stands in functions of its own so that eval() and test(), which contain
    // themselves, need little of the stack.

    #[inline(never)]
    fn truth(self, expr: &Expr) -> Result<Value> {
        self.test(expr).map(Value::Bool)
    }

    #[inline(never)]
    fn attribute(self, value: &Expr, name: &str) -> Result<Value> {
        let value = self.eval(value)?;
        access::attribute(self.rt, &value, name)
    }

    #[inline(never)]
    fn item(self, pair: &(Expr, Expr)) -> Result<Value> {
        let value = self.eval(&pair.0)?;
        if let (Value::Dict(dict), Some(key)) = (&value, constant_text(&pair.1)) {
            if let Some(item) = dict.get_str(key) {
                return Ok(item.clone());
            }
        }
        let key = self.eval(&pair.1)?;
        access::item(self.rt, &value, &key)
    }

    /// The left value if its truth is `end`, else the right one.
    #[inline(never)]
    fn either(self, pair: &(Expr, Expr), end: bool) -> Result<Value> {
        let left = self.eval(&pair.0)?;
        if operations::truth(&left) == end {
            return Ok(left);
        }
        self.eval(&pair.1)
    }

    #[inline(never)]
    fn compare(self, node: &(Expr, Comparison, Expr)) -> Result<bool> {
        let left = self.eval(&node.0)?;
        match (&left, node.1, constant_text(&node.2)) {
            (Value::Str(left), Comparison::Eq, Some(right)) => return Ok(**left == *right),
            (Value::Str(left), Comparison::Ne, Some(right)) => return Ok(**left != *right),
            _ => {}
        }
        let right = self.eval(&node.2)?;
        operations::compare(self.rt, node.1, &left, &right)
    }

    #[inline(never)]
    fn unary(self, op: Unary, inner: &Expr) -> Result<Value> {
        let value = self.eval(inner)?;
        operations::unary(self.rt, op, &value)
    }

    #[inline(never)]
    fn filter(self, filter: Filter, applied: &Applied) -> Result<Value> {
        filter(self.rt, self.applied(applied)?)
    }

    #[inline(never)]
    fn unknown(self, message: &str, applied: &Applied) -> Result<Value> {
        self.applied(applied)?;
        Err(Error::new(Kind::Runtime, message))
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
            if let Some(part) = constant_text(part) {
                text.push_str(part);
                continue;
            }
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

    #[inline(never)]
    fn sum(self, parts: &[Expr]) -> Result<Value> {
        let mut text = String::new();
        match self.add_up(parts, &mut text)? {
            Some(value) => Ok(value),
            None => self.text(text),
        }
    }

    /// x + y + z, from left to right. As long as these are texts, they are joined behind what is in
    /// `text`; None if all are.
    #[inline(never)]
    pub(super) fn add_up(self, parts: &[Expr], text: &mut String) -> Result<Option<Value>> {
        let begin = text.len();
        for (at, part) in parts.iter().enumerate() {
            if let Some(constant) = constant_text(part) {
                text.push_str(constant);
                continue;
            }
            match self.eval(part)? {
                Value::Str(value) => text.push_str(&value),
                value if at == 0 => return self.add(value, &parts[1..]).map(Some),
                value => {
                    let sum = self.text(text.split_off(begin))?;
                    let sum = operations::binary(self.rt, Binary::Add, &sum, &value)?;
                    return self.add(sum, &parts[at + 1..]).map(Some);
                }
            }
        }
        Ok(None)
    }

    fn add(self, mut sum: Value, parts: &[Expr]) -> Result<Value> {
        for part in parts {
            let value = self.eval(part)?;
            sum = operations::binary(self.rt, Binary::Add, &sum, &value)?;
        }
        Ok(sum)
    }

    #[inline(never)]
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
    fn slice(self, value: &Expr, parts: &[Option<Expr>; 3]) -> Result<Value> {
        let value = self.eval(value)?;
        let mut evaluated = [Value::None, Value::None, Value::None];
        for (to, part) in evaluated.iter_mut().zip(parts) {
            if let Some(part) = part {
                *to = self.eval(part)?;
            }
        }
        let [start, stop, step] = evaluated;
        access::slice(self.rt, &value, &start, &stop, &step)
    }
}

/// The text of a constant, for where no value need be made of it.
fn constant_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Constant(Constant::Str(text)) => Some(text),
        _ => None,
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
