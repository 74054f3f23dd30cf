//! Conversations of plain texts, written without building a tree: what most requests are.
//!
//! The beginning of a body, its messages among it, is written at once; what else a request says is a tree as ever. The
//! bytes are the same either way, which every build with debug assertions holds on every request that it writes.

use serde_json::Map;
use serde_json::Value;

use super::json;
use super::verbatim::is_verbatim;
use super::{Ask, HttpRequest};
use crate::error::ProviderError;
use crate::message::{Content, Message, Role};
use crate::model::Api;

/// The beginning of a JSON object, its closing brace left out.
#[derive(Debug)]
pub(super) struct Head(Vec<u8>);

impl Head {
    /// Nothing yet.
    pub(super) fn new() -> Head {
        let mut out = Vec::with_capacity(json::ROOM);
        out.push(b'{');
        Head(out)
    }

    /// A field of text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        json::quoted(text, &mut self.0);
    }

    /// A field of a number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        serde_json::to_writer(&mut self.0, &number).expect("a buffer takes what it is given");
    }

    /// The messages: who speaks, and what.
    pub(super) fn messages<'a>(&mut self, messages: impl Iterator<Item = (&'a str, &'a str)>) {
        self.name("messages");
        self.0.push(b'[');
        for (at, (role, text)) in messages.enumerate() {
            self.0.extend_from_slice(if at == 0 { br#"{"role":"# } else { br#",{"role":"# });
            json::quoted(role, &mut self.0);
            self.0.extend_from_slice(br#","content":"#);
            json::quoted(text, &mut self.0);
            self.0.push(b'}');
        }
        self.0.push(b']');
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        json::quoted(name, &mut self.0);
        self.0.push(b':');
    }

    /// The whole object, with the fields of `rest` after its own.
    fn with(self, rest: &Map<String, Value>) -> Vec<u8> {
        let mut out = self.0;
        let is_empty = out.len() == 1;
        json::fields(rest, is_empty, &mut out);
        out.push(b'}');
        out
    }
}

/// A body of which the beginning may have been written at once.
#[derive(Debug)]
pub(super) struct Body {
    head: Option<Head>,
    /// The fields after the beginning: all of them where it was not.
    pub(super) rest: Map<String, Value>,
}

impl Body {
    /// Writes a body: with `head` where there is one, `rest` bringing the fields after it, and wholly as `tree` brings it
    /// otherwise.
    pub(super) fn of(
        head: Option<Head>,
        rest: impl FnOnce() -> Result<Map<String, Value>, ProviderError>,
        tree: impl FnOnce() -> Result<Map<String, Value>, ProviderError>,
    ) -> Result<Body, ProviderError> {
        let Some(head) = head else { return Ok(Body { head: None, rest: tree()? }) };
        let rest = rest()?;
        #[cfg(debug_assertions)]
        {
            let whole = json::bytes(&Value::Object(tree()?));
            assert_eq!(String::from_utf8_lossy(&Head(head.0.clone()).with(&rest)), String::from_utf8_lossy(&whole));
        }
        Ok(Body { head: Some(head), rest })
    }

    /// One more field of text, after those that are there.
    pub(super) fn add(&mut self, name: &str, text: &str) {
        match &mut self.head {
            Some(head) if self.rest.is_empty() => head.text(name, text),
            _ => drop(self.rest.insert(name.to_owned(), text.into())),
        }
    }

    /// The request to this path.
    pub(super) fn request(self, path: String) -> HttpRequest {
        match self.head {
            None => HttpRequest::json(path, self.rest),
            Some(head) => HttpRequest::of_json(path, head.with(&self.rest)),
        }
    }
}

/// Whether a request may be written so, as far as its messages go unseen: nothing of `api` is said beside our own fields.
pub(super) fn may_be(ask: &Ask<'_>, api: Api) -> bool {
    cfg!(feature = "quick") && !is_verbatim(&ask.endpoint.dialect) && ask.draft.vendor.get(api).is_none()
}

/// The text of a message that is one text and nothing else; no tool's result.
pub(super) fn text_of(message: &Message) -> Option<&str> {
    let [part] = message.parts.as_slice() else { return None };
    let is_bare = part.cache.is_none() && part.vendor.is_empty() && message.vendor.is_empty() && message.name.is_none();
    match &part.content {
        Content::Text { text } if is_bare && message.role != Role::Tool && !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Whether a message instructs the model.
pub(super) fn instructs(message: &Message) -> bool {
    matches!(message.role, Role::System | Role::Developer)
}

#[cfg(all(test, feature = "quick"))]
mod tests {
    use super::*;
    use crate::model::{Dialect, Endpoint};
    use crate::request::{RequestDraft, ResponseFormat, Sampling, Tool};
    use crate::wire::{Mode, for_api, verbatim};

    fn head(draft: &RequestDraft, api: Api, change: impl FnOnce(&mut Dialect)) -> Option<Head> {
        let card = verbatim::card("model-x");
        let mut endpoint = Endpoint { dialect: Dialect::default(), ..verbatim::endpoint(api) };
        change(&mut endpoint.dialect);
        let ask = Ask { draft, card: &card, endpoint: &endpoint, max_tokens: 300 };
        // With debug assertions this compares the bytes with the tree's.
        let wire = for_api(api).expect("both formats have a wire");
        [Mode::Unary, Mode::Stream].into_iter().for_each(|mode| assert!(wire.write(&ask, mode).is_ok()));
        match api {
            Api::Messages => crate::wire::messages::plain(&ask, api),
            _ => crate::wire::chat_completions::plain(&ask),
        }
    }

    fn talk(messages: Vec<Message>) -> RequestDraft {
        RequestDraft { messages, ..RequestDraft::default() }
    }

    #[test]
    fn conversations_of_texts_are_written_at_once() {
        let long = talk(vec![
            Message::system("Be \"brief\".\n"),
            Message::user("Eins\tzwei – \u{1f600}"),
            Message::assistant("drei"),
            Message::user("und\\weiter?"),
        ]);
        let sampling = Sampling { temperature: Some(0.7), top_p: Some(0.9), ..Sampling::default() };
        let sampled = RequestDraft { sampling: Sampling { stop: vec!["END".to_owned()], ..sampling }, ..long.clone() };
        let tools =
            RequestDraft { tools: vec![serde_json::from_str::<Tool>(r#"{"name": "clock"}"#).unwrap()], ..long.clone() };
        let drafts = [talk(vec![Message::user("x")]), long, sampled, tools];
        for draft in &drafts {
            for api in [Api::Messages, Api::ChatCompletions] {
                assert!(head(draft, api, |_| {}).is_some(), "{api}: {draft:?}");
            }
        }
        let left_out = |dialect: &mut Dialect| dialect.omit.push("temperature".to_owned());
        assert!(head(&drafts[2], Api::ChatCompletions, left_out).is_some());
    }

    #[test]
    fn others_are_written_as_a_tree() {
        let both =
            |draft: &RequestDraft| [Api::Messages, Api::ChatCompletions].map(|api| head(draft, api, |_| {}).is_some());
        let mut noted = talk(vec![Message::user("x")]);
        noted.messages[0].vendor.set(Api::Messages, "a", 1.into());
        assert_eq!(both(&noted), [false, false]);
        assert_eq!(both(&talk(vec![Message::user("")])), [false, false]);
        assert_eq!(both(&talk(vec![Message::user("x"), Message::assistant("y ")])), [false, true]);
        assert_eq!(both(&talk(vec![Message::system("a"), Message::system("b"), Message::user("x")])), [false, true]);
        let json = RequestDraft { format: Some(ResponseFormat::JsonObject), ..talk(vec![Message::user("x")]) };
        assert_eq!(both(&json), [false, true]);
        let left_out = |dialect: &mut Dialect| dialect.omit.push("model".to_owned());
        assert!(head(&talk(vec![Message::user("x")]), Api::ChatCompletions, left_out).is_none());
    }
}
