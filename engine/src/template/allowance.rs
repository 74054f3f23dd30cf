//! What a template may take of memory while it runs, and the steps that account for it.
//!
//! Every render has an allowance of bytes. Texts, lists and maps are weighed where a step is about to copy, join, show
//! or walk them; what was weighed is taken off the allowance, and it is never given back. So neither the memory of a
//! render nor the time that its steps take can grow beyond a multiple of the allowance.

use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Object, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters};

use crate::limits::{TEMPLATE_DEPTH_MAX, TEMPLATE_WORK_BYTES};

// Names that no template can write.
pub(super) const WEIGH: &str = "\u{1}weigh";
pub(super) const TOUCH: &str = "\u{1}touch";
pub(super) const MULTIPLY: &str = "\u{1}multiply";
pub(super) const FILTER: &str = "\u{1}filter";
pub(super) const TEST: &str = "\u{1}test";
pub(super) const KEEP: &str = "\u{1}keep";

/// Bytes that any value takes.
const VALUE: usize = 32;
/// Filters and tests that look at a value without walking what is in it.
const SHALLOW: &[&str] = &[
    "abs",
    "bool",
    "boolean",
    "count",
    "d",
    "default",
    "defined",
    "false",
    "first",
    "float",
    "int",
    "integer",
    "iterable",
    "last",
    "length",
    "list",
    "lower",
    "mapping",
    "none",
    "number",
    "reject",
    "rejectattr",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "sequence",
    "string",
    "trim",
    "true",
    "undefined",
    "upper",
];

/// Adds the steps, and filters and methods that cannot outgrow the allowance.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.remove_global("debug");
    environment.add_filter(WEIGH, |state: &State, value: Value| weigh(state, &value, Rule::Any).map(|()| value));
    environment.add_filter(KEEP, |state: &State, value: Value| weigh(state, &value, Rule::NoCycle).map(|()| value));
    environment.add_filter(TOUCH, |state: &State, value: Value| touch(state, &value).map(|()| value));
    environment.add_filter(MULTIPLY, multiply);
    environment.add_filter(FILTER, |state: &State, args: Rest<Value>| {
        let (name, args) = named(state, &args)?;
        state.apply_filter(name, args)
    });
    environment.add_filter(TEST, |state: &State, args: Rest<Value>| {
        let (name, args) = named(state, &args)?;
        state.perform_test(name, args).map(Value::from)
    });
    environment.set_unknown_method_callback(|state, value, method, args| {
        std::iter::once(value).chain(args).try_for_each(|value| touch(state, value))?;
        charge(state, growth(state, method, value, args)?)?;
        minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
    });
    let grown: [(&'static str, Value); 8] = [
        ("replace", Value::from_function(filters::replace)),
        ("join", Value::from_function(filters::join)),
        ("format", Value::from_function(filters::format)),
        ("indent", Value::from_function(filters::indent)),
        ("batch", Value::from_function(filters::batch)),
        ("slice", Value::from_function(filters::slice)),
        ("split", Value::from_function(filters::split)),
        ("lines", Value::from_function(filters::lines)),
    ];
    for (name, filter) in grown {
        environment.add_filter(name, move |state: &State, args: Rest<Value>| {
            let Some((value, rest)) = args.split_first() else { return Err(Error::from(ErrorKind::MissingArgument)) };
            charge(state, growth(state, name, value, rest)?)?;
            filter.call(state, &args)
        });
    }
}

/// The name that `guard` put last, and the arguments before it, weighed.
fn named<'a>(state: &State, args: &'a [Value]) -> Result<(&'a str, &'a [Value]), Error> {
    let (name, args) = args.split_last().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let name = name.as_str().ok_or_else(|| Error::from(ErrorKind::UnknownFilter))?;
    let is_shallow = SHALLOW.contains(&name);
    for value in args {
        if is_shallow { touch(state, value)? } else { weigh(state, value, Rule::Any)? }
    }
    // A text as a list is a value for each character.
    if let (Some(text), "list" | "reverse" | "sort" | "unique" | "map" | "batch" | "slice") =
        (args.first().and_then(Value::as_str), name)
    {
        charge(state, VALUE.saturating_mul(text.len()))?;
    }
    Ok((name, args))
}

/// `left * right`, where the product is not too large.
fn multiply(state: &State, left: Value, right: Value) -> Result<Value, Error> {
    let size = |value: &Value| match value.as_str() {
        Some(text) => Some(text.len()),
        None if matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) => value.len().map(|len| len * VALUE),
        None => None,
    };
    let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    for (value, times) in [(&left, &right), (&right, &left)] {
        let Some(size) = size(value) else {
            if is_list(value) {
                return Err(out());
            }
            continue;
        };
        let times = times.as_usize().ok_or_else(|| Error::from(ErrorKind::InvalidOperation))?;
        charge(state, size.saturating_mul(times))?;
        let repeated = match value.as_str() {
            Some(text) => Value::from(text.repeat(times)),
            None => {
                let items: Vec<Value> = value.try_iter()?.collect();
                Value::from_iter((0..times).flat_map(|_| items.iter().cloned()))
            }
        };
        return Ok(repeated);
    }
    let failed = || Error::from(ErrorKind::InvalidOperation);
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        return left.checked_mul(right).map(Value::from).ok_or_else(failed);
    }
    let number = |value: Value| f64::try_from(value).map_err(|_| failed());
    Ok(Value::from(number(left)? * number(right)?))
}

/// Bytes that a filter or method may make beyond what was weighed.
fn growth(state: &State, name: &str, value: &Value, args: &[Value]) -> Result<usize, Error> {
    let text = |at: usize| args.get(at).and_then(Value::as_str);
    let own = value.as_str();
    let number = || args.iter().filter_map(Value::as_usize).max().unwrap_or(0);
    Ok(match (name, own) {
        ("replace", Some(own)) => {
            let (from, to) = (text(0).unwrap_or_default(), text(1).unwrap_or_default());
            own.matches(from).count().saturating_mul(to.len()).saturating_add(own.len())
        }
        // As a filter, `list | join(text)`; as a method, `text.join(list)`.
        ("join", Some(own)) if !args.is_empty() => joined(state, &args[0], own)?,
        ("join", _) => joined(state, value, text(0).unwrap_or_default())?,
        ("split", Some(own)) => {
            let pieces = text(0).filter(|by| !by.is_empty()).map_or(own.len() / 2, |by| own.matches(by).count());
            2 * VALUE * (pieces + 1) + own.len()
        }
        ("splitlines" | "lines", Some(own)) => 2 * VALUE * (own.matches('\n').count() + 1) + own.len(),
        ("indent", Some(own)) => (own.matches('\n').count() + 1).saturating_mul(number()),
        ("batch" | "slice", _) => number().saturating_mul(2 * VALUE),
        ("format", Some(own)) => formatted(state, own, args)?,
        ("center" | "ljust" | "rjust" | "zfill", _) => number(),
        _ => 0,
    })
}

fn joined(state: &State, list: &Value, between: &str) -> Result<usize, Error> {
    weigh(state, list, Rule::Any)?;
    let count = list.as_str().map_or_else(|| list.len().unwrap_or(0), str::len);
    Ok(count.saturating_mul(between.len() + VALUE))
}

/// A format may show each argument as often as it has marks; widths of four digits are not needed, nor those that are
/// given as arguments.
fn formatted(state: &State, format: &str, args: &[Value]) -> Result<usize, Error> {
    let digits = format.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
    if digits || format.contains("%*") || format.contains(":{") || format.contains(".*") {
        return Err(out());
    }
    let marks = format.matches(['%', '{']).count();
    let before = used(state);
    args.iter().try_for_each(|value| weigh(state, value, Rule::Any))?;
    Ok(marks.saturating_mul(used(state) - before + 1_000))
}

/// What may lie within a value that is weighed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Any,
    /// Nothing that could come to hold itself, since what holds itself is never freed.
    NoCycle,
}

/// Takes a value and all that is in it off the allowance.
fn weigh(state: &State, value: &Value, rule: Rule) -> Result<(), Error> {
    let mut weight = 0;
    let most = TEMPLATE_WORK_BYTES.saturating_sub(used(state));
    walk(value, 0, most, rule, &mut weight)?;
    charge(state, weight)
}

fn walk(value: &Value, depth: usize, most: usize, rule: Rule, weight: &mut usize) -> Result<(), Error> {
    *weight += VALUE + value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
    if *weight > most || depth > TEMPLATE_DEPTH_MAX {
        return Err(out());
    }
    let is_map = value.kind() == ValueKind::Map;
    if rule == Rule::NoCycle {
        let kind = value.as_object().map_or("", |object| object.type_name());
        if value.kind() == ValueKind::Plain || kind.contains("Namespace") || kind.contains("Loop") {
            return Err(Error::from(ErrorKind::InvalidOperation));
        }
    }
    if !is_map && !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Ok(());
    }
    for item in value.try_iter()? {
        walk(&item, depth + 1, most, rule, weight)?;
        if is_map {
            walk(&value.get_item(&item)?, depth + 1, most, rule, weight)?;
        }
    }
    Ok(())
}

/// Takes a value without what is in it off the allowance.
fn touch(state: &State, value: &Value) -> Result<(), Error> {
    let size = value.as_str().map_or_else(|| value.len().unwrap_or(0).saturating_mul(VALUE), str::len);
    charge(state, size.saturating_add(VALUE))
}

/// Bytes that a render has taken.
#[derive(Debug, Default)]
struct Used(AtomicUsize);

impl Object for Used {}

fn used(state: &State) -> usize {
    state.get_or_set_temp_object("used", Used::default).0.load(Ordering::Relaxed)
}

fn charge(state: &State, bytes: usize) -> Result<(), Error> {
    let used = state.get_or_set_temp_object("used", Used::default);
    let before = used.0.load(Ordering::Relaxed);
    used.0.store(before.saturating_add(bytes), Ordering::Relaxed);
    if before.saturating_add(bytes) > TEMPLATE_WORK_BYTES { Err(out()) } else { Ok(()) }
}

fn out() -> Error {
    Error::from(ErrorKind::OutOfFuel)
}
