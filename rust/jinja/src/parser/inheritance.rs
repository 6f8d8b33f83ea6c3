//! The tags that use other templates. There are none, but what is written must be right.

use super::Parser;
use crate::ast::{Include, Name, Node};
use crate::error::Result;
use crate::lexer::syntax;

impl Parser {
    pub(super) fn include(&mut self) -> Result<Node> {
        let template = self.expression()?;
        let ignore_missing = self.current().is_name("ignore") && self.look(1).is_name("missing");
        if ignore_missing {
            self.skip(2);
        }
        self.context();
        Ok(Node::Include(Include { template, ignore_missing }))
    }

    pub(super) fn import(&mut self) -> Result<Node> {
        let template = self.expression()?;
        self.expect_keyword("as")?;
        let target = self.name_target()?;
        self.context();
        Ok(Node::Import(template, target))
    }

    pub(super) fn imported_names(&mut self) -> Result<Node> {
        let template = self.expression()?;
        self.expect_keyword("import")?;
        let mut names = Vec::new();
        loop {
            if !names.is_empty() {
                self.expect_operator(",")?;
            }
            if self.current().name().is_none() {
                self.expect_name()?;
            }
            if self.context() {
                break;
            }
            names.push(self.imported_name()?);
            if self.context() || !self.current().is_operator(",") {
                break;
            }
        }
        Ok(Node::FromImport(template, names))
    }

    fn imported_name(&mut self) -> Result<(Name, Name)> {
        let line = self.line();
        let name = self.name_target()?;
        if name.starts_with('_') {
            return Err(syntax("names starting with an underline can not be imported", line));
        }
        let alias = match self.skip_name("as") {
            true => self.name_target()?,
            false => name.clone(),
        };
        Ok((name, alias))
    }

    /// Reads `with context` or `without context`, if it is here.
    fn context(&mut self) -> bool {
        let current = self.current();
        let found =
            (current.is_name("with") || current.is_name("without")) && self.look(1).is_name("context");
        self.skip(2 * found as usize);
        found
    }
}
