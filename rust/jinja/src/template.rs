//! A compiled template.

use crate::code::Code;
use crate::error::Result;
use crate::runtime::Runtime;
use crate::value::Value;
use std::sync::Arc;

/// Immutable; may be shared between threads.
pub struct Template {
    code: Arc<Code>,
}

pub struct Rendered {
    pub text: String,
    /// See Runtime::generations.
    pub generations: Vec<(usize, usize)>,
}

impl Template {
    pub fn new(source: &str) -> Result<Template> {
        let body = crate::parser::parse(source)?;
        Ok(Template { code: Arc::new(crate::compiler::compile(&body)?) })
    }

    /// Whether the template has {% generation %} somewhere.
    pub fn has_generation(&self) -> bool {
        self.code.has_generation
    }

    /// `variables` is a dict with text keys. `now` is strftime_now's moment, in UTC; None reads the clock.
    pub fn render(&self, variables: &Value, now: Option<i64>) -> Result<Rendered> {
        let rt = Runtime::new(now);
        let text = crate::render::render(&self.code, &rt, variables)?;
        Ok(Rendered { text, generations: rt.generations.take() })
    }
}

/// Compiles only while a template may be shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
};
