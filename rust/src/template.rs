//! Renders chat templates as transformers does: jinja2 in its immutable sandbox, with trim_blocks,
//! lstrip_blocks, loop controls and the tag {% generation %}.

use crate::dialect;
use crate::ffi::{guarded, text, ExpoBytes};
use crate::python;
use chrono::{DateTime, Local, Utc};
use minijinja::value::Value;
use minijinja::{context, Environment, Error, ErrorKind, State};
use std::fmt::Write;

const NAME: &str = "chat_template";

pub struct ExpoTemplate {
    environment: Environment<'static>,
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// `{{ strftime_now(format) }}`, for the moment in the variable that render() sets.
fn strftime_now(state: &State, format: String) -> Result<String, Error> {
    let fixed = state.lookup("__now").and_then(|v| i64::try_from(v).ok());
    let mut out = String::new();
    let written = match fixed.and_then(|s| DateTime::<Utc>::from_timestamp(s, 0)) {
        Some(moment) => write!(out, "{}", moment.format(&format)),
        None => write!(out, "{}", Local::now().format(&format)),
    };
    written.map_err(|_| {
        Error::new(ErrorKind::InvalidOperation, format!("strftime_now rejects the format {format:?}"))
    })?;
    Ok(out)
}

fn items(value: Value) -> Result<Value, Error> {
    match value.is_none() {
        true => Err(Error::new(ErrorKind::InvalidOperation, "'NoneType' object is not iterable")),
        false => Ok(value),
    }
}

fn compile(source: &str) -> Result<ExpoTemplate, String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_formatter(|out, _, value| {
        out.write_str(&python::str_of(value)).map_err(Error::from)
    });
    environment.set_fuel(Some(50_000_000));
    environment.add_filter("tojson", python::tojson);
    environment.add_filter("string", |value: Value| python::str_of(&value));
    environment.add_function(dialect::ITEMS, items);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment
        .add_template_owned(NAME, dialect::translate(source))
        .map_err(|e| describe(&e))?;
    Ok(ExpoTemplate { environment })
}

/// The error's message with its line, without the template's name, which is always the same.
fn describe(error: &Error) -> String {
    let mut message = error.detail().map_or_else(|| error.kind().to_string(), str::to_string);
    if let Some(line) = error.line() {
        message += &format!(" (line {line} of the template)");
    }
    message
}

fn render(template: &ExpoTemplate, json: &str, seconds: i64) -> Result<String, String> {
    let variables: serde_json::Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let variables = Value::from_serialize(variables);
    let now = if seconds < 0 { Value::from(()) } else { Value::from(seconds) };
    template
        .environment
        .get_template(NAME)
        .and_then(|t| t.render(context! { __now => now, ..variables }))
        .map_err(|e| describe(&e))
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_new(
    source: *const u8,
    size: usize,
    error: *mut ExpoBytes,
) -> *mut ExpoTemplate {
    guarded(error, || compile(text(source, size)?))
        .map_or(std::ptr::null_mut(), |template| Box::into_raw(Box::new(template)))
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_free(template: *mut ExpoTemplate) {
    if !template.is_null() {
        drop(Box::from_raw(template));
    }
}

#[no_mangle]
pub unsafe extern "C" fn expo_template_render(
    template: *const ExpoTemplate,
    variables: *const u8,
    size: usize,
    seconds_since_epoch: i64,
    out: *mut ExpoBytes,
    error: *mut ExpoBytes,
) -> bool {
    let rendered =
        guarded(error, || render(&*template, text(variables, size)?, seconds_since_epoch));
    rendered.map(|found| *out = found.into()).is_some()
}
