//! What the user asks, in its context: the last user turn, the thread behind it, and the material it comes with.

use serde_json::Value;

use crate::message::{Content, Message, Part, Role, Source};
use crate::policy::Needs;
use crate::request::{Request, ResponseFormat};

use super::cues::{Cues, Group};
use super::grams::Grams;
use super::reading::{Signals, head};

/// A turn of fewer words says little by itself.
const THIN_WORDS: f64 = 9.0;
/// How many turns back a thin turn's thread is followed.
const THREAD_TURNS: usize = 6;
/// Of the application's instructions, this much is read for the kind of work.
const SETTING_BYTES: usize = 1_024;
/// Most properties of a schema that are counted.
const PROPERTIES_MAX: u32 = 200;

/// A request as it is judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ask {
    /// The last user turn, with its thread where it is thin.
    pub(super) turn: Signals,
    /// Whether the thread was read.
    pub(super) is_thread: bool,
    /// The application's instructions.
    pub(super) setting: Option<Signals>,
    /// Bytes of text that are no instructions.
    pub(super) material: u64,
    pub(super) images: u32,
    /// Documents, sounds and moving pictures.
    pub(super) files: u32,
    pub(super) tools: u32,
    /// Tool results so far.
    pub(super) tool_turns: u32,
    /// Properties of the answer's schema.
    pub(super) properties: u32,
    pub(super) has_schema: bool,
    pub(super) user_turns: u32,
}

impl Ask {
    /// A text alone.
    pub(super) fn of_text(text: &str, cues: &Cues, grams: Option<&mut Grams>) -> Ask {
        let mut turn = Signals::default();
        turn.add_with(text, cues, grams);
        Ask { turn, material: text.len() as u64, user_turns: 1, ..Ask::default() }
    }

    /// Reads the parts of a request once, and the text of its last turns.
    /// The words of these are noted in `grams`.
    pub(super) fn of(request: &Request, needs: &Needs, cues: &Cues, grams: Option<&mut Grams>) -> Ask {
        let mut ask = Ask { tools: request.tools.len() as u32, ..Ask::default() };
        let messages = &request.messages;
        messages.iter().for_each(|message| ask.survey(message));
        let asked = (0..messages.len()).rev().find(|at| messages[*at].role == Role::User && has_text(&messages[*at]));
        match asked.or_else(|| (0..messages.len()).rev().find(|at| has_text(&messages[*at]))) {
            Some(at) => ask.read_turn(messages, at, cues, grams),
            None => ask.turn.bytes = needs.text_bytes,
        }
        let system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
        if let Some(text) = messages.iter().find(system).and_then(|message| texts(&message.parts).next()) {
            ask.setting = Some(Signals::of(head(text, SETTING_BYTES), cues));
        }
        match &request.format {
            Some(ResponseFormat::JsonSchema { schema, .. }) => {
                ask.has_schema = true;
                ask.properties = properties(schema, 0);
            }
            Some(ResponseFormat::JsonObject) => ask.has_schema = true,
            _ => {}
        }
        ask
    }

    fn survey(&mut self, message: &Message) {
        self.user_turns += u32::from(message.role == Role::User);
        let is_setting = matches!(message.role, Role::System | Role::Developer);
        for part in &message.parts {
            self.survey_part(part, is_setting);
        }
    }

    fn survey_part(&mut self, part: &Part, is_setting: bool) {
        match &part.content {
            Content::Text { text } if !is_setting => self.material += text.len() as u64,
            Content::Image { .. } => self.images += 1,
            Content::Audio { .. } | Content::Video { .. } => self.files += 1,
            Content::Document { source, .. } => {
                self.files += 1;
                self.material += match source {
                    Source::Text { text, .. } => text.len() as u64,
                    Source::Base64 { data, .. } => data.len() as u64 / 8,
                    _ => 0,
                };
            }
            Content::ToolResult(answer) => {
                self.tool_turns += 1;
                answer.parts.iter().for_each(|part| self.survey_part(part, is_setting));
            }
            _ => {}
        }
    }

    /// Reads the turn at `at`, and back from there until something was said.
    fn read_turn(&mut self, messages: &[Message], at: usize, cues: &Cues, mut grams: Option<&mut Grams>) {
        let mut read = |turn: &mut Signals, message: &Message| {
            texts(&message.parts).for_each(|text| turn.add_with(text, cues, grams.as_deref_mut()));
        };
        read(&mut self.turn, &messages[at]);
        let mut back = at;
        while self.is_thin() && back > 0 && at - back < THREAD_TURNS {
            back -= 1;
            let before = &messages[back];
            if matches!(before.role, Role::User | Role::Assistant) {
                self.is_thread = true;
                read(&mut self.turn, before);
            }
        }
    }

    /// Whether what was read so far leaves open what is asked.
    fn is_thin(&self) -> bool {
        let turn = &self.turn;
        let says = |group: &Group| turn.lead[*group as usize] > 0;
        let says_kind = [Group::Translation, Group::Summary, Group::Writing].iter().any(says);
        turn.length() < THIN_WORDS && turn.math < 3 && turn.fences == 0 && !says_kind
    }
}

fn has_text(message: &Message) -> bool {
    texts(&message.parts).any(|text| !text.trim_start().is_empty())
}

fn texts(parts: &[Part]) -> impl Iterator<Item = &str> {
    parts.iter().filter_map(Part::as_text)
}

/// How many properties a JSON Schema names.
fn properties(schema: &Value, depth: u32) -> u32 {
    if depth > 16 {
        return 0;
    }
    let count = match schema {
        Value::Object(fields) => {
            let own = fields.get("properties").and_then(Value::as_object).map_or(0, |named| named.len() as u32);
            fields.values().fold(own, |sum, field| sum.saturating_add(properties(field, depth + 1)))
        }
        Value::Array(items) => items.iter().fold(0u32, |sum, item| sum.saturating_add(properties(item, depth + 1))),
        _ => 0,
    };
    count.min(PROPERTIES_MAX)
}
