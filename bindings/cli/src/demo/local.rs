//! The demo's local tier: private notes that may not leave this machine, answered here by the native engine, for real.
//!
//! Where the engine's small model is on this machine, it is asked once to see how fast it is. From that and from what an
//! hour of the machine costs comes its price of a token; the notes are then answered under the same ledger as the rest.

use std::sync::Arc;

use indicatif::ProgressBar;
use serde::Serialize;
use tierway::catalog::{Catalog, CatalogFile, Factor, OwnHardware};
use tierway::config::Config;
use tierway::id::{DataLabel, EndpointId, ModelId, ProviderId};
use tierway::local::{LocalOptions, LocalProvider, model_folders};
use tierway::model::ModelCard;
use tierway::request::{ModelChoice, RequestDraft};
use tierway::store::Store;
use tierway::{Client, Request, Usd};

use super::drive::{self, Fate, Outcome};
use super::workload::{Difficulty, Task};
use super::{SETTINGS, client_failed};
use crate::Failure;

const MODEL: &str = "local/smollm2-135m";
const ENDPOINT: &str = "local";
/// The label of data that stays on the machine.
const LABEL: &str = "on-device";
/// Tokens of an answer: a small model says the essential in so many, and the demo is to end soon.
const TOKENS_MAX: u64 = 40;
/// Notes under way at the same time.
const AT_ONCE: usize = 2;

/// What people write to themselves.
const NOTES: [&str; 6] = [
    "Give my diary entry a title of at most five words: Could not sleep again. Thought about the move all night.",
    "Is this note about work or about family? My sister called, her operation went well and she is home again.",
    "Put this in one sentence: The doctor said the values are better than in spring. I am to come back in June.",
    "Which day is named here? Remember that the meeting with the bank about the loan is on Thursday at ten.",
    "Make this message friendlier: I cannot lend you more money before you have paid back what you owe me.",
    "Name the mood of this entry in one word: He wrote to me after three years. I read it four times and smiled.",
];

/// What the local tier did.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LocalSide {
    pub(super) model: String,
    /// Notes that it answered.
    pub(super) notes: usize,
    /// Prompt tokens a second, measured.
    pub(super) prompt_per_s: u64,
    /// Tokens of an answer a second, measured.
    pub(super) answer_per_s: u64,
    /// What an hour of the machine was said to cost.
    pub(super) hour: Usd,
    /// What a million tokens of prompt come to.
    pub(super) input_per_million: Usd,
    /// What a million tokens of answers come to.
    pub(super) output_per_million: Usd,
}

/// Answers the notes; `None` where the model is not on this machine.
pub(super) async fn run(
    hour: Usd,
    store: Arc<dyn Store>,
    bar: &ProgressBar,
) -> Result<Option<(LocalSide, Vec<Outcome>)>, Failure> {
    let model = ModelId::new(MODEL).map_err(|error| Failure::Failed(error.to_string()))?;
    let catalog = Catalog::builtin();
    let Some(card) = catalog.find(&model) else { return Ok(None) };
    let name = ProviderId::new(ENDPOINT).map_err(|error| Failure::Failed(error.to_string()))?;
    let options = LocalOptions { folders: model_folders(), ..LocalOptions::default() };
    let provider = Arc::new(LocalProvider::new(name, options));
    if provider.find(&card.wire_name).is_none() {
        return Ok(None);
    }
    let mut side = measure(&provider, card, hour).await?;
    let client = client(&provider, Some(store), &rows(catalog, card, &side))?;
    let tasks: Vec<Task> = NOTES.iter().enumerate().map(|(at, text)| note(at, text)).collect::<Result<_, _>>()?;
    let outcomes = drive::drive(&client, &Arc::new(tasks), AT_ONCE, bar).await;
    side.notes = outcomes.iter().filter(|outcome| outcome.fate == Fate::Answered).count();
    Ok(Some((side, outcomes)))
}

/// Asks once, under a ledger of its own, and takes what the engine measured.
async fn measure(provider: &Arc<LocalProvider>, card: &ModelCard, hour: Usd) -> Result<LocalSide, Failure> {
    let probe = client(provider, None, "")?;
    let mut draft = draft("Describe in a few sentences what a ledger is and why a household may want to keep one.")?;
    draft.model = ModelChoice::Only(card.id.clone());
    let request = Request::try_from(draft).map_err(|error| Failure::Failed(error.to_string()))?;
    probe.send(&request).await.map_err(client_failed)?;
    let speed = provider.speed(&card.wire_name).await;
    let whole = |rate: Option<f64>| rate.map_or(1, |rate| (rate as u64).max(1));
    let (prompt_per_s, answer_per_s) =
        (whole(speed.and_then(|speed| speed.prompt_per_s())), whole(speed.and_then(|speed| speed.answer_per_s())));
    let per_million = |tokens_per_s: u64| {
        let hardware = OwnHardware { gpu_hour: hour, gpus: 1, tokens_per_s, busy: Factor::ONE };
        hardware.per_million().map_err(|error| Failure::Input(error.to_string()))
    };
    Ok(LocalSide {
        model: card.id.to_string(),
        notes: 0,
        prompt_per_s,
        answer_per_s,
        hour,
        input_per_million: per_million(prompt_per_s)?,
        output_per_million: per_million(answer_per_s)?,
    })
}

/// A client to which only the engine's endpoint is open.
fn client(provider: &Arc<LocalProvider>, store: Option<Arc<dyn Store>>, rows: &str) -> Result<Client, Failure> {
    let failed = |text: String| Failure::Failed(text);
    let config = Config::parse(SETTINGS, "demo/tierway.toml").map_err(|error| failed(error.to_string()))?;
    let file = CatalogFile { name: "the local tier", text: rows };
    let catalog = Catalog::builtin().with_files(&[file]).map_err(|error| failed(error.to_string()))?;
    let endpoint = EndpointId::new(ENDPOINT).map_err(|error| failed(error.to_string()))?;
    let builder = Client::builder().config(config).catalog(catalog).provider(endpoint, provider.clone());
    let builder = match store {
        Some(store) => builder.store(store),
        None => builder,
    };
    builder.build().map_err(client_failed)
}

/// The model at its measured price, and the engine's other models, which are not here, as withdrawn.
fn rows(catalog: &Catalog, card: &ModelCard, side: &LocalSide) -> String {
    let row = |other: &ModelCard| {
        let (mark, price) = match other.id == card.id {
            true => (
                "",
                format!(
                    "own = {{ gpu_hour = \"{}\", gpus = 1, input_tokens_per_s = {}, output_tokens_per_s = {} }}",
                    side.hour, side.prompt_per_s, side.answer_per_s
                ),
            ),
            false => ("retired = true\n", "rates = { input = \"0\", output = \"0\" }".to_owned()),
        };
        format!(
            "[[models]]\nid = \"{}\"\nwire_name = \"{}\"\nfamily = \"{}\"\ntier = \"local\"\ncontext_window = {}\n\
             max_output = {}\ncapabilities = [\"logprobs\", \"streaming\", \"seed\", \"json_mode\", \"json_schema\"]\nself_hostable = true\n{mark}\
             source = \"measured on this machine\"\ndate = \"{}\"\n[[models.prices]]\n{price}\n",
            other.id, other.wire_name, other.family, other.context_window, other.max_output, other.date
        )
    };
    catalog.cards().iter().filter(|other| other.vendor == card.vendor).map(|other| row(other)).collect()
}

fn draft(text: &str) -> Result<RequestDraft, Failure> {
    let mut draft = Request::user(text).map_err(|error| Failure::Failed(error.to_string()))?.to_draft();
    draft.max_tokens = Some(TOKENS_MAX);
    Ok(draft)
}

fn note(at: usize, text: &str) -> Result<Task, Failure> {
    let mut draft = draft(text)?;
    draft.labels.insert(DataLabel::new(LABEL).map_err(|error| Failure::Failed(error.to_string()))?);
    draft.tags.insert("team".to_owned(), "own".to_owned());
    let request = Request::try_from(draft).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(Task {
        id: format!("note-{}", at + 1),
        category: "private note".to_owned(),
        difficulty: Difficulty::Easy,
        session: None,
        request,
        is_stream: at.is_multiple_of(2),
        reply_tokens: TOKENS_MAX,
        reasoning_tokens: 0,
    })
}
