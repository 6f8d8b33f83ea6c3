//! Filters that compare items: sort, min, max, unique and dictsort.

use super::arguments::{bind, index};
use super::attributes::{ignore_case, Path, Paths};
use super::sequences::entries;
use super::{lazy, sorting};
use crate::access;
use crate::dict::Key;
use crate::error::{unsupported, Error, Kind, Result};
use crate::operations::{compare, truth, Comparison};
use crate::runtime::Runtime;
use crate::value::{Args, Value};
use std::collections::HashSet;

/// sorted(reverse=…) takes integers only.
fn descending(flag: Option<Value>) -> Result<bool> {
    flag.map_or(Ok(false), |flag| index(&flag).map(|flag| flag != 0))
}

pub fn sort(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["reverse", "case_sensitive", "attribute"];
    let ([value], [reverse, case, attribute]) = bind("do_sort", ["value"], optional, args)?;
    let paths = Paths::new(&attribute.unwrap_or(Value::None), !case.is_some_and(|flag| truth(&flag)))?;
    let items = access::collect(rt, &value)?;
    let reverse = descending(reverse)?;
    let keyed = items.into_iter().map(|item| Ok((paths.of(rt, &item)?, item)));
    Ok(Value::list(sorting::sorted(rt, keyed.collect::<Result<_>>()?, reverse)?))
}

pub fn dictsort(rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["case_sensitive", "by", "reverse"];
    let ([value], [case, by, reverse]) = bind("do_dictsort", ["value"], optional, args)?;
    let by_key = match by.as_ref().map_or(Some("key"), Value::as_str) {
        Some("key") => true,
        Some("value") => false,
        _ => {
            let what = "You can only sort by either \"key\" or \"value\"";
            return Err(Error::new(Kind::Runtime, what));
        }
    };
    let case_sensitive = case.is_some_and(|flag| truth(&flag));
    let mut keyed = Vec::new();
    for (key, item) in entries(&value)?.iter() {
        let by = if by_key { key } else { item }.clone();
        let by = if case_sensitive { by } else { ignore_case(rt, by)? };
        keyed.push((by, Value::tuple(vec![key.clone(), item.clone()])));
    }
    Ok(Value::list(sorting::sorted(rt, keyed, descending(reverse)?)?))
}

pub fn min(rt: &Runtime, args: Args) -> Result<Value> {
    extreme(rt, "do_min", args, Comparison::Lt)
}

pub fn max(rt: &Runtime, args: Args) -> Result<Value> {
    extreme(rt, "do_max", args, Comparison::Gt)
}

/// The first item than which no other compares as `better`.
fn extreme(rt: &Runtime, function: &str, args: Args, better: Comparison) -> Result<Value> {
    let ([value], [case, attribute]) = bind(function, ["value"], ["case_sensitive", "attribute"], args)?;
    let items = access::iterate(rt, &value)?;
    let Some(first) = items.next(rt) else {
        return Ok(Value::undefined("No aggregated item, sequence was empty."));
    };
    let path = Path::new(&attribute.unwrap_or(Value::None), !case.is_some_and(|flag| truth(&flag)))?;
    let mut best = first?;
    let mut best_key = path.of(rt, &best)?;
    while let Some(item) = items.next(rt) {
        let item = item?;
        let key = path.of(rt, &item)?;
        if compare(rt, better, &key, &best_key)? {
            (best, best_key) = (item, key);
        }
    }
    Ok(best)
}

pub fn unique(_rt: &Runtime, args: Args) -> Result<Value> {
    let optional = ["case_sensitive", "attribute"];
    let ([value], [case, attribute]) = bind("sync_do_unique", ["value"], optional, args)?;
    let lower = !case.is_some_and(|flag| truth(&flag));
    Ok(lazy::generator(move |rt| {
        let path = Path::new(&attribute.unwrap_or(Value::None), lower)?;
        let mut seen = HashSet::new();
        Ok(lazy::each(access::iterate(rt, &value)?, move |rt, item| {
            let key = path.of(rt, &item)?;
            let new = seen.insert(Key::of(&key)?);
            match key {
                Value::Float(number) if number.is_nan() && !new => {
                    unsupported("the template asks which of its NaN are one object")
                }
                _ => Ok(new.then_some(item)),
            }
        }))
    }))
}
