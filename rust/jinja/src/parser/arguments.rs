//! The arguments of calls, filters and tests.

use super::Parser;
use crate::ast::{Arguments, Expr};
use crate::error::Result;
use crate::lexer::{syntax, Kind};

impl Parser {
    /// parse_call_args(); the height becomes that of the highest argument.
    pub(super) fn arguments(&mut self) -> Result<Arguments> {
        let line = self.line();
        self.expect_operator("(")?;
        let mut arguments = Arguments::default();
        let mut height = 0;
        let mut is_first = true;
        while !self.current().is_operator(")") {
            if !is_first {
                self.expect_operator(",")?;
                if self.current().is_operator(")") {
                    break;
                }
            }
            self.argument(&mut arguments, line)?;
            height = height.max(self.height);
            is_first = false;
        }
        self.expect_operator(")")?;
        self.height = height;
        Ok(arguments)
    }

    fn argument(&mut self, arguments: &mut Arguments, line: u32) -> Result<()> {
        let no_stars = arguments.star.is_none() && arguments.double_star.is_none();
        if self.current().is_operator("*") {
            ensure(no_stars, line)?;
            arguments.star = Some(self.behind(1)?);
        } else if self.current().is_operator("**") {
            ensure(arguments.double_star.is_none(), line)?;
            arguments.double_star = Some(self.behind(1)?);
        } else if self.look(1).is_operator("=") && self.current().name().is_some() {
            ensure(arguments.double_star.is_none(), line)?;
            let Kind::Name(name) = self.current().kind.clone() else { return Ok(()) };
            arguments.named.push((name, self.behind(2)?));
        } else {
            ensure(no_stars && arguments.named.is_empty(), line)?;
            arguments.positional.push(self.expression()?);
        }
        Ok(())
    }

    /// The expression behind so many tokens.
    fn behind(&mut self, count: usize) -> Result<Expr> {
        self.skip(count);
        self.expression()
    }
}

fn ensure(right: bool, line: u32) -> Result<()> {
    match right {
        true => Ok(()),
        false => Err(syntax("invalid syntax for function call expression", line)),
    }
}
