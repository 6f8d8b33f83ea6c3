//! Python's sorted().

use crate::error::Result;
use crate::operations::{compare, Comparison};
use crate::runtime::Runtime;
use crate::value::Value;

/// Up to this many items Python sorts by insertion, so that even items without a total order (NaN)
/// come out as they do there.
const INSERTED: usize = 63;

/// `<` between two keys.
type Less<'a> = &'a dyn Fn(&Value, &Value) -> Result<bool>;

/// Sorts what is given with its key, stably, asking for nothing but `<` between keys.
pub fn sorted<T>(rt: &Runtime, items: Vec<(Value, T)>, reverse: bool) -> Result<Vec<T>> {
    sorted_by(rt, items, reverse, &|left, right| match (left, right) {
        (Value::Str(left), Value::Str(right)) => Ok(left < right),
        (Value::Int(left), Value::Int(right)) => Ok(left < right),
        (left, right) => compare(rt, Comparison::Lt, left, right),
    })
}

/// Sorts by another `<`.
pub fn sorted_by<T>(rt: &Runtime, mut items: Vec<(Value, T)>, reverse: bool, less: Less) -> Result<Vec<T>> {
    rt.step(items.len() as u64)?;
    // Reversed before and after, equal items keep their order.
    if reverse {
        items.reverse();
    }
    let mut items = if items.len() <= INSERTED { inserted(items, less)? } else { merged(items, less)? };
    if reverse {
        items.reverse();
    }
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

/// The binary insertion sort of CPython's list.sort: a run that is there already, then one by one.
fn inserted<T>(mut items: Vec<(Value, T)>, less: Less) -> Result<Vec<(Value, T)>> {
    let run = run_length(&mut items, less)?;
    for at in run..items.len() {
        let (mut low, mut high) = (0, at);
        while low < high {
            let middle = low + (high - low) / 2;
            if less(&items[at].0, &items[middle].0)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        items[low..=at].rotate_right(1);
    }
    Ok(items)
}

/// How many items at the beginning are in order; a strictly descending run is turned around.
fn run_length<T>(items: &mut [(Value, T)], less: Less) -> Result<usize> {
    if items.len() < 2 {
        return Ok(items.len());
    }
    let descending = less(&items[1].0, &items[0].0)?;
    let mut end = 2;
    while end < items.len() && less(&items[end].0, &items[end - 1].0)? == descending {
        end += 1;
    }
    if descending {
        items[..end].reverse();
    }
    Ok(end)
}

fn merged<T>(items: Vec<(Value, T)>, less: Less) -> Result<Vec<(Value, T)>> {
    if items.len() <= 1 {
        return Ok(items);
    }
    let mut left = items;
    let right = merged(left.split_off(left.len() / 2), less)?;
    let left = merged(left, less)?;
    let mut out = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let taken = if less(&second.0, &first.0)? { right.next() } else { left.next() };
        out.extend(taken);
    }
    out.extend(left);
    out.extend(right);
    Ok(out)
}
