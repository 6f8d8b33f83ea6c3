//! Names, literals, and what follows an expression directly.

use super::Parser;
use crate::ast::{Call, Expr, Literal};
use crate::error::Result;
use crate::lexer::Kind;

impl Parser {
    pub(super) fn primary(&mut self) -> Result<Expr> {
        self.height = 1;
        let token = self.current().clone();
        let expr = match token.kind {
            Kind::Name(name) => match &*name {
                "true" | "True" => Expr::Literal(Literal::Bool(true)),
                "false" | "False" => Expr::Literal(Literal::Bool(false)),
                "none" | "None" => Expr::Literal(Literal::None),
                _ => Expr::Name(name, token.line),
            },
            Kind::Integer(number) => Expr::Literal(Literal::Integer(number)),
            Kind::Float(number) => Expr::Literal(Literal::Float(number)),
            Kind::Str(_) => return Ok(self.strings()),
            Kind::Operator("(") => return self.parenthesized(),
            Kind::Operator("[") => return self.list(),
            Kind::Operator("{") => return self.dict(),
            _ => return self.fail(format!("unexpected '{}'", token.describe())),
        };
        self.skip(1);
        Ok(expr)
    }

    /// Strings next to each other are one.
    fn strings(&mut self) -> Expr {
        let mut text = String::new();
        while let Kind::Str(part) = &self.current().kind {
            text.push_str(part);
            self.skip(1);
        }
        Expr::Literal(Literal::Str(text.into()))
    }

    fn parenthesized(&mut self) -> Result<Expr> {
        self.skip(1);
        if self.current().is_operator(")") {
            self.skip(1);
            return Ok(Expr::Tuple(Vec::new()));
        }
        let expr = self.tuple()?;
        self.expect_operator(")")?;
        Ok(expr)
    }

    /// parse_tuple(): expressions with commas between them, or one without.
    pub(super) fn tuple(&mut self) -> Result<Expr> {
        self.tuple_of(Self::expression)
    }

    /// parse_tuple(with_condexpr=False)
    pub(super) fn tuple_without_condition(&mut self) -> Result<Expr> {
        self.tuple_of(Self::or)
    }

    fn tuple_of(&mut self, part: fn(&mut Self) -> Result<Expr>) -> Result<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        let mut height = 0;
        loop {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.at_tuple_end() {
                break;
            }
            items.push(part(self)?);
            height = height.max(self.height);
            if !self.current().is_operator(",") {
                break;
            }
            is_tuple = true;
        }
        self.height = height;
        self.finish_tuple(items, is_tuple)
    }

    pub(super) fn finish_tuple(&mut self, mut items: Vec<Expr>, is_tuple: bool) -> Result<Expr> {
        if is_tuple {
            self.grow(0)?;
            return Ok(Expr::Tuple(items));
        }
        match items.pop() {
            Some(item) => Ok(item),
            None => self.fail(format!("Expected an expression, got '{}'", self.current().describe())),
        }
    }

    fn list(&mut self) -> Result<Expr> {
        self.skip(1);
        let mut items = Vec::new();
        let mut height = 0;
        while !self.current().is_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.current().is_operator("]") {
                break;
            }
            items.push(self.expression()?);
            height = height.max(self.height);
        }
        self.expect_operator("]")?;
        self.grow(height)?;
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Result<Expr> {
        self.skip(1);
        let mut items = Vec::new();
        let mut height = 0;
        while !self.current().is_operator("}") {
            if !items.is_empty() {
                self.expect_operator(",")?;
            }
            if self.current().is_operator("}") {
                break;
            }
            let key = self.expression()?;
            height = height.max(self.height);
            self.expect_operator(":")?;
            items.push((key, self.expression()?));
            height = height.max(self.height);
        }
        self.expect_operator("}")?;
        self.grow(height)?;
        Ok(Expr::Dict(items))
    }

    pub(super) fn postfix(&mut self, mut expr: Expr) -> Result<Expr> {
        loop {
            expr = match self.current().kind {
                Kind::Operator(".") => self.attribute(expr)?,
                Kind::Operator("[") => self.subscript(expr)?,
                Kind::Operator("(") => self.call(expr)?,
                _ => return Ok(expr),
            }
        }
    }

    fn attribute(&mut self, expr: Expr) -> Result<Expr> {
        self.skip(1);
        self.grow(0)?;
        let token = self.next();
        match token.kind {
            Kind::Name(name) => Ok(Expr::Attribute(Box::new(expr), name)),
            Kind::Integer(number) => {
                Ok(Expr::Item(Box::new((expr, Expr::Literal(Literal::Integer(number))))))
            }
            _ => Err(crate::lexer::syntax("expected name or number", token.line)),
        }
    }

    fn subscript(&mut self, expr: Expr) -> Result<Expr> {
        self.skip(1);
        let mut height = self.height;
        let mut keys = Vec::new();
        while !self.current().is_operator("]") {
            if !keys.is_empty() {
                self.expect_operator(",")?;
            }
            keys.push(self.key()?);
            height = height.max(self.height);
        }
        self.skip(1);
        self.grow(height)?;
        let key = match keys.len() {
            1 => keys.swap_remove(0),
            _ if keys.iter().any(|key| matches!(key, Expr::Slice(_))) => return self.fail("invalid syntax"),
            _ => Expr::Tuple(keys),
        };
        Ok(Expr::Item(Box::new((expr, key))))
    }

    /// parse_subscribed(): a key or a slice.
    fn key(&mut self) -> Result<Expr> {
        let mut height = 0;
        let mut start = None;
        if !self.current().is_operator(":") {
            let expr = self.expression()?;
            height = self.height;
            if !self.current().is_operator(":") {
                return Ok(expr);
            }
            start = Some(expr);
        }
        self.skip(1);
        let stop = self.slice_part(&mut height)?;
        let step = match self.skip_operator(":") {
            true => self.slice_part(&mut height)?,
            false => None,
        };
        self.height = height;
        Ok(Expr::Slice(Box::new([start, stop, step])))
    }

    fn slice_part(&mut self, height: &mut u32) -> Result<Option<Expr>> {
        if [":", "]", ","].iter().any(|end| self.current().is_operator(end)) {
            return Ok(None);
        }
        let part = self.expression()?;
        *height = self.height.max(*height);
        Ok(Some(part))
    }

    pub(super) fn call(&mut self, callee: Expr) -> Result<Expr> {
        let line = self.line();
        let height = self.height;
        self.height = 0;
        let arguments = self.arguments()?;
        self.grow(height)?;
        Ok(Expr::Call(Box::new(Call { callee, arguments, line })))
    }
}
