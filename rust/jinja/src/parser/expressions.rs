//! Operators, in jinja2's order of precedence.

use super::Parser;
use crate::ast::{Applied, Conditional, Expr};
use crate::error::Result;
use crate::lexer::Kind;
use crate::operations::{Binary, Comparison, Unary};

impl Parser {
    /// parse_expression()
    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.deeper(3, Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let mut line = self.line();
        let mut expr = self.or()?;
        while self.skip_name("if") {
            let mut height = self.height;
            let test = self.or()?;
            height = height.max(self.height);
            let otherwise = match self.skip_name("else") {
                true => Some(self.deeper(1, Self::conditional)?),
                false => None,
            };
            self.grow(height)?;
            expr = Expr::Conditional(Box::new(Conditional { test, then: expr, otherwise, line }));
            line = self.line();
        }
        Ok(expr)
    }

    pub(super) fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            let height = self.height;
            let right = self.and()?;
            self.grow(height)?;
            left = Expr::Or(Box::new((left, right)));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            let height = self.height;
            let right = self.not()?;
            self.grow(height)?;
            left = Expr::And(Box::new((left, right)));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        if !self.skip_name("not") {
            return self.comparison();
        }
        let expr = self.deeper(1, Self::not)?;
        self.grow(0)?;
        Ok(Expr::Not(Box::new(expr)))
    }

    fn comparison(&mut self) -> Result<Expr> {
        let left = self.sum()?;
        let mut height = self.height;
        let mut rights = Vec::new();
        while let Some(op) = self.comparison_operator() {
            rights.push((op, self.sum()?));
            height = height.max(self.height);
        }
        if rights.is_empty() {
            return Ok(left);
        }
        self.grow(height)?;
        Ok(Expr::Compare(Box::new(left), rights))
    }

    fn comparison_operator(&mut self) -> Option<Comparison> {
        let token = self.current();
        let (op, length) = match &token.kind {
            Kind::Operator("==") => (Comparison::Eq, 1),
            Kind::Operator("!=") => (Comparison::Ne, 1),
            Kind::Operator("<") => (Comparison::Lt, 1),
            Kind::Operator("<=") => (Comparison::Le, 1),
            Kind::Operator(">") => (Comparison::Gt, 1),
            Kind::Operator(">=") => (Comparison::Ge, 1),
            Kind::Name(name) if &**name == "in" => (Comparison::In, 1),
            Kind::Name(name) if &**name == "not" && self.look(1).is_name("in") => (Comparison::NotIn, 2),
            _ => return None,
        };
        self.skip(length);
        Some(op)
    }

    /// Operators that bind from left to right.
    fn chain(
        &mut self,
        operators: &[(&str, Binary)],
        operand: fn(&mut Self) -> Result<Expr>,
    ) -> Result<Expr> {
        let mut left = operand(self)?;
        while let Some((_, op)) = operators.iter().find(|(text, _)| self.current().is_operator(text)) {
            self.skip(1);
            let height = self.height;
            let right = operand(self)?;
            self.grow(height)?;
            left = Expr::Binary(*op, Box::new((left, right)));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr> {
        self.chain(&[("+", Binary::Add), ("-", Binary::Sub)], Self::concatenation)
    }

    fn concatenation(&mut self) -> Result<Expr> {
        let first = self.product()?;
        if !self.current().is_operator("~") {
            return Ok(first);
        }
        let mut height = self.height;
        let mut parts = vec![first];
        while self.skip_operator("~") {
            parts.push(self.product()?);
            height = height.max(self.height);
        }
        self.grow(height)?;
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Result<Expr> {
        let operators =
            [("*", Binary::Mul), ("/", Binary::Div), ("//", Binary::FloorDiv), ("%", Binary::Mod)];
        self.chain(&operators, Self::power)
    }

    fn power(&mut self) -> Result<Expr> {
        self.chain(&[("**", Binary::Pow)], |parser| parser.unary(true))
    }

    fn unary(&mut self, with_filters: bool) -> Result<Expr> {
        let op = match self.current().kind {
            Kind::Operator("-") => Some(Unary::Minus),
            Kind::Operator("+") => Some(Unary::Plus),
            _ => None,
        };
        let expr = match op {
            None => self.primary()?,
            Some(op) => {
                self.skip(1);
                let operand = self.deeper(1, |parser| parser.unary(false))?;
                self.grow(0)?;
                Expr::Unary(op, Box::new(operand))
            }
        };
        let expr = self.postfix(expr)?;
        match with_filters {
            true => self.filters_and_tests(expr),
            false => Ok(expr),
        }
    }

    fn filters_and_tests(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            let token = self.current();
            expr = if token.is_operator("|") {
                self.filters(Some(expr))?
            } else if token.is_name("is") {
                self.test(expr)?
            } else if token.is_operator("(") {
                self.call(expr)?
            } else {
                return Ok(expr);
            }
        }
    }

    /// parse_filter(): filters with their bars before them. None stands for the text of a block.
    pub(super) fn filters(&mut self, mut expr: Option<Expr>) -> Result<Expr> {
        loop {
            match expr {
                Some(expr) if !self.current().is_operator("|") => return Ok(expr),
                to => {
                    self.skip(1);
                    expr = Some(self.filter(to)?);
                }
            }
        }
    }

    /// One filter, without a bar.
    pub(super) fn filter(&mut self, to: Option<Expr>) -> Result<Expr> {
        let line = self.line();
        let height = if to.is_some() { self.height } else { 0 };
        let name = self.dotted_name()?;
        self.height = 0;
        let arguments = match self.current().is_operator("(") {
            true => self.arguments()?,
            false => Default::default(),
        };
        self.grow(height)?;
        Ok(Expr::Filter(Box::new(Applied { to, name, arguments, line })))
    }

    fn dotted_name(&mut self) -> Result<crate::ast::Name> {
        let mut name = self.expect_name()?;
        while self.skip_operator(".") {
            name = format!("{name}.{}", self.expect_name()?).into();
        }
        Ok(name)
    }

    fn test(&mut self, to: Expr) -> Result<Expr> {
        let height = self.height;
        let line = self.next().line;
        let negated = self.skip_name("not");
        let name = self.dotted_name()?;
        self.height = 0;
        let mut arguments = crate::ast::Arguments::default();
        if self.current().is_operator("(") {
            arguments = self.arguments()?;
        } else if self.at_test_argument() {
            if self.current().is_name("is") {
                return self.fail("You cannot chain multiple tests with is");
            }
            let argument = self.primary()?;
            arguments.positional.push(self.postfix(argument)?);
        }
        self.grow(height)?;
        let test = Expr::Test(Box::new(Applied { to: Some(to), name, arguments, line }));
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }

    fn at_test_argument(&self) -> bool {
        match &self.current().kind {
            Kind::Name(name) => !matches!(&**name, "else" | "or" | "and"),
            Kind::Str(_) | Kind::Integer(_) | Kind::Float(_) => true,
            Kind::Operator(operator) => matches!(*operator, "[" | "{"),
            _ => false,
        }
    }
}
