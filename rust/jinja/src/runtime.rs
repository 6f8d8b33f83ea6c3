//! What a rendering carries along: the clock, the work that is left, and where {% generation %} was.

use crate::error::{Error, Kind, Result};
use std::cell::{Cell, RefCell};

pub struct Runtime {
    /// The moment of strftime_now in seconds since 1970, as UTC; None reads the clock, in local time.
    pub now: Option<i64>,
    /// Steps left; a template that loops for too long is refused and does not hang.
    fuel: Cell<u64>,
    /// Calls within calls.
    depth: Cell<u32>,
    /// Characters that the template's top level has written so far. What a macro, a call block or a
    /// set block collects counts once the top level writes it: jinja2 yields it then.
    pub written: Cell<usize>,
    /// The [begin, end) of what each {% generation %} wrote, in characters of the result, in the
    /// order in which they ended, counted as transformers counts them.
    pub generations: RefCell<Vec<(usize, usize)>>,
}

const FUEL: u64 = 50_000_000;
const DEPTH: u32 = 120;

impl Runtime {
    pub fn new(now: Option<i64>) -> Runtime {
        Runtime {
            now,
            fuel: Cell::new(FUEL),
            depth: Cell::new(0),
            written: Cell::new(0),
            generations: RefCell::default(),
        }
    }

    /// Takes steps of the work that a template may do: one for each expression and each item of an
    /// iteration, more for what makes long texts or lists (one for each 64 bytes).
    pub fn step(&self, count: u64) -> Result<()> {
        match self.fuel.get().checked_sub(count) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => Err(Error::new(Kind::Unsupported, "the template does not come to an end")),
        }
    }

    /// Runs a call one level deeper.
    pub fn deeper<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() >= DEPTH {
            return Err(Error::new(Kind::Recursion, "maximum recursion depth exceeded"));
        }
        self.depth.set(self.depth.get() + 1);
        let result = body();
        self.depth.set(self.depth.get() - 1);
        result
    }
}
