//! Chat templates: how a conversation is written as one text, by the model's own Jinja template.
//!
//! A template comes with a model, from anywhere. It sees the conversation and nothing else: no files, no environment, no
//! other templates, no code. Its size, its steps, its depth and what it writes are bounded.

use std::io;

use minijinja::value::Value;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;
use serde_json::Value as Json;

use crate::error::EngineError;
use crate::limits::{PROMPT_BYTES_MAX, TEMPLATE_BYTES_MAX, TEMPLATE_FUEL};

/// A model's chat template.
#[derive(Debug)]
pub struct Template {
    environment: Environment<'static>,
    /// The texts of the tokens that begin and end a sequence.
    begin: String,
    end: String,
}

impl Template {
    /// From its source. `begin` and `end` are the texts of the tokens that begin and end a sequence.
    ///
    /// # Errors
    /// `Template` where it is too long or not a template.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Template, EngineError> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(failed(format!("it has more than {TEMPLATE_BYTES_MAX} bytes")));
        }
        let mut environment = Environment::new();
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_recursion_limit(64);
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message.chars().take(200).collect::<String>()))
        });
        environment.add_filter("tojson", to_json);
        // A template may ask for the date. It is told none: the same conversation is the same prompt on any day.
        environment.add_function("strftime_now", |_format: String| String::new());
        environment
            .add_template_owned("chat".to_owned(), source.to_owned())
            .map_err(|error| failed(error.kind().to_string()))?;
        Ok(Template { environment, begin: begin.to_owned(), end: end.to_owned() })
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
        let chat = self.environment.get_template("chat").map_err(|error| failed(error.kind().to_string()))?;
        let mut out = Bounded(Vec::new());
        // The error's own text may quote the conversation, so only its kind is passed on.
        chat.render_captured_to(Value::from_serialize(&names), &mut out).map_err(|error| failed(describe(&error)))?;
        String::from_utf8(out.0).map_err(|_| failed("it wrote bytes that are no text"))
    }
}

/// JSON as templates are written to expect it: a space after commas and colons, nothing escaped for HTML.
fn to_json(value: &Value, indent: Option<usize>) -> Result<String, Error> {
    let mut out = Vec::new();
    let written = match indent {
        Some(width) => {
            let width = " ".repeat(width.min(16));
            let pretty = serde_json::ser::PrettyFormatter::with_indent(width.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)),
    };
    written.map_err(|_| Error::new(ErrorKind::BadSerialization, "a value has no JSON"))?;
    String::from_utf8(out).map_err(|_| Error::new(ErrorKind::BadSerialization, "a value has no JSON"))
}

/// A space after commas and colons.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn failed(what: impl Into<String>) -> EngineError {
    EngineError::Template { what: what.into() }
}

fn describe(error: &Error) -> String {
    match (error.kind(), error.line()) {
        (ErrorKind::OutOfFuel, _) => "it takes too many steps".to_owned(),
        (kind, Some(line)) => format!("{kind} in line {line}"),
        (kind, None) => kind.to_string(),
    }
}

/// Takes bytes up to a bound.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PROMPT_BYTES_MAX {
            return Err(io::Error::other("a template wrote too much"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m['content'].strip() }}<|im_end|>\n{% endfor %}\
        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

    fn render(source: &str) -> Result<String, EngineError> {
        let messages = json!([{"role": "user", "content": " Hi "}]);
        Template::new(source, "<s>", "</s>")?.render(&messages, &Json::Null, &serde_json::Map::new())
    }

    #[test]
    fn a_conversation_is_written_as_the_model_wants_it() {
        assert_eq!(render(CHATML).unwrap(), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
        assert_eq!(render("{{ bos_token }}{{ messages[0].missing }}x").unwrap(), "<s>x");
        assert_eq!(
            render("{% set n = namespace(a=1) %}{% set n.a = 2 %}{{ n.a }}{{ {'k': 1} | tojson }}").unwrap(),
            "2{\"k\": 1}"
        );
    }

    #[test]
    fn a_hostile_template_comes_to_nothing() {
        let cases = [
            ("an endless loop", "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}"),
            ("endless output", "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}"),
            ("another file", "{% include '/etc/passwd' %}"),
            ("another template", "{% extends 'other' %}"),
            ("the interpreter", "{{ ''.__class__.__mro__[1].__subclasses__() }}"),
            ("the globals", "{{ cycler.__init__.__globals__.os.popen('id').read() }}"),
            ("an import", "{{ self.__init__.__globals__['__builtins__']['__import__']('os') }}"),
            ("its own refusal", "{{ raise_exception('no') }}"),
            ("endless recursion", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
            ("no template", "{% for %}"),
        ];
        for (what, source) in cases {
            let rendered = render(source);
            assert!(matches!(rendered, Err(EngineError::Template { .. })), "{what}: {rendered:?}");
        }
        assert!(Template::new(&"x".repeat(TEMPLATE_BYTES_MAX + 1), "", "").is_err());
    }

    #[test]
    fn an_error_does_not_quote_the_conversation() {
        let messages = json!([{"role": "user", "content": "my secret"}]);
        let template = Template::new("{{ raise_exception(messages[0].content) }}", "", "").unwrap();
        let error = template.render(&messages, &Json::Null, &serde_json::Map::new()).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
