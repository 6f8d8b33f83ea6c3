//! Reads from tokenizer.json whether a tokenizer has a shape that is known here.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;

pub enum Normalization {
    Nothing,
    Nfc,
}

/// A step of the pre-tokenizer; the last one turns bytes into letters, which needs no work here.
pub enum Step {
    /// Matches and what lies between them are pieces.
    Expression(String),
    Digits {
        individual: bool,
    },
}

/// What the library calls GPT-2's expression, which ByteLevel applies unless `use_regex` is false.
pub const GPT2: &str =
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

#[derive(Deserialize)]
pub struct Model {
    r#type: String,
    dropout: Option<f32>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    ignore_merges: Option<bool>,
    pub vocab: Vocabulary,
    pub merges: Vec<Merge>,
}

pub type Vocabulary = HashMap<String, u32, ahash::RandomState>;

/// A pair of tokens, which is written as a list or as a line with a space between them; or the
/// version that a list of lines may begin with.
pub enum Merge {
    Pair(String, String),
    Version,
}

struct MergeVisitor;

impl<'de> Visitor<'de> for MergeVisitor {
    type Value = Merge;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("two tokens")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<Merge, E> {
        if line.starts_with("#version") {
            return Ok(Merge::Version);
        }
        match line.split_once(' ') {
            Some((first, second)) if !second.contains(' ') => {
                Ok(Merge::Pair(first.to_owned(), second.to_owned()))
            }
            _ => Err(E::custom("not two tokens")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge, A::Error> {
        match (list.next_element()?, list.next_element()?, list.next_element::<String>()?) {
            (Some(first), Some(second), None) => Ok(Merge::Pair(first, second)),
            _ => Err(A::Error::custom("not two tokens")),
        }
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MergeVisitor)
    }
}

impl Model {
    pub fn ignores_merges(&self) -> bool {
        self.ignore_merges.unwrap_or(false)
    }

    fn is_plain(&self) -> bool {
        let is_empty = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
        self.r#type == "BPE"
            && self.dropout.unwrap_or(0.0) == 0.0
            && is_empty(&self.continuing_subword_prefix)
            && is_empty(&self.end_of_word_suffix)
    }
}

#[derive(Deserialize)]
struct File {
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    #[serde(default)]
    added_tokens: Vec<Content>,
    model: Model,
}

#[derive(Deserialize)]
struct Content {
    content: String,
}

pub struct Shape {
    pub normalization: Normalization,
    pub steps: Vec<Step>,
    /// Whether places are trimmed of spaces, and then the post-processor's `add_prefix_space`.
    pub trims: Option<bool>,
    /// What the added tokens are written as.
    pub added: Vec<String>,
    pub model: Model,
}

/// None if the shape is another one.
pub fn read(json: &str) -> Option<Shape> {
    let file: File = serde_json::from_str(json).ok()?;
    if !file.model.is_plain() {
        return None;
    }
    Some(Shape {
        normalization: normalization(file.normalizer.as_ref())?,
        steps: steps(file.pre_tokenizer.as_ref()?)?,
        trims: trims(file.post_processor.as_ref())?,
        added: file.added_tokens.into_iter().map(|token| token.content).collect(),
        model: file.model,
    })
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type")?.as_str()
}

/// The members of a sequence, or the one value that is none.
fn members<'a>(value: Option<&'a Value>, list: &str, sequence: &str) -> Option<Vec<&'a Value>> {
    match value {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(value) if kind(value) == Some(sequence) => {
            Some(value.get(list)?.as_array()?.iter().collect())
        }
        Some(value) => Some(vec![value]),
    }
}

fn normalization(value: Option<&Value>) -> Option<Normalization> {
    match members(value, "normalizers", "Sequence")?[..] {
        [] => Some(Normalization::Nothing),
        [one] if kind(one) == Some("NFC") => Some(Normalization::Nfc),
        _ => None,
    }
}

fn steps(value: &Value) -> Option<Vec<Step>> {
    let all = members(Some(value), "pretokenizers", "Sequence")?;
    let (last, before) = all.split_last()?;
    let mut steps: Vec<Step> = before.iter().map(|one| step(one)).collect::<Option<_>>()?;
    if kind(last) != Some("ByteLevel") || last.get("add_prefix_space")?.as_bool()? {
        return None;
    }
    if last.get("use_regex").is_none_or(|uses| uses.as_bool() == Some(true)) {
        steps.push(Step::Expression(GPT2.to_owned()));
    }
    Some(steps)
}

fn step(value: &Value) -> Option<Step> {
    match kind(value)? {
        "Digits" => Some(Step::Digits { individual: value.get("individual_digits")?.as_bool()? }),
        "Split" => {
            let is_plain = value.get("behavior")?.as_str()? == "Isolated"
                && !value.get("invert")?.as_bool()?;
            let expression = value.get("pattern")?.get("Regex")?.as_str()?;
            is_plain.then(|| Step::Expression(expression.to_owned()))
        }
        _ => None,
    }
}

/// A post-processor that trims must come before the template, if there is one.
fn trims(value: Option<&Value>) -> Option<Option<bool>> {
    let all = members(value, "processors", "Sequence")?;
    let kinds: Vec<&str> = all.iter().map(|one| kind(one)).collect::<Option<_>>()?;
    match kinds[..] {
        [] | ["TemplateProcessing"] => Some(None),
        ["ByteLevel"] | ["ByteLevel", "TemplateProcessing"] => {
            let is = |name: &str| all[0].get(name).is_none_or(|set| set.as_bool() == Some(true));
            Some(is("trim_offsets").then(|| is("add_prefix_space")))
        }
        _ => None,
    }
}
