//! An explanation on one terminal screen: at most 100 columns and about 40 lines.

use std::collections::BTreeMap;

use crate::sorting::sort_by;
use std::fmt;

use super::explain::{
    Aim, BaselineLine, CandidateLine, CascadeLine, Explanation, Hardness, PassedOver, RefusedModel, Role,
};

/// Most lines about models that were passed over, and most about rules that refuse.
const LINES_MAX: usize = 8;
/// Most model names on a line.
const NAMES_WIDTH: usize = 72;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.sizes;
        writeln!(
            f,
            "size      about {} tokens in (at most {}), at most {} out",
            sizes.input_tokens, sizes.input_tokens_max, sizes.output_tokens_max
        )?;
        if let Some(hardness) = &self.hardness {
            write_hardness(f, hardness)?;
        }
        write_aim(f, &self.aim)?;
        if let Some(promise) = &self.promise {
            writeln!(f, "promise   {}", cut(&promise.to_string(), 90))?;
        }
        if let Some(cascade) = &self.cascade {
            write_cascade(f, cascade)?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "   {:<42} {:<9} {:>6} {:>8} {:>12} {:>12}",
            "asked", "tier", "P(good)", "out", "expected", "at most"
        )?;
        for (at, line) in self.candidates.iter().enumerate() {
            write_candidate(f, at + 1, line)?;
        }
        if let (Some(baseline), Some(saving)) = (&self.baseline, self.saving) {
            write_baseline(f, baseline)?;
            let percent = saving.share * 100.0;
            writeln!(f, "   expected saving {} ({percent:.1} %)", saving.amount.short())?;
        }
        write_passed_over(f, &self.passed_over)?;
        write_refused(f, &self.refused)
    }
}

fn write_hardness(f: &mut fmt::Formatter<'_>, hardness: &Hardness) -> fmt::Result {
    let mut parts = hardness.parts.clone();
    sort_by(&mut parts, |a, b| b.amount.abs().total_cmp(&a.amount.abs()));
    let parts: Vec<String> = parts.iter().map(|part| format!("{} {:+.2}", part.name, part.amount)).collect();
    let line = format!("{}, difficulty {:.2}: {}", hardness.kind, hardness.difficulty, parts.join(", "));
    writeln!(f, "work      {}", cut(&line, 90))
}

fn write_aim(f: &mut fmt::Formatter<'_>, aim: &Aim) -> fmt::Result {
    match aim {
        Aim::Quality { quality, best, best_p_good, bar } => {
            let percent = quality * 100.0;
            writeln!(
                f,
                "aim       least cost at {percent:.1} % of {best}'s {best_p_good:.3}: P(good) of {bar:.3} or more"
            )
        }
        Aim::Worth { worth } => writeln!(f, "aim       P(good) x {} less the cost, at most", worth.short()),
        Aim::Spend { spend_max } => writeln!(f, "aim       the best P(good) for at most {}", spend_max.short()),
    }
}

/// One line for a path that is followed, one for the best one that is not.
fn write_cascade(f: &mut fmt::Formatter<'_>, line: &CascadeLine) -> fmt::Result {
    let CascadeLine { first, check, target, p_short, p_good, .. } = line;
    let with = line.with.as_ref().map_or(String::new(), |model| format!(" with {model}"));
    let (cost, direct) = (line.expected_cost.short(), line.direct_cost.short());
    let percent = p_short * 100.0;
    if !line.is_taken {
        let path = format!("asked directly: {first}, {check}{with}, then {target}");
        return writeln!(f, "path      {} would cost {cost}", cut(&path, 70));
    }
    let path = format!("{first}, {check}{with}; {target} in {percent:.0} % of cases");
    writeln!(f, "path      {}", cut(&path, 90))?;
    writeln!(f, "          {cost} in all at P(good) {p_good:.3}; asking directly {direct}")
}

fn write_candidate(f: &mut fmt::Formatter<'_>, at: usize, line: &CandidateLine) -> fmt::Result {
    let name = if line.endpoint.as_str() == line.model.vendor() {
        line.model.to_string()
    } else {
        format!("{} at {}", line.model, line.endpoint)
    };
    write!(
        f,
        "{at:>2} {:<42} {:<9} {:>7.3} {:>8} {:>12} {:>12}",
        cut(&name, 42),
        line.tier,
        line.p_good,
        line.expected_output,
        line.expected_cost.short(),
        line.reserve.short()
    )?;
    if line.role == Role::LastResort {
        write!(f, "  below the aim")?;
    }
    if line.rests_until.is_some() {
        write!(f, "  rests")?;
    }
    if let Some(queue) = line.queue {
        write!(f, "  {} before it, {:.1} s", queue.calls, queue.wait.ms() as f64 / 1_000.0)?;
    }
    writeln!(f)
}

fn write_baseline(f: &mut fmt::Formatter<'_>, line: &BaselineLine) -> fmt::Result {
    let p_good = line.p_good.map_or_else(|| "-".to_owned(), |p_good| format!("{p_good:.3}"));
    let (output, cost) = (line.expected_output, line.expected_cost.short());
    let name = format!("against {}", line.model);
    writeln!(f, "   {:<42} {:<9} {p_good:>7} {output:>8} {cost:>12}", cut(&name, 42), "baseline")
}

fn write_passed_over(f: &mut fmt::Formatter<'_>, lines: &[PassedOver]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "\npassed over: {}", models(lines.len()))?;
    let most = if lines.len() > LINES_MAX { LINES_MAX - 1 } else { lines.len() };
    for line in &lines[..most] {
        let (model, why) = (line.model.to_string(), line.why.as_str());
        let cost = line.expected_cost.short();
        writeln!(f, "   {:<42} {:<9} {:>7.3} {cost:>21}  {why}", cut(&model, 42), line.tier, line.p_good)?;
    }
    let rest = &lines[most..];
    if rest.is_empty() {
        return Ok(());
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    rest.iter().for_each(|line| *reasons.entry(line.why.as_str()).or_default() += 1);
    let reasons: Vec<String> = reasons.into_iter().map(|(why, count)| format!("{count} {why}")).collect();
    writeln!(f, "   and {} more: {}", rest.len(), reasons.join(", "))
}

/// One line a reason: how many models it refuses, and their names as far as they fit.
fn write_refused(f: &mut fmt::Formatter<'_>, lines: &[RefusedModel]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "\nrefused: {} at some endpoint or all", models(lines.len()))?;
    let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in lines {
        let refusals = line.places.iter().flat_map(|place| &place.refusals);
        let said = refusals.map(|refusal| refusal.rule.to_string()).chain(line.note.clone());
        for reason in said {
            let models = reasons.entry(reason).or_default();
            if models.last() != Some(&line.model.as_str()) {
                models.push(line.model.as_str());
            }
        }
    }
    let mut reasons: Vec<(String, Vec<&str>)> = reasons.into_iter().collect();
    sort_by(&mut reasons, |a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(&b.0)));
    for (reason, models) in reasons.iter().take(LINES_MAX) {
        writeln!(f, "   {:<12} {:>4}  {}", reason, models.len(), names(models))?;
    }
    if reasons.len() > LINES_MAX {
        writeln!(f, "   and {} more reasons", reasons.len() - LINES_MAX)?;
    }
    Ok(())
}

fn names(models: &[&str]) -> String {
    let mut line = String::new();
    for (at, model) in models.iter().enumerate() {
        let gap = if at == 0 { "" } else { ", " };
        if line.len() + gap.len() + model.len() > NAMES_WIDTH && at > 0 {
            line.push_str(&format!(" and {} more", models.len() - at));
            break;
        }
        line.push_str(gap);
        line.push_str(model);
    }
    line
}

fn models(count: usize) -> String {
    if count == 1 { "1 model".to_owned() } else { format!("{count} models") }
}

/// `text` cut to a width, with a mark where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width - 1).collect();
    cut.push('…');
    cut
}
