//! Splits a text into the words that merges do not cross.

use super::shape::Step;
use super::words::{Words, LLAMA3, QWEN2};
use onig::Regex;

enum Split {
    Words(Words),
    Expression(Regex),
    Digits { individual: bool },
}

pub struct Splits {
    steps: Vec<Split>,
}

impl Split {
    fn new(step: Step) -> Option<Self> {
        match step {
            Step::Digits { individual } => Some(Split::Digits { individual }),
            Step::Expression(expression) => match expression.as_str() {
                super::shape::GPT2 => Some(Split::Words(Words::Gpt2)),
                LLAMA3 => Some(Split::Words(Words::Modern { digits: 3 })),
                QWEN2 => Some(Split::Words(Words::Modern { digits: 1 })),
                other => Regex::new(other).ok().map(Split::Expression),
            },
        }
    }

    /// Passes each piece of the text and the byte at which it begins to `sink`.
    fn each(&self, text: &str, sink: &mut dyn FnMut(&str, usize)) {
        match self {
            Split::Words(words) => words.each(text, sink),
            Split::Digits { individual } => each_number(text, *individual, sink),
            Split::Expression(expression) => {
                let mut done = 0;
                for (begin, end) in expression.find_iter(text) {
                    pass(text, done, begin, sink);
                    pass(text, begin, end, sink);
                    done = end;
                }
                pass(text, done, text.len(), sink);
            }
        }
    }
}

fn pass(text: &str, begin: usize, end: usize, sink: &mut dyn FnMut(&str, usize)) {
    if begin < end {
        sink(&text[begin..end], begin);
    }
}

fn each_number(text: &str, individual: bool, sink: &mut dyn FnMut(&str, usize)) {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| byte.is_ascii_digit() || !byte.is_ascii()) {
        return pass(text, 0, text.len(), sink);
    }
    let mut begin = 0;
    let mut was_number = false;
    for (at, c) in text.char_indices() {
        let is_number = c.is_numeric();
        if is_number != was_number || (is_number && individual) {
            pass(text, begin, at, sink);
            begin = at;
        }
        was_number = is_number;
    }
    pass(text, begin, text.len(), sink);
}

impl Splits {
    pub fn new(steps: Vec<Step>) -> Option<Self> {
        Some(Splits { steps: steps.into_iter().map(Split::new).collect::<Option<_>>()? })
    }

    /// Passes each word and the byte at which it begins to `sink`; the text begins at `begin`.
    pub fn each_word(&self, text: &str, begin: usize, sink: &mut dyn FnMut(&str, usize)) {
        split(&self.steps, text, begin, sink);
    }
}

fn split(steps: &[Split], text: &str, begin: usize, sink: &mut dyn FnMut(&str, usize)) {
    match steps {
        [] => sink(text, begin),
        [step] => step.each(text, &mut |word, at| sink(word, begin + at)),
        [step, rest @ ..] => step.each(text, &mut |piece, at| split(rest, piece, begin + at, sink)),
    }
}
