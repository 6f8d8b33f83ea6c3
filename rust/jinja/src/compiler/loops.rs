//! {% for %}

use super::{assertion, names, Compiler, Frame, LOOPS};
use crate::ast;
use crate::code::{For, Function, LoopFilter, Node, Pass, Recursion};
use crate::error::Result;
use std::sync::Arc;

/// The scopes of a loop.
struct Frames {
    body: Frame,
    test: Frame,
    otherwise: Frame,
}

impl Compiler {
    pub(super) fn for_loop(&mut self, node: &ast::For, frame: Frame, line: u32) -> Result<Node> {
        let extended = is_extended(node);
        let frames = self.loop_frames(node, frame, extended);
        let filter = match &node.test {
            Some(test) => Some(Arc::new(self.loop_filter(node, test, &frames, line)?)),
            None => None,
        };
        if let Some(line) = names::stores_loop(node) {
            return Err(assertion("Can't assign to special loop variable in for-loop target", line));
        }
        if !node.recursive {
            let over = self.expr(&node.over, frame)?;
            let pass = self.pass(node, &frames, extended, line)?;
            return Ok(Node::For(Box::new(For { over, filter, pass })));
        }
        let level = self.scopes.get(frames.body.symbols).level;
        let id = self.open_function(level);
        let pass = self.pass(node, &frames, extended, line)?;
        let recursion = Some(Box::new(Recursion { filter, pass }));
        self.close_function(id, Function { recursion, ..Function::default() });
        Ok(Node::RecursiveFor(self.expr(&node.over, frame)?, id))
    }

    fn loop_frames(&mut self, node: &ast::For, frame: Frame, extended: bool) -> Frames {
        let frames =
            Frames { body: self.inner(frame), test: self.inner(frame), otherwise: self.inner(frame) };
        if extended {
            self.scopes.declare_parameter(frames.body.symbols, &"loop".into());
        }
        self.scopes.analyze(frames.body.symbols, |visitor| {
            visitor.parameters(&node.target);
            visitor.body(&node.body);
        });
        self.scopes.analyze(frames.otherwise.symbols, |visitor| visitor.body(&node.otherwise));
        if let Some(test) = &node.test {
            self.scopes.analyze(frames.test.symbols, |visitor| {
                visitor.parameters(&node.target);
                visitor.expr(test);
            });
        }
        frames
    }

    fn loop_filter(
        &mut self,
        node: &ast::For,
        test: &ast::Expr,
        frames: &Frames,
        line: u32,
    ) -> Result<LoopFilter> {
        let id = self.open_function(self.scopes.get(frames.test.symbols).level);
        let enter = self.scope(frames.test).enter;
        let target = self.target(&node.target, frames.test, line)?;
        let test = self.expr(test, frames.test)?;
        self.close_function(id, Function { enter, ..Function::default() });
        Ok(LoopFilter { function: id, target, test })
    }

    fn pass(&mut self, node: &ast::For, frames: &Frames, extended: bool, line: u32) -> Result<Pass> {
        let special = match extended {
            true => Some(self.slot(frames.body, &"loop".into(), line)?),
            false => None,
        };
        let target = self.target(&node.target, frames.body, line)?;
        let scope = self.scope(frames.body);
        self.current().loops += 1;
        if self.current().loops > LOOPS {
            return Err(assertion("too many statically nested blocks", line));
        }
        let body = self.body(&node.body, frames.body)?;
        self.current().loops -= 1;
        let otherwise = match node.otherwise.is_empty() {
            true => None,
            false => Some((self.scope(frames.otherwise), self.body(&node.otherwise, frames.otherwise)?)),
        };
        Ok(Pass { target, special, scope, body, otherwise })
    }
}

/// Whether a loop has the variable `loop`.
fn is_extended(node: &ast::For) -> bool {
    let mut blocks = Vec::new();
    super::find_blocks(&node.body, &mut blocks);
    super::find_blocks(&node.otherwise, &mut blocks);
    node.recursive
        || names::undeclared(&node.body, &["loop"]).contains("loop")
        || blocks.iter().any(|block| block.scoped)
}
