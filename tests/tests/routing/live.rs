//! What live cascades do with real answers: the plan decides on each prompt of ZeroEval's three sets, and six models' recorded
//! replies stand in for their calls. Every attempt is billed at the prices of 2024; a token is four characters.

use std::sync::Arc;

use tierway::catalog::Catalog;
use tierway::check::{self, Verdict};
use tierway::learn::{Experience, Seeded};
use tierway::model::ModelCard;
use tierway::plan::{self, CascadeSettings, CheckKind, Plan, Settings};
use tierway::policy::{Needs, Policy};
use tierway::replay::Record;
use tierway::score::{Gist, Rating, Scorer};
use tierway::snapshot::{Offers, Snapshot};
use tierway::time::Timestamp;
use tierway::{Part, Reply, Request};

use super::encoders::Lessons;
use super::sets::{Set, sets};

/// Name in the data, family, tier, dollars per million tokens.
const MODELS: [(&str, &str, &str, &str, &str); 6] = [
    ("gemma-2-9b-it", "gemma-2-9b", "economy", "0.03", "0.09"),
    ("Meta-Llama-3.1-8B-Instruct", "llama-3.1-8b", "economy", "0.02", "0.05"),
    ("Yi-1.5-9B-Chat", "yi-1.5-9b", "economy", "0.03", "0.09"),
    ("Phi-3.5-mini-instruct", "phi-3.5-mini", "economy", "0.02", "0.05"),
    ("gpt-4o-mini-2024-07-18", "gpt-4o-mini", "economy", "0.15", "0.60"),
    ("claude-3-5-sonnet-20241022", "claude-3.5-sonnet", "frontier", "3", "15"),
];
const FRONTIER: &str = "claude-3-5-sonnet-20241022";
const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);
const MARKS: usize = 200;

fn offers() -> Arc<Offers> {
    let mut rows =
        "vendor = \"lab\"\n[defaults]\nsource = \"2024\"\ndate = \"2024-11-01\"\ncapabilities = [\"streaming\"]\n\
                    [[endpoints]]\nid = \"lab\"\nvendor = \"lab\"\napi = \"chat_completions\"\n\
                    base_url = \"http://127.0.0.1:9\"\nregion = \"us\"\nauth = \"none\"\n"
            .to_owned();
    for (name, family, tier, input, output) in MODELS {
        rows += &format!(
            "[[models]]\nid = \"lab/{name}\"\nfamily = \"{family}\"\ntier = \"{tier}\"\ncontext_window = 128000\n\
             max_output = 8000\nprices = [{{ rates = {{ input = \"{input}\", output = \"{output}\" }} }}]\n"
        );
    }
    let catalog = Catalog::parse(&rows, "rows.toml").unwrap();
    Arc::new(Offers::new(catalog.cards().iter().cloned(), catalog.endpoints().iter().cloned()))
}

struct World {
    offers: Arc<Offers>,
    scorer: Scorer,
    experience: Experience,
}

impl World {
    fn plan(&self, row: &Record, settings: &Settings) -> Plan {
        let request = Request::user(row.prompt.clone().unwrap()).unwrap();
        let snapshot = Snapshot::new(self.offers.clone(), NOW);
        let needs = Needs::of(&request);
        let learnt = |gist: &Gist, card: &ModelCard, rating: Rating| match self.experience.is_empty() {
            true => rating,
            false => self.experience.adjust(gist, &card.id, rating),
        };
        let judges = (&self.scorer, learnt);
        plan::decide_learnt(&request, &Policy::default(), &snapshot, &needs, judges, settings).unwrap()
    }

    /// Marks of every model's answer to a row, as shadows and users would give them.
    fn mark(&mut self, row: &Record) {
        let plan = self.plan(row, &Settings::default());
        let complexity = plan.complexity().unwrap();
        for card in self.offers.rows() {
            let expected = complexity.rating(card.card()).p_good;
            let mark = row.label(card.card().id.name()).unwrap();
            self.experience.mark(complexity.gist(), &card.card().id, expected, mark).unwrap();
        }
    }
}

fn cost(row: &Record, model: &str) -> f64 {
    let (_, _, _, input, output) = MODELS.iter().find(|known| known.0 == model).unwrap();
    let price = |text: &str| text.parse::<f64>().unwrap();
    (row.prompt_chars() * price(input) + row.reply_chars(model).unwrap() * price(output)) / 4e6
}

fn reply(row: &Record, model: &str) -> Reply {
    Reply { parts: vec![Part::text(row.output(model).unwrap_or_default())], ..Reply::default() }
}

/// The delivered answer's mark, what all calls cost, and whether a better model was asked after a cheap one.
fn follow(plan: &Plan, row: &Record) -> (f64, f64, bool) {
    let first = plan.choice().model().name();
    let Some(cascade) = plan.cascade() else { return (row.label(first).unwrap(), cost(row, first), false) };
    let opinion = cascade.opinion.as_ref().unwrap().model().name();
    let target = cascade.target.name();
    let spent = cost(row, first) + cost(row, opinion);
    match check::agreement(plan.request(), &reply(row, first), &reply(row, opinion)) {
        Verdict::Pass => (row.label(first).unwrap(), spent, false),
        Verdict::Short(_) => (row.label(target).unwrap(), spent + cost(row, target), true),
    }
}

fn rows(sets: &[Set]) -> Vec<&Record> {
    let whole = |row: &&Record| MODELS.iter().all(|(name, ..)| row.label(name).is_some() && row.output(name).is_some());
    sets.iter().filter(|set| set.name.starts_with("zeroeval__")).flat_map(|set| &set.rows).filter(whole).collect()
}

/// Quality and saving against always asking the frontier; shares of cascades and of those that went on.
fn judged(world: &World, rows: &[&Record], settings: &Settings) -> [f64; 4] {
    let (mut mark, mut spent, mut cascades, mut on) = (0.0, 0.0, 0.0, 0.0);
    let (mut best, mut dear) = (0.0, 0.0);
    for row in rows {
        let plan = world.plan(row, settings);
        let (own, paid, went_on) = follow(&plan, row);
        (mark, spent) = (mark + own, spent + paid);
        cascades += f64::from(u8::from(plan.cascade().is_some()));
        on += f64::from(u8::from(went_on));
        (best, dear) = (best + row.label(FRONTIER).unwrap(), dear + cost(row, FRONTIER));
    }
    let count = rows.len() as f64;
    [mark / best, 1.0 - spent / dear, cascades / count, on / count]
}

#[test]
fn live_cascades_on_recorded_answers() {
    let Some(sets) = sets() else { return };
    let mut order = rows(&sets);
    assert!(order.len() > 1_000, "{} rows", order.len());
    Seeded::new(2).shuffle(&mut order);
    let (marked, rest) = order.split_at(MARKS);
    let offers = offers();
    let shipped = Scorer::builtin();
    let weights = Lessons::of(&sets, &shipped).train(|name, _| !name.starts_with("zeroeval"));
    let scorer = shipped.with_encoder(&weights).unwrap().ready_for(&offers);
    let mut world = World { offers, scorer, experience: Experience::default() };
    println!("\nlive cascades on {} prompts of ZeroEval: quality, saving, cascades, went on", rest.len());
    let mut better = 0;
    for after in [0, MARKS] {
        marked.iter().take(after).for_each(|row| world.mark(row));
        for quality in [0.8, 0.9, 0.95, 0.98, 0.99] {
            let direct = Settings { quality, ..Settings::default() };
            let agreement = CascadeSettings::of([CheckKind::Agreement]);
            let cascades = Settings { cascade: agreement, ..direct.clone() };
            let (plain, checked) = (judged(&world, rest, &direct), judged(&world, rest, &cascades));
            let show = |found: [f64; 4]| found.map(|share| format!("{share:.3}")).join("  ");
            println!(
                "  after {after:>3} marks, aim {quality}: direct {}; with agreement {}",
                show(plain),
                show(checked)
            );
            better += usize::from(checked[1] > plain[1]);
        }
    }
    assert!(better >= 3, "cascades save more than asking directly at {better} of 10 aims");
}
