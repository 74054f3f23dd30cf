//! What a request demands of whoever answers it: computed once, compared with every model.

use crate::limits::{IMAGE_TOKENS_MAX, OUTPUT_TOKENS_DEFAULT};
use crate::message::{Content, Message, Part, Source};
use crate::model::{Api, Capability, ModelCard};
use crate::money::Usd;
use crate::request::{Effort, Request, ResponseFormat, ServiceTier, ToolChoice};
use crate::snapshot::CapabilitySet;
use crate::time::Timestamp;

use super::estimate::Estimate;

/// Tokens around each message that vendors add and bill: about 4; at most a few control words.
const MESSAGE_TOKENS: (u64, u64) = (4, 16);
/// Tokens that the presence of tools adds: vendors write a prompt of their own, 300 to 800 tokens.
const TOOLS_TOKENS: (u64, u64) = (350, 1_024);
/// Tokens around each tool.
const TOOL_TOKENS: (u64, u64) = (8, 64);
/// A picture of common size.
const IMAGE_TOKENS: u64 = 1_000;
/// A document: a token is rarely less than six bytes of PDF, and its pages may be read as pictures besides.
const DOCUMENT_BYTES_PER_TOKEN: u64 = 6;
const DOCUMENT_TOKENS_MORE: u64 = 5_000;
/// Sound and moving pictures: 32 to 300 tokens a second, of 4 to 100 kB each.
const MEDIA_BYTES_PER_TOKEN: u64 = 400;
/// A file of unknown size.
const UNKNOWN_TOKENS: u64 = 4_000;

/// What a request demands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// What the model must be able to do.
    pub capabilities: CapabilitySet,
    /// Bytes of text in messages, tools and schema.
    pub text_bytes: u64,
    /// Prompt tokens, roughly: for planning.
    pub input_tokens: u64,
    /// Prompt tokens, at most: for reservations. `u64::MAX` where the request names files of unknown size; then the
    /// model's context window is the bound.
    pub input_tokens_max: u64,
    /// Most tokens of output that the request asks for, reasoning included; `None` where it does not say.
    pub max_tokens: Option<u64>,
    /// How many answers are asked for.
    pub answers: u64,
    /// The lane, which changes the price.
    pub service_tier: Option<ServiceTier>,
    /// The formats that alone know some part of the request, as bits; zero where none is special.
    pub(super) formats: u32,
    /// Whether it names a file that was uploaded to one vendor.
    pub(super) uploads: bool,
    /// Media that it names by a web address.
    pub(super) addressed: Addressed,
    /// Whether it is an item of a batch.
    pub(super) batch: bool,
    /// What is to be embedded, where that is asked for and no answer.
    pub(super) texts: Option<Texts>,
}

/// Texts that are to be embedded: each by itself must fit a model's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) count: u64,
    /// Tokens of the longest, roughly.
    pub(super) longest: u64,
}

/// Which media a request names by a web address, for the vendor to fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Addressed {
    pub(super) images: bool,
    pub(super) documents: bool,
    pub(super) sound_or_film: bool,
}

impl Needs {
    /// Reads a request once, in time linear in its text.
    pub fn of(request: &Request) -> Needs {
        let mut reader = Reader::default();
        request.messages.iter().for_each(|message| reader.read_message(message));
        reader.read_tools(request);
        reader.read_wishes(request);
        reader.finish(request)
    }

    /// The same for an answer that is wanted piece by piece.
    pub fn with_streaming(mut self) -> Needs {
        self.capabilities.insert(Capability::Streaming);
        self
    }

    /// The same for an item of a batch: models and endpoints without a batch lane are refused.
    pub fn with_batch(mut self) -> Needs {
        self.batch = true;
        self.service_tier = Some(ServiceTier::Batch);
        self
    }

    /// The needs of a request whose messages are texts to be embedded: only endpoints that make embeddings will do.
    pub fn of_embedding(request: &Request) -> Needs {
        let texts = request.messages.iter().map(|message| {
            let mut text = Estimate::default();
            message.parts.iter().filter_map(Part::as_text).for_each(|part| text.add_text(part));
            (text.tokens(), text.bytes())
        });
        let (mut needs, mut all) = (Needs::of(request), Texts { count: 0, longest: 0 });
        (needs.input_tokens, needs.input_tokens_max) = (0, 0);
        for (tokens, bytes) in texts {
            all = Texts { count: all.count + 1, longest: all.longest.max(tokens) };
            // Models put a word before and after each text, and some a line of instructions.
            needs.input_tokens = needs.input_tokens.saturating_add(tokens);
            needs.input_tokens_max = needs.input_tokens_max.saturating_add(bytes).saturating_add(MESSAGE_TOKENS.1);
        }
        needs.max_tokens = Some(1);
        needs.texts = Some(all);
        needs
    }

    /// Prompt tokens to make room for: a quarter above the rough figure, since vocabularies differ, within the bound.
    #[inline]
    pub fn input_tokens_likely_max(&self) -> u64 {
        (self.input_tokens + self.input_tokens / 4).saturating_add(16).min(self.input_tokens_max)
    }

    /// Whether some part can only be said in one of these formats and `api` is not among them.
    pub(super) fn excludes(&self, api: Api) -> bool {
        self.formats & !(1 << api as u32) != 0
    }
}

/// What one attempt at a model is held to: what is sent as its most tokens, and what is reserved for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Most tokens of output, sent to the provider.
    pub max_tokens: u64,
    /// Most prompt tokens: the request's bound, or the context window where that is less.
    pub input_tokens_max: u64,
    /// The most that the attempt can cost.
    pub reserve: Usd,
}

impl Terms {
    /// The terms at a model, or `None` where it has no price that bounds the cost at this time.
    pub fn of(card: &ModelCard, needs: &Needs, now: Timestamp) -> Option<Terms> {
        let max_tokens = max_tokens(card, needs);
        let input_tokens_max = input_tokens_max(card, needs);
        let output_tokens_max = max_tokens.saturating_mul(needs.answers);
        let reserve = super::unpriced::upper_bound(card, input_tokens_max, output_tokens_max, needs, now)?;
        Some(Terms { max_tokens, input_tokens_max, reserve })
    }
}

/// Most prompt tokens at a model: the request's bound, or what its window holds of it.
pub(crate) fn input_tokens_max(card: &ModelCard, needs: &Needs) -> u64 {
    input_tokens_max_of(card.context_window, needs)
}

/// The same at a model with this window.
#[inline]
pub(crate) fn input_tokens_max_of(context_window: u64, needs: &Needs) -> u64 {
    let windows = needs.texts.map_or(1, |texts| texts.count.max(1));
    needs.input_tokens_max.min(context_window.saturating_mul(windows))
}

/// What is asked for, held to what the model writes and to the room beside the prompt; at least one.
pub(crate) fn max_tokens(card: &ModelCard, needs: &Needs) -> u64 {
    max_tokens_of(card.context_window, card.max_output, needs)
}

/// The same for a model with this window that writes at most so much.
#[inline]
pub(crate) fn max_tokens_of(context_window: u64, max_output: u64, needs: &Needs) -> u64 {
    let wanted = needs.max_tokens.unwrap_or(OUTPUT_TOKENS_DEFAULT);
    let room = context_window.saturating_sub(needs.input_tokens_likely_max());
    wanted.min(max_output).min(room).max(1)
}

#[derive(Default)]
struct Reader {
    needs: Needs,
    text: Estimate,
    other: u64,
    other_max: u64,
}

impl Reader {
    fn read_message(&mut self, message: &Message) {
        self.add(MESSAGE_TOKENS.0, MESSAGE_TOKENS.1);
        if let Some(name) = &message.name {
            self.text.add_text(name);
        }
        self.read_parts(&message.parts);
    }

    fn read_parts(&mut self, parts: &[Part]) {
        for part in parts {
            self.read_part(part);
        }
    }

    fn read_part(&mut self, part: &Part) {
        match &part.content {
            Content::Text { text } | Content::Reasoning { text } | Content::Refusal { text } => {
                self.text.add_text(text);
            }
            Content::Image { source } => {
                self.demand(Capability::Vision);
                self.note_upload(source);
                self.needs.addressed.images |= is_web(source);
                self.add(IMAGE_TOKENS, IMAGE_TOKENS_MAX);
            }
            Content::Audio { source } => self.read_media(Capability::AudioInput, source, MEDIA_BYTES_PER_TOKEN, 0),
            Content::Video { source } => self.read_media(Capability::VideoInput, source, MEDIA_BYTES_PER_TOKEN, 0),
            Content::Document { source, name } => {
                if let Some(name) = name {
                    self.text.add_text(name);
                }
                let more = DOCUMENT_TOKENS_MORE;
                self.read_media(Capability::Documents, source, DOCUMENT_BYTES_PER_TOKEN, more);
            }
            Content::ToolCall(call) => {
                self.demand(Capability::Tools);
                self.add(TOOL_TOKENS.0, TOOL_TOKENS.1);
                self.text.add_text(&call.name);
                self.text.add_text(&call.id);
                self.text.add_text(&call.arguments);
            }
            Content::ToolResult(answer) => {
                self.demand(Capability::Tools);
                self.add(TOOL_TOKENS.0, TOOL_TOKENS.1);
                self.text.add_text(&answer.call_id);
                self.read_parts(&answer.parts);
            }
            Content::Vendor => self.read_vendor_part(part),
        }
    }

    /// Files, sounds and moving pictures. A token is taken to be at least one byte of them.
    fn read_media(&mut self, capability: Capability, source: &Source, bytes_per_token: u64, more_max: u64) {
        match source {
            Source::Text { text, .. } => return self.text.add_text(text),
            Source::Base64 { data, .. } => {
                let bytes = data.len() as u64 / 4 * 3;
                self.add(bytes.div_ceil(bytes_per_token), bytes.saturating_add(more_max));
            }
            Source::Url { .. } | Source::File { .. } => self.add(UNKNOWN_TOKENS, u64::MAX),
        }
        self.note_upload(source);
        match capability {
            Capability::Documents => self.needs.addressed.documents |= is_web(source),
            _ => self.needs.addressed.sound_or_film |= is_web(source),
        }
        self.demand(capability);
    }

    fn note_upload(&mut self, source: &Source) {
        self.needs.uploads |= matches!(source, Source::File { .. });
    }

    /// A part that only one format knows.
    fn read_vendor_part(&mut self, part: &Part) {
        for api in Api::ALL {
            if let Some(fields) = part.vendor.get(api) {
                self.needs.formats |= 1 << api as u32;
                fields.values().for_each(|field| self.text.add_json(field));
            }
        }
    }

    fn read_tools(&mut self, request: &Request) {
        if request.tools.is_empty() {
            return;
        }
        self.demand(Capability::Tools);
        self.add(TOOLS_TOKENS.0, TOOLS_TOKENS.1);
        for tool in &request.tools {
            self.add(TOOL_TOKENS.0, TOOL_TOKENS.1);
            self.text.add_text(&tool.name);
            if let Some(description) = &tool.description {
                self.text.add_text(description);
            }
            if let Some(schema) = &tool.parameters {
                self.text.add_json(schema);
            }
            let own = tool.parameters.is_none() && tool.description.is_none();
            for api in Api::ALL.into_iter().filter(|api| own && tool.vendor.get(*api).is_some()) {
                self.needs.formats |= 1 << api as u32;
            }
        }
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            self.demand(Capability::ForcedTools);
        }
        if request.parallel_tools == Some(true) {
            self.demand(Capability::ParallelTools);
        }
    }

    fn read_wishes(&mut self, request: &Request) {
        match &request.format {
            Some(ResponseFormat::JsonObject) => self.demand(Capability::JsonMode),
            Some(ResponseFormat::JsonSchema { schema, description, .. }) => {
                self.demand(Capability::JsonSchema);
                self.text.add_json(schema);
                self.text.add_text(description.as_deref().unwrap_or_default());
            }
            _ => {}
        }
        if request.sampling.logprobs.is_some() {
            self.demand(Capability::Logprobs);
        }
        if request.sampling.candidates.is_some_and(|answers| answers > 1) {
            self.demand(Capability::Candidates);
        }
        let asks_to_think = request.reasoning.as_ref().is_some_and(|ask| {
            let by_budget = ask.budget_tokens.is_some_and(|budget| budget > 0);
            by_budget || ask.effort.is_some_and(|effort| effort != Effort::None)
        });
        if asks_to_think {
            self.demand(Capability::Reasoning);
        }
    }

    fn finish(self, request: &Request) -> Needs {
        let Reader { mut needs, text, other, other_max } = self;
        needs.text_bytes = text.bytes();
        needs.input_tokens = text.tokens().saturating_add(other);
        needs.input_tokens_max = text.bytes().saturating_add(other_max).saturating_add(MESSAGE_TOKENS.1);
        needs.max_tokens = request.max_tokens;
        needs.answers = u64::from(request.sampling.candidates.unwrap_or(1).max(1));
        needs.service_tier = request.service_tier;
        needs
    }

    fn demand(&mut self, capability: Capability) {
        self.needs.capabilities.insert(capability);
    }

    fn add(&mut self, roughly: u64, at_most: u64) {
        self.other = self.other.saturating_add(roughly);
        self.other_max = self.other_max.saturating_add(at_most);
    }
}

/// Whether media lie at a web address. Other addresses (`s3://`, `gs://`) are some format's own.
fn is_web(source: &Source) -> bool {
    let starts =
        |url: &str, scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    matches!(source, Source::Url { url, .. } if starts(url, "http://") || starts(url, "https://"))
}
