//! The demo's report: one HTML file that holds all it shows, with plots, in light and dark.

use std::collections::BTreeMap;
use std::fmt::Write;

use tierway::Usd;

use super::drive::{Answered, Fate, Outcome};
use super::plot::{Bar, Line, bars, escaped, histogram, lines};
use super::summary::{HeldBack, Summary, TierShare};
use super::table::grouped;
use super::workload::Difficulty;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(super) fn html(summary: &Summary) -> String {
    let cards = [
        card(
            "wide",
            "Cost as the day goes on",
            "Every attempt of each request, failed ones included, against the same \
              answer from the strongest model that policy admits for it.",
            &cumulative(summary),
        ),
        card(
            "",
            "Who answers what",
            "Share of each tier, by how hard the request's author judged it to be. The router \
              never sees that judgement.",
            &tiers_by_difficulty(summary),
        ),
        card(
            "",
            "Cost by kind of work",
            "What was paid, as a share of what the strongest admitted model would have cost.",
            &by_category(summary),
        ),
        card(
            "",
            "Held back by policy and by ability",
            "Requests in which a rule kept at least one model from seeing them. \
              A call can only be made from an admission, so no retry or fallback goes around a rule.",
            &held_back(summary),
        ),
        card(
            "",
            "What went wrong, and was made good",
            "Attempts that brought no answer, by how they ended; and the \
              attempts that made up for them.",
            &trouble(summary),
        ),
        card(
            "",
            "Time to decide",
            "From the request to the plan: every model weighed at every endpoint.",
            &decisions(summary),
        ),
        card("", "The account", "The ledger on disk after the last request.", &account(summary)),
        card("wide", "Models", "Every model that was asked.", &models(summary)),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Tierway demo</title><style>{STYLE}</style></head><body><main>\
         <h1>A day of work, routed</h1><p class=\"soft\">{}</p>{}{}<div class=\"cards\">{}</div></main></body></html>\n",
        escaped(&headline(summary)),
        notice(summary),
        tiles(summary),
        cards.concat()
    )
}

fn card(class: &str, title: &str, words: &str, body: &str) -> String {
    format!("<section class=\"card {class}\"><h2>{title}</h2><p class=\"soft\">{words}</p>{body}</section>")
}

fn headline(summary: &Summary) -> String {
    let answered = summary.count(Fate::Answered);
    let seconds = summary.elapsed_ms as f64 / 1e3;
    format!("{} requests, {answered} answered, in {seconds:.1} s; seed {}", summary.requests, summary.seed)
}

fn notice(summary: &Summary) -> String {
    let words = match summary.replies {
        "simulated" => {
            "<b>The replies are simulated, the prices are real.</b> A server on this machine answered in the vendors' formats, \
             with replies of plausible length, and failed as vendors fail. Decisions, retries, fallbacks, list prices and \
             the account are those of real use; whether the cheaper answers would have been good enough is estimated, not \
             shown here."
        }
        _ => "<b>The replies are the vendors' own</b>, paid for with your keys, within a hard budget.",
    };
    format!("<div class=\"notice\">{words}</div>")
}

fn tiles(summary: &Summary) -> String {
    let tile = |value: String, words: &str| format!("<div class=\"tile\"><b>{value}</b><span>{words}</span></div>");
    let tokens = &summary.account.usage;
    let all = [
        tile(format!("{:.1} %", 100.0 * summary.saved_share), "saved against the strongest admitted models"),
        tile(dollars(summary.spent), &format!("spent; {} at frontier", dollars(summary.baseline))),
        tile(grouped(tokens.input + tokens.output), "tokens"),
        tile(summary.count(Fate::Refused).to_string(), "requests that no model may see"),
        tile(
            format!("{:.0} µs", summary.decision.p50_us),
            &format!("to decide; p99 {:.0} µs", summary.decision.p99_us),
        ),
    ];
    format!("<div class=\"tiles\">{}</div>", all.concat())
}

fn dollars(amount: Usd) -> String {
    format!("${:.3}", amount.to_f64_lossy())
}

fn answers(summary: &Summary) -> impl Iterator<Item = (&Outcome, &Answered)> {
    summary.outcomes.iter().filter_map(|outcome| Some((outcome, outcome.answer.as_ref()?)))
}

fn cumulative(summary: &Summary) -> String {
    let (mut routed, mut frontier) = (vec![0.0], vec![0.0]);
    for (_, answer) in answers(summary) {
        let grow = |sums: &mut Vec<f64>, more: f64| sums.push(sums.last().copied().unwrap_or(0.0) + more);
        grow(&mut routed, answer.cost.to_f64_lossy());
        grow(&mut frontier, answer.baseline_cost.unwrap_or(answer.cost).to_f64_lossy());
    }
    let both = [
        Line { class: "frontier", name: "strongest admitted model".to_owned(), values: frontier },
        Line { class: "routed", name: "routed".to_owned(), values: routed },
    ];
    lines("cumulative cost", &both, |value| format!("${value:.2}"), ["first request", "last request"])
}

fn tiers_by_difficulty(summary: &Summary) -> String {
    let key: String = summary
        .tiers
        .iter()
        .map(|part| format!("<span><i class=\"{0}\"></i>{0}: {1}</span>", part.tier.as_str(), part.answers))
        .collect();
    let row = |difficulty: Difficulty, name: &str| {
        let count = |part: &TierShare| part.by_difficulty.get(&difficulty).copied().unwrap_or(0);
        let all: usize = summary.tiers.iter().map(count).sum();
        let part = |part| (class_of(part), count(part) as f64 / all.max(1) as f64);
        Bar { name: name.to_owned(), parts: summary.tiers.iter().map(part).collect(), note: format!("{all} answers") }
    };
    let rows = [row(Difficulty::Easy, "easy"), row(Difficulty::Medium, "medium"), row(Difficulty::Hard, "hard")];
    format!("<div class=\"key\">{key}</div>{}{}", bars(&rows), tier_table(summary))
}

fn tier_table(summary: &Summary) -> String {
    let row = |part: &TierShare| {
        let (share, paid, full) = (100.0 * part.share, part.spent.short(), part.baseline.short());
        format!("<tr><td>{}</td><td></td><td>{share:.1} %</td><td>{paid}</td><td>{full}</td></tr>", part.tier.as_str())
    };
    let rows: String = summary.tiers.iter().map(row).collect();
    format!("<table><tr><th>tier</th><th></th><th>of answers</th><th>cost</th><th>at frontier</th></tr>{rows}</table>")
}

fn class_of(part: &TierShare) -> &'static str {
    part.tier.as_str()
}

fn by_category(summary: &Summary) -> String {
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (outcome, answer) in answers(summary) {
        let sum = sums.entry(&outcome.category).or_default();
        sum.0 += answer.cost.to_f64_lossy();
        sum.1 += answer.baseline_cost.unwrap_or(answer.cost).to_f64_lossy();
    }
    let row = |(name, (paid, full)): (&str, (f64, f64))| Bar {
        name: name.to_owned(),
        parts: vec![("routed", paid / full.max(f64::MIN_POSITIVE))],
        note: format!("${paid:.3} of ${full:.3}"),
    };
    bars(&sums.into_iter().map(row).collect::<Vec<_>>())
}

fn held_back(summary: &Summary) -> String {
    let row = |(rule, held): (&&'static str, &HeldBack)| {
        let each = held.models as f64 / held.requests.max(1) as f64;
        let refused = if held.refused > 0 { format!(", {} of all", held.refused) } else { String::new() };
        Bar {
            name: rule.replace('_', " "),
            parts: vec![("standard", held.requests as f64 / summary.requests.max(1) as f64)],
            note: format!("{} requests, {each:.0} models each{refused}", held.requests),
        }
    };
    bars(&summary.held_back.iter().map(row).collect::<Vec<_>>())
}

fn trouble(summary: &Summary) -> String {
    let trouble = &summary.trouble;
    let counts = trouble.failures.values().chain(trouble.aims.values()).copied();
    let most = counts.max().unwrap_or(1).max(1) as f64;
    let row = |class: &'static str, name: &str, count: usize| Bar {
        name: name.replace('_', " "),
        parts: vec![(class, count as f64 / most)],
        note: count.to_string(),
    };
    let mut rows: Vec<Bar> = trouble.failures.iter().map(|(kind, count)| row("bad", kind, *count)).collect();
    if trouble.broke_off > 0 {
        rows.push(row("bad", "broke off in mid-stream", trouble.broke_off as usize));
    }
    rows.extend(trouble.aims.iter().map(|(aim, count)| row("routed", aim, *count)));
    if trouble.broke_off > 0 {
        rows.push(row("routed", "asked again", trouble.broke_off as usize));
    }
    bars(&rows)
}

fn decisions(summary: &Summary) -> String {
    let times: Vec<f64> = answers(summary).map(|(_, answer)| answer.decision_us).collect();
    let top = (summary.decision.p99_us * 1.2).max(10.0);
    let plot = histogram("time to decide", &times, top, 40, "µs");
    let decision = &summary.decision;
    format!(
        "{plot}<p class=\"soft\">Half within {:.0} µs, 99 of 100 within {:.0} µs, all within {:.0} µs.</p>",
        decision.p50_us, decision.p99_us, decision.max_us
    )
}

fn account(summary: &Summary) -> String {
    let account = &summary.account;
    let verdict = match account.balances_replay {
        true => "equal a replay of the journal",
        false => "<b>differ from a replay of the journal</b>",
    };
    let rows: [(&str, String); 7] = [
        ("attempts reserved", grouped(account.attempts)),
        ("settled", grouped(account.settled)),
        ("voided, not a byte sent", grouped(account.voided)),
        ("open", grouped(account.open)),
        ("above their reservation", grouped(account.overruns)),
        ("spent on attempts that failed", account.spent_on_failures.short()),
        ("entries in the journal", grouped(account.journal)),
    ];
    let row = |(name, value): (&str, String)| format!("<tr><td>{name}</td><td></td><td>{value}</td></tr>");
    let rows: String = rows.into_iter().map(row).collect();
    format!("<table>{rows}</table><p class=\"soft\">The {} balances of the budgets {verdict}.</p>", account.balances)
}

fn models(summary: &Summary) -> String {
    let mut models: Vec<_> = summary.account.by_model.iter().collect();
    models.sort_by(|a, b| b.1.answers.cmp(&a.1.answers).then(a.0.cmp(b.0)));
    let mut rows = String::new();
    for (model, line) in models {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(model),
            escaped(&line.tier),
            line.answers,
            line.attempts,
            line.spent.short()
        );
    }
    format!(
        "<div class=\"scroll\"><table><tr><th>model</th><th>tier</th><th>answers</th><th>attempts</th><th>cost</th></tr>\
         {rows}</table></div>"
    )
}
