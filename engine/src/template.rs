//! Chat templates: how a conversation is written as one text, by the model's own Jinja template.
//!
//! A template comes with a model, from anywhere. It sees the conversation and nothing else: no files, no environment, no
//! other templates, no code. Everything it may take is bounded: its size and nesting by `source` before it is read, its
//! steps by the interpreter, the text it makes and how deep its values nest by `guard` and `allowance`, its stack by a
//! thread of its own. What it takes at most does not depend on what it says.

use std::collections::BTreeMap;

use minijinja::machinery::{Vm, get_compiled_template, make_string_output};
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use serde_json::Value as Json;

use crate::error::EngineError;
use crate::limits::{PROMPT_BYTES_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_FUEL, TEMPLATE_STACK_BYTES};

mod allowance;
mod guard;
mod json;
mod source;

/// A model's chat template.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// The texts of the tokens that begin and end a sequence.
    begin: String,
    end: String,
    takes_tools: bool,
}

impl Template {
    /// From its source. `begin` and `end` are the texts of the tokens that begin and end a sequence.
    ///
    /// # Errors
    /// `Template` where it is too long, nests too deep, or is not a template.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Template, EngineError> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(failed(format!("it has more than {TEMPLATE_BYTES_MAX} bytes")));
        }
        source::check(source).map_err(failed)?;
        let environment = on_a_stack(|| {
            let mut environment = environment();
            let added = environment.add_template_owned("chat".to_owned(), source.to_owned());
            added.map_err(|error| failed(error.kind().to_string()))?;
            guarded(&environment, |_| ())?;
            Ok(environment)
        })?;
        let takes_tools = source.contains("tools") && source.contains("<tool_call>");
        Ok(Template { environment, begin: begin.to_owned(), end: end.to_owned(), takes_tools })
    }

    /// Whether it writes the tools that a conversation offers, and has calls written in `<tool_call>` marks.
    pub fn takes_tools(&self) -> bool {
        self.takes_tools
    }

    /// The text of a conversation, up to where the model's answer begins.
    ///
    /// - `messages`: a list of objects with `role` and `content`
    /// - `tools`: a list of tools in the common JSON form, or null
    /// - `options`: further names that the template may read, such as `enable_thinking`
    ///
    /// # Errors
    /// `Template` where it raises an error, takes too many steps or writes too much.
    pub fn render(
        &self,
        messages: &Json,
        tools: &Json,
        options: &serde_json::Map<String, Json>,
    ) -> Result<String, EngineError> {
        let mut names = options.clone();
        names.insert("messages".into(), messages.clone());
        names.insert("tools".into(), tools.clone());
        names.insert("add_generation_prompt".into(), true.into());
        names.insert("bos_token".into(), self.begin.clone().into());
        names.insert("eos_token".into(), self.end.clone().into());
        on_a_stack(|| {
            guarded(&self.environment, |instructions| {
                let mut text = String::new();
                let blocks = BTreeMap::new();
                let vm = Vm::new(&self.environment);
                let mut out = make_string_output(&mut text);
                let names = Value::from_serialize(&names);
                // The error's own text may quote the conversation, so only its kind is passed on.
                let ran = vm.eval(&instructions, names, &blocks, &mut out, AutoEscape::None).map(|_| ());
                ran.map_err(|error| failed(describe(&error)))?;
                match text.len() {
                    0..=PROMPT_BYTES_MAX => Ok(text),
                    more => Err(failed(format!("it wrote {more} bytes, and {PROMPT_BYTES_MAX} are the most"))),
                }
            })?
        })
    }
}

/// What a template may call.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(TEMPLATE_FUEL));
    environment.set_recursion_limit(64);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message.chars().take(200).collect::<String>()))
    });
    environment.add_filter("tojson", json::to_json);
    // A template may ask for the date. It is told none: the same conversation is the same prompt on any day.
    environment.add_function("strftime_now", |_format: String| String::new());
    allowance::install(&mut environment);
    environment
}

/// Calls `then` with the template's instructions, guards put between them.
fn guarded<R>(
    environment: &Environment<'_>,
    then: impl FnOnce(minijinja::machinery::Instructions<'_>) -> R,
) -> Result<R, EngineError> {
    let chat = environment.get_template("chat").map_err(|error| failed(error.kind().to_string()))?;
    let compiled = get_compiled_template(&chat);
    if !compiled.blocks.is_empty() {
        return Err(failed("it has blocks, which no conversation needs"));
    }
    guard::guarded(&compiled.instructions).map(then).map_err(failed)
}

/// Runs `work` on a stack that is large enough for any template that was let in, wherever the caller is.
fn on_a_stack<R: Send>(work: impl FnOnce() -> Result<R, EngineError> + Send) -> Result<R, EngineError> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("tierway-template".into()).stack_size(TEMPLATE_STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work).map_err(|_| failed("no thread can be had to run it"))?;
        thread.join().unwrap_or_else(|_| Err(failed("it made its interpreter fail")))
    })
}

fn failed(what: impl Into<String>) -> EngineError {
    EngineError::Template { what: what.into() }
}

fn describe(error: &Error) -> String {
    match (error.kind(), error.line()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps or makes too much text".to_owned(),
        (kind, Some(line)) => format!("{kind} in line {line}"),
        (kind, None) => kind.to_string(),
    }
}

#[cfg(test)]
mod tests;
