//! How often a small change of wording changes the tier that is chosen: typos, case, politeness, common paraphrases, and the
//! order of sentences.

use std::sync::Arc;

use tierway::Request;
use tierway::catalog::Catalog;
use tierway::learn::Seeded;
use tierway::model::Tier;
use tierway::plan::{self, Settings};
use tierway::policy::{Needs, Policy};
use tierway::score::Scorer;
use tierway::snapshot::{Offers, Snapshot};
use tierway::time::Timestamp;

use super::sets::sets;

const MODELS: [&str; 3] = ["anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5", "anthropic/claude-opus-4-5"];
const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

/// Words and what may stand in their place.
const PARAPHRASES: [(&str, &str); 18] = [
    ("What is", "What's"),
    ("How many", "What number of"),
    ("calculate", "compute"),
    ("Calculate", "Compute"),
    ("Find", "Determine"),
    ("find", "determine"),
    ("write", "create"),
    ("Write", "Create"),
    ("following", "below"),
    ("does not", "doesn't"),
    ("do not", "don't"),
    ("cannot", "can't"),
    ("because", "since"),
    ("large", "big"),
    ("begin", "start"),
    ("show", "display"),
    ("choose", "pick"),
    ("correct", "right"),
];

/// One swap of two letters inside a word in every fifty words, and at least one.
fn typos(text: &str, random: &mut Seeded) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for _ in 0..(words.len() / 50).max(1) {
        let at = random.below(words.len());
        let mut letters: Vec<char> = words[at].chars().collect();
        if letters.len() >= 4 && letters.iter().all(|letter| letter.is_alphabetic()) {
            let from = 1 + random.below(letters.len() - 3);
            letters.swap(from, from + 1);
            words[at] = letters.into_iter().collect();
        }
    }
    words.join(" ")
}

/// The first two sentences change places, where there are three or more: the last is mostly the question.
fn reordered(text: &str) -> String {
    let sentences: Vec<&str> = text.split_inclusive(". ").collect();
    match sentences.as_slice() {
        [one, two, rest @ ..] if !rest.is_empty() => format!("{two}{one}{}", rest.concat()),
        _ => text.to_owned(),
    }
}

fn changed(name: &str, text: &str, random: &mut Seeded) -> String {
    match name {
        "typos" => typos(text, random),
        "lower case" => text.to_lowercase(),
        "politeness" => format!("Could you please help me with this? {text}\nThank you very much!"),
        "paraphrase" => PARAPHRASES.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
        _ => reordered(text),
    }
}

struct Chooser {
    offers: Arc<Offers>,
    scorer: Scorer,
    settings: Settings,
}

impl Chooser {
    fn new() -> Chooser {
        let catalog = Catalog::builtin();
        let card = |id: &&str| catalog.find(&id.parse().unwrap()).unwrap().clone();
        let endpoint = catalog.endpoint(&"anthropic".parse().unwrap()).unwrap().clone();
        let offers = Arc::new(Offers::new(MODELS.iter().map(card), [endpoint]));
        let scorer = Scorer::builtin().ready_for(&offers);
        Chooser { offers, scorer, settings: Settings::default() }
    }

    fn tier(&self, text: &str) -> Tier {
        let request = Request::user(text).unwrap();
        let snapshot = Snapshot::new(self.offers.clone(), NOW);
        let needs = Needs::of(&request);
        let plan = plan::decide(&request, &Policy::default(), &snapshot, &needs, &self.scorer, &self.settings);
        plan.unwrap().choice().card().tier
    }
}

#[test]
fn small_changes_of_wording_seldom_change_the_tier() {
    let Some(sets) = sets() else { return };
    let chooser = Chooser::new();
    let mut random = Seeded::new(11);
    let (mut same, mut all) = (0, 0);
    println!("\nflips: share of prompts whose tier stays ({})", MODELS.join(", "));
    for name in ["typos", "lower case", "politeness", "paraphrase", "reordering"] {
        let (mut stays, mut seen) = (0, 0);
        for row in sets.iter().flat_map(|set| set.some(250)) {
            let text = row.prompt.as_deref().unwrap();
            let after = changed(name, text, &mut random);
            if after != text {
                seen += 1;
                stays += usize::from(chooser.tier(text) == chooser.tier(&after));
            }
        }
        println!("  {name:<12} {:.3} of {seen}", stays as f64 / seen as f64);
        (same, all) = (same + stays, all + seen);
    }
    let mut tiers = [0; 3];
    for row in sets.iter().flat_map(|set| set.some(250)) {
        let tier = chooser.tier(row.prompt.as_deref().unwrap());
        tiers[[Tier::Economy, Tier::Standard, Tier::Frontier].iter().position(|one| *one == tier).unwrap()] += 1;
    }
    let share = same as f64 / all as f64;
    println!("  all {share:.3} of {all}; unchanged prompts go to economy, standard, frontier: {tiers:?}");
    assert!(tiers.iter().filter(|count| **count > 0).count() >= 2, "one tier for all would be stable for nothing");
    assert!(share > 0.9, "{share}");
}
