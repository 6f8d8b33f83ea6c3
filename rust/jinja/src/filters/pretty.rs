//! pprint: Python's pprint.pformat, with its width of 80 columns and its sorted keys.

use super::arguments::bind;
use super::sorting;
use super::words::{is_space, lines_with_ends};
use crate::dict::Dict;
use crate::error::{unsupported, Kind, Result};
use crate::operations::{compare, Comparison};
use crate::repr::{repr, str_repr};
use crate::runtime::Runtime;
use crate::value::{Args, Value};

const WIDTH: usize = 80;

pub fn pprint(rt: &Runtime, args: Args) -> Result<Value> {
    let ([value], []) = bind("do_pprint", ["value"], [], args)?;
    let mut printer = Printer { rt, out: String::new() };
    printer.format(&value, Place { indent: 0, allowance: 0, level: 0 })?;
    Ok(Value::str(printer.out))
}

/// Where something is printed: what is before it on its line, what must fit after it, and how many
/// lists and dicts are around it.
#[derive(Clone, Copy)]
struct Place {
    indent: usize,
    allowance: usize,
    level: usize,
}

struct Printer<'a> {
    rt: &'a Runtime,
    out: String,
}

impl Printer<'_> {
    fn format(&mut self, value: &Value, place: Place) -> Result<()> {
        let line = one_line(self.rt, value)?;
        self.rt.step(line.len() as u64 / 64 + 1)?;
        if fits(&line, WIDTH.saturating_sub(place.indent + place.allowance)) {
            self.out.push_str(&line);
            return Ok(());
        }
        let within = Place { level: place.level + 1, ..place };
        match value {
            Value::Dict(entries) => self.dict(entries, within),
            Value::List(items) => self.items('[', items, "]", within),
            Value::Tuple(items) => self.items('(', items, if items.len() == 1 { ",)" } else { ")" }, within),
            Value::Str(text) => {
                self.text(text, within);
                Ok(())
            }
            _ => {
                self.out.push_str(&line);
                Ok(())
            }
        }
    }

    fn new_line(&mut self, indent: usize) {
        self.out.push_str(",\n");
        self.out.push_str(&" ".repeat(indent));
    }

    fn dict(&mut self, entries: &Dict, place: Place) -> Result<()> {
        self.out.push('{');
        let sorted = sorted_entries(self.rt, entries)?;
        let indent = place.indent + 1;
        for (at, (key, value)) in sorted.iter().enumerate() {
            if at > 0 {
                self.new_line(indent);
            }
            let key = one_line(self.rt, key)?;
            self.out.push_str(&key);
            self.out.push_str(": ");
            let last = at + 1 == sorted.len();
            let allowance = if last { place.allowance + 1 } else { 1 };
            let indent = indent + key.chars().count() + 2;
            self.rt.deeper(|| self.format(value, Place { indent, allowance, level: place.level }))?;
        }
        self.out.push('}');
        Ok(())
    }

    fn items(&mut self, open: char, items: &[Value], close: &str, place: Place) -> Result<()> {
        self.out.push(open);
        let indent = place.indent + 1;
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.new_line(indent);
            }
            let last = at + 1 == items.len();
            let allowance = if last { place.allowance + close.len() } else { 1 };
            self.rt.deeper(|| self.format(item, Place { indent, allowance, level: place.level }))?;
        }
        self.out.push_str(close);
        Ok(())
    }

    /// A text in pieces that Python puts together again, between brackets if nothing else is around.
    fn text(&mut self, text: &str, mut place: Place) {
        let alone = place.level == 1;
        if alone {
            place.indent += 1;
            place.allowance += 1;
        }
        let pieces = pieces(text, WIDTH.saturating_sub(place.indent), place.allowance);
        if let [piece] = &pieces[..] {
            return self.out.push_str(piece);
        }
        let between = format!("\n{}", " ".repeat(place.indent));
        let text = pieces.join(&between);
        self.out.push_str(&if alone { format!("({text})") } else { text });
    }
}

fn fits(text: &str, width: usize) -> bool {
    text.len() <= width || text.chars().count() <= width
}

/// The repr()s of a long text's pieces: its lines, or as many words as fit.
fn pieces(text: &str, width: usize, allowance: usize) -> Vec<String> {
    let lines = lines_with_ends(text);
    let mut pieces = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let last = at + 1 == lines.len();
        let quoted = str_repr(line);
        let narrow = width.saturating_sub(allowance);
        if fits(&quoted, if last { narrow } else { width }) {
            pieces.push(quoted);
        } else {
            push_words(line, width, if last { narrow } else { width }, &mut pieces);
        }
    }
    pieces
}

fn push_words(line: &str, width: usize, last_width: usize, pieces: &mut Vec<String>) {
    let words = words(line);
    let mut current = String::new();
    for (at, word) in words.iter().enumerate() {
        let candidate = current.clone() + word;
        let width = if at + 1 == words.len() { last_width } else { width };
        if fits(&str_repr(&candidate), width) {
            current = candidate;
            continue;
        }
        if !current.is_empty() {
            pieces.push(str_repr(&current));
        }
        current = word.to_string();
    }
    if !current.is_empty() {
        pieces.push(str_repr(&current));
    }
}

/// re.findall(r'\S*\s*', line), without the empty one at its end.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let solid = rest.find(is_space).unwrap_or(rest.len());
        let space = rest[solid..].find(|c| !is_space(c)).map_or(rest.len(), |at| solid + at);
        let (word, others) = rest.split_at(space);
        words.push(word);
        rest = others;
    }
    words
}

/// repr(), but with the entries of dicts sorted by their keys.
fn one_line(rt: &Runtime, value: &Value) -> Result<String> {
    let list = |items: &[Value]| {
        let items = items.iter().map(|item| rt.deeper(|| one_line(rt, item)));
        Ok(items.collect::<Result<Vec<_>>>()?.join(", "))
    };
    match value {
        Value::List(items) => Ok(format!("[{}]", list(items)?)),
        Value::Tuple(items) if items.len() == 1 => Ok(format!("({},)", list(items)?)),
        Value::Tuple(items) => Ok(format!("({})", list(items)?)),
        Value::Dict(entries) => {
            let mut parts = Vec::with_capacity(entries.len());
            for (key, value) in sorted_entries(rt, entries)? {
                parts.push(format!("{}: {}", one_line(rt, &key)?, rt.deeper(|| one_line(rt, &value))?));
            }
            Ok(format!("{{{}}}", parts.join(", ")))
        }
        _ => repr(rt, value),
    }
}

fn sorted_entries(rt: &Runtime, entries: &Dict) -> Result<Vec<(Value, Value)>> {
    let keyed = entries.iter().map(|(key, value)| (key.clone(), (key.clone(), value.clone())));
    sorting::sorted_by(rt, keyed.collect(), false, &|left, right| safely_less(rt, left, right))
}

/// pprint._safe_key: keys that do not compare are in the order of their types' names.
fn safely_less(rt: &Runtime, left: &Value, right: &Value) -> Result<bool> {
    match compare(rt, Comparison::Lt, left, right) {
        Err(error) if error.kind == Kind::Type => {}
        answer => return answer,
    }
    let (left, right) = (class(left), class(right));
    if left == right {
        return unsupported("pprint sorts keys of one type that do not compare, by their addresses");
    }
    Ok(left < right)
}

/// str(type(value)), as far as it matters to the order.
fn class(value: &Value) -> String {
    match value {
        Value::Markup(_) => "<class 'markupsafe.Markup'>".into(),
        Value::Undefined(_) => "<class 'jinja2.runtime.Undefined'>".into(),
        _ => format!("<class '{}'>", value.type_name()),
    }
}
