//! urlize: jinja2.utils.urlize, which makes links of URLs and addresses in a text.

use super::arguments::bind;
use super::words::{is_digit, is_space, is_word};
use crate::access;
use crate::error::{type_error, unsupported, Error, Kind, Result};
use crate::methods::markup::{escape, escape_value};
use crate::operations::{compare, truth, Comparison};
use crate::repr::repr;
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::collections::BTreeSet;

pub fn urlize(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["trim_url_limit", "nofollow", "target", "rel", "extra_schemes"];
    let ([value], [limit, nofollow, target, rel, schemes]) = bind("do_urlize", ["value"], optional, args)?;
    let given = |argument: Option<Value>| argument.filter(|value| !value.is_none());
    let linker = Linker {
        rt,
        limit: given(limit),
        attributes: attributes(rt, rel, nofollow.is_some_and(|flag| truth(&flag)), target)?,
        schemes: given(schemes).map_or(Ok(Vec::new()), |schemes| checked_schemes(rt, &schemes))?,
    };
    let text = escape_value(rt, &value)?;
    // These match ASCII letters without regard to case, which is not worth the trouble.
    if text.contains(['\u{130}', '\u{131}', '\u{17f}', '\u{212a}']) {
        return unsupported("urlize of a text with letters that are ASCII in another case");
    }
    let mut out = String::new();
    let mut rest = &text[..];
    while let Some(first) = rest.chars().next() {
        let space = is_space(first);
        let end = rest.find(|c| is_space(c) != space).unwrap_or(rest.len());
        let (word, others) = rest.split_at(end);
        if space {
            out.push_str(word)
        } else {
            linker.word(word, &mut out)?
        }
        rest = others;
    }
    Ok(Value::str(out))
}

/// The attributes rel and target of each link.
fn attributes(rt: &Runtime, rel: Option<Value>, nofollow: bool, target: Option<Value>) -> Result<String> {
    let mut parts = BTreeSet::from(["noopener"]);
    if nofollow {
        parts.insert("nofollow");
    }
    if let Some(rel) = rel.as_ref().filter(|rel| truth(rel)) {
        let Some(text) = rel.as_str() else { return Err(super::padding::no_method(rel, "split")) };
        parts.extend(text.split(is_space).filter(|part| !part.is_empty()));
    }
    let rel = parts.into_iter().collect::<Vec<_>>().join(" ");
    let mut out = format!(" rel=\"{}\"", escape(&rel));
    if let Some(target) = target.filter(truth) {
        out.push_str(&format!(" target=\"{}\"", escape_value(rt, &target)?));
    }
    Ok(out)
}

/// Schemes as jinja2 takes them: r"([\w.+-]{2,}:(/){0,2})".
fn checked_schemes(rt: &Runtime, schemes: &Value) -> Result<Vec<String>> {
    if !truth(schemes) {
        return Ok(Vec::new());
    }
    let mut checked = Vec::new();
    for scheme in access::collect(rt, schemes)? {
        let Some(text) = scheme.as_str() else {
            let kind = scheme.type_name();
            return type_error(format!("expected string or bytes-like object, got '{kind}'"));
        };
        let name = text.strip_suffix("//").or_else(|| text.strip_suffix('/')).unwrap_or(text);
        let name = name.strip_suffix(':').unwrap_or_default();
        if name.chars().count() < 2 || !all_in(name, ".+-") {
            let what = format!("{} is not a valid URI scheme prefix.", repr(rt, &scheme)?);
            return Err(Error::new(Kind::Runtime, what));
        }
        checked.push(text.to_string());
    }
    Ok(checked)
}

struct Linker<'a> {
    rt: &'a Runtime,
    limit: Option<Value>,
    attributes: String,
    schemes: Vec<String>,
}

const BRACKETS: [(&str, &str); 3] = [("(", ")"), ("<", ">"), ("&lt;", "&gt;")];

impl Linker<'_> {
    /// A word, whose URL is linked without the punctuation around it.
    fn word(&self, word: &str, out: &mut String) -> Result<()> {
        let middle = stripped_front(word);
        out.push_str(&word[..word.len() - middle.len()]);
        let kept = stripped_back(middle);
        let (mut middle, mut tail) = (kept.to_string(), &middle[kept.len()..]);
        // Brackets that open within the URL close within it.
        for (open, close) in BRACKETS {
            let opened = middle.matches(open).count();
            if opened <= middle.matches(close).count() {
                continue;
            }
            for _ in 0..opened.min(tail.matches(close).count()) {
                let Some(at) = tail.find(close) else { break };
                let (moved, left) = tail.split_at(at + close.len());
                middle.push_str(moved);
                tail = left;
            }
        }
        self.link(middle, out)?;
        out.push_str(tail);
        Ok(())
    }

    fn link(&self, middle: String, out: &mut String) -> Result<()> {
        let attributes = &self.attributes;
        if is_url(&middle) {
            let secure =
                if middle.starts_with("https://") || middle.starts_with("http://") { "" } else { "https://" };
            let shown = self.trimmed(&middle)?;
            out.push_str(&format!("<a href=\"{secure}{middle}\"{attributes}>{shown}</a>"));
            return Ok(());
        }
        let address = middle.strip_prefix("mailto:");
        if let Some(address) = address {
            if is_address(address) {
                out.push_str(&format!("<a href=\"{middle}\">{address}</a>"));
                return Ok(());
            }
        }
        let bare = middle.contains('@') && !middle.starts_with("www.") && !middle.starts_with('@');
        if bare && !middle.contains(':') && is_address(&middle) {
            out.push_str(&format!("<a href=\"mailto:{middle}\">{middle}</a>"));
            return Ok(());
        }
        let mut middle = middle;
        for scheme in &self.schemes {
            if middle != *scheme && middle.starts_with(scheme.as_str()) {
                middle = format!("<a href=\"{middle}\"{attributes}>{middle}</a>");
            }
        }
        out.push_str(&middle);
        Ok(())
    }

    fn trimmed(&self, url: &str) -> Result<String> {
        let Some(limit) = &self.limit else { return Ok(url.into()) };
        let length = Value::Int(url.chars().count() as i64);
        if !compare(self.rt, Comparison::Gt, &length, limit)? {
            return Ok(url.into());
        }
        let kept = access::slice(self.rt, &Value::str(url), &Value::None, limit, &Value::None)?;
        Ok(format!("{}...", kept.as_str().unwrap_or_default()))
    }
}

fn stripped_front(word: &str) -> &str {
    let mut rest = word;
    while let Some(next) = ["(", "<", "&lt;"].iter().find_map(|mark| rest.strip_prefix(mark)) {
        rest = next;
    }
    rest
}

fn stripped_back(word: &str) -> &str {
    let mut rest = word;
    while let Some(next) = [")", ">", ".", ",", "&gt;"].iter().find_map(|mark| rest.strip_suffix(mark)) {
        rest = next;
    }
    rest
}

/// r"^\S+@\w[\w.-]*\.\w+$"
fn is_address(text: &str) -> bool {
    let hosts = text.match_indices('@').filter(|(at, _)| *at > 0).map(|(at, _)| &text[at + 1..]);
    hosts.into_iter().any(|host| {
        let Some((name, domain)) = host.rsplit_once('.') else { return false };
        name.starts_with(is_word) && all_in(name, ".-") && !domain.is_empty() && all_in(domain, "")
    })
}

/// Whether the characters are all of \w, or of some more.
fn all_in(text: &str, more: &str) -> bool {
    text.chars().all(|c| is_word(c) || more.contains(c))
}

const DOMAINS: [&str; 8] = ["com", "net", "int", "edu", "gov", "org", "info", "mil"];

/// jinja2.utils._http_re
fn is_url(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let scheme = ["https://", "http://"].iter().find_map(|scheme| lower.strip_prefix(scheme));
    let named = scheme
        .or_else(|| lower.strip_prefix("www."))
        .is_some_and(|host| is_host(host, is_top_level, |label| !label.is_empty()));
    let domain = |text: &str| {
        let sized = |label: &str| (2..=63).contains(&label.chars().count());
        text.contains('.') && is_host(text, |top| DOMAINS.contains(&top), sized)
    };
    named || scheme.is_some_and(is_numbered) || domain(&lower)
}

/// [a-z]{2,63} or xn--[\w%]{2,59}
fn is_top_level(label: &str) -> bool {
    let plain = (2..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_lowercase());
    let encoded = |name: &str| (2..=59).contains(&name.chars().count()) && all_in(name, "%");
    plain || label.strip_prefix("xn--").is_some_and(encoded)
}

/// Labels with dots between, as `top` says for the last and `label` for the others; then a port and a
/// path.
fn is_host(text: &str, top: impl Fn(&str) -> bool, label: impl Fn(&str) -> bool) -> bool {
    let (host, rest) = split_host(text);
    let mut labels = host.rsplit('.');
    labels.next().is_some_and(top) && labels.all(|name| label(name) && all_in(name, "%-")) && is_rest(rest)
}

/// What may follow a host begins with one of these, and no host has any of them.
fn split_host(text: &str) -> (&str, &str) {
    text.split_at(text.find([':', '/', '?', '#']).unwrap_or(text.len()))
}

fn is_number(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.chars().count()) && text.chars().all(is_digit)
}

/// (?::[\d]{1,5})?(?:[/?#]\S*)?$
fn is_rest(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => is_number(&port[..port.find(['/', '?', '#']).unwrap_or(port.len())], 5),
        None => text.is_empty() || text.starts_with(['/', '?', '#']),
    }
}

/// An IP address, in dotted numbers or between brackets.
fn is_numbered(text: &str) -> bool {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return is_ip6(address) && is_rest(rest);
    }
    let (host, rest) = split_host(text);
    host.split('.').count() == 4 && host.split('.').all(|part| is_number(part, 3)) && is_rest(rest)
}

/// ([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}
fn is_ip6(text: &str) -> bool {
    let runs: Vec<usize> = text.split(':').map(|run| run.chars().count()).collect();
    let digits = text.chars().all(|c| c == ':' || ('a'..='f').contains(&c) || is_digit(c));
    if !digits || runs.len() < 3 || runs[0] > 4 || runs[1] > 4 {
        return false;
    }
    // Each of the groups that are left takes up to four digits and a colon.
    let last = runs.len() - 1;
    let groups = (2..=last).map(|at| runs[at].div_ceil(4).max(usize::from(at < last)));
    groups.sum::<usize>() <= 6
}
