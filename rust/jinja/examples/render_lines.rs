//! Renders a template per line: {"template": …, "variables": {…}, "now": seconds or null} in, and
//! {"text": …, "generations": [[begin, end], …]} or {"error": kind, "message": …} out.

use expo_jinja::{json, Args, Result, Runtime, Template, Value};
use std::io::{BufRead, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};

fn run(line: &str) -> Result<(String, Vec<(usize, usize)>)> {
    let request = json::read(line)?;
    let Value::Dict(request) = &request else { panic!("no object") };
    let source = request.get_str("template").and_then(Value::as_str).expect("a template").to_string();
    let now = match request.get_str("now") {
        Some(Value::Int(seconds)) => Some(*seconds),
        _ => None,
    };
    let none = Value::dict(Default::default());
    let rendered = Template::new(&source)?.render(request.get_str("variables").unwrap_or(&none), now)?;
    Ok((rendered.text, rendered.generations))
}

fn quoted(text: &str) -> String {
    let args = Args { positional: vec![Value::str(text)], named: vec![("ensure_ascii".into(), Value::Bool(true))] };
    json::tojson(&Runtime::new(None), args).unwrap().as_str().unwrap().to_string()
}

fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let answer = match catch_unwind(AssertUnwindSafe(|| run(&line))) {
            Ok(Ok((text, generations))) => {
                let spans: Vec<_> = generations.iter().map(|(b, e)| format!("[{b}, {e}]")).collect();
                format!("{{\"text\": {}, \"generations\": [{}]}}", quoted(&text), spans.join(", "))
            }
            Ok(Err(error)) => format!("{{\"error\": \"{:?}\", \"message\": {}}}", error.kind, quoted(&error.to_string())),
            Err(_) => "{\"error\": \"panic\", \"message\": \"\"}".to_string(),
        };
        writeln!(out, "{answer}").unwrap();
    }
}
