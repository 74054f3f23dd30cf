//! What `chat` and `explain` share: a request from words and flags, and a client from the settings that are found.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use clap::Args;
use tierway::client::ClientBuilder;
use tierway::config::Config;
use tierway::request::{Effort, ModelChoice, ReasoningAsk, RequestDraft, ResponseFormat};
use tierway::{DataLabel, Message, ModelId, Request, SessionId};

use crate::Failure;

/// A question and how to ask it.
#[derive(Debug, Args)]
pub(crate) struct Ask {
    /// The question; read from standard input where it is `-` or left out.
    pub(crate) prompt: Vec<String>,
    /// One model, as vendor/name; the router decides where it is left out.
    #[arg(long, short, value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Instructions that go before the question.
    #[arg(long, value_name = "TEXT")]
    pub(crate) system: Option<String>,
    /// Most tokens of the answer, reasoning included.
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<u64>,
    /// How hard to think: none, minimal, low, medium, high, xhigh or max.
    #[arg(long, value_name = "EFFORT", value_parser = parse_effort)]
    pub(crate) effort: Option<Effort>,
    /// Answer with a JSON object.
    #[arg(long)]
    pub(crate) json_object: bool,
    /// A kind of data that the question holds, such as customer-pii: policy says where it may go. May be repeated.
    #[arg(long, value_name = "LABEL")]
    pub(crate) label: Vec<String>,
    /// A tag for the ledger, as key=value. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) tag: Vec<String>,
    /// The conversation that the question belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// A whole request in JSON, in place of the question: see `tierway schema`, or `-` for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub(crate) request: Option<PathBuf>,
    /// Share of the best model's quality to keep, above 0 to 1; 0.95 where nothing says otherwise.
    #[arg(long, value_name = "SHARE")]
    pub(crate) quality: Option<f64>,
    /// The settings; TIERWAY_CONFIG or ./tierway.toml where it is left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

fn parse_effort(text: &str) -> Result<Effort, String> {
    serde_json::from_value(text.into()).map_err(|_| "use none, minimal, low, medium, high, xhigh or max".to_owned())
}

impl Ask {
    /// The request, checked.
    pub(crate) fn request(&self) -> Result<Request, Failure> {
        if let Some(path) = &self.request {
            let text = read_text(path)?;
            return serde_json::from_str(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())));
        }
        let input = |what: &str, error: &dyn std::fmt::Display| Failure::Input(format!("{what}: {error}"));
        let mut draft = RequestDraft::default();
        if let Some(system) = &self.system {
            draft.messages.push(Message::system(system));
        }
        draft.messages.push(Message::user(self.words()?));
        if let Some(model) = &self.model {
            draft.model = match model.as_str() {
                "auto" => ModelChoice::Auto,
                name => ModelChoice::Only(ModelId::new(name).map_err(|error| input("--model", &error))?),
            };
        }
        draft.max_tokens = self.max_tokens;
        draft.reasoning = self.effort.map(|effort| ReasoningAsk { effort: Some(effort), ..ReasoningAsk::default() });
        draft.format = self.json_object.then_some(ResponseFormat::JsonObject);
        for label in &self.label {
            draft.labels.insert(DataLabel::new(label).map_err(|error| input("--label", &error))?);
        }
        for tag in &self.tag {
            let (key, value) = tag
                .split_once('=')
                .ok_or_else(|| Failure::Input(format!("--tag {tag}: write it as key=value, such as team=support")))?;
            draft.tags.insert(key.to_owned(), value.to_owned());
        }
        if let Some(session) = &self.session {
            draft.session = Some(SessionId::new(session).map_err(|error| input("--session", &error))?);
        }
        Request::try_from(draft).map_err(|error| Failure::Input(error.to_string()))
    }

    fn words(&self) -> Result<String, Failure> {
        let none = || Failure::Input("there is no question: write it after the command, or pipe it in".to_owned());
        let words = self.prompt.join(" ");
        let text = match words.as_str() {
            "" if std::io::stdin().is_terminal() => return Err(none()),
            "" | "-" => read_text(std::path::Path::new("-"))?,
            _ => words,
        };
        if text.trim().is_empty() { Err(none()) } else { Ok(text) }
    }

    /// The settings that are found, with what the flags say.
    pub(crate) fn settings(&self) -> Result<Config, Failure> {
        let found = match &self.config {
            Some(path) => Config::load(path),
            None => Config::find(),
        };
        let mut config = found.map_err(|error| Failure::Input(error.to_string()))?;
        if let Some(quality) = self.quality {
            if !(quality > 0.0 && quality <= 1.0) {
                return Err(Failure::Input(format!("--quality {quality}: use above 0 to 1, such as 0.95")));
            }
            config.router.quality = Some(quality);
        }
        Ok(config)
    }

    /// A client's beginnings: settings and the environment's keys.
    pub(crate) fn builder(&self, config: Config) -> ClientBuilder {
        tierway::Client::builder().config(config).environment()
    }
}

/// A file's text; `-` is standard input.
pub(crate) fn read_text(path: &std::path::Path) -> Result<String, Failure> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| Failure::file("standard input", &error))?;
    Ok(text)
}
