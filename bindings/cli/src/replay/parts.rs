//! A judgement in parts, for the terminal and the page: whose answers were delivered, and how each kind of work fared.

use std::fmt::Write as _;
use std::io::{self, Write};

use tierway::replay::{AskedShare, Judged, KindOutcome};

use super::page::escape;

/// Both tables.
pub(super) fn write(out: &mut impl Write, judged: &Judged) -> io::Result<()> {
    writeln!(out, "{:<44} {:>7} {:>9} {:>9}", "model", "target", "asked", "answered")?;
    for line in &judged.asked {
        let percent = [line.target_quality, line.share, line.answered].map(|share| share * 100.0);
        writeln!(out, "{:<44} {:>5.1} % {:>7.2} % {:>7.2} %", line.model, percent[0], percent[1], percent[2])?;
    }
    writeln!(
        out,
        "\n{:<44} {:>7} {:>9} {:>9} {:>9}",
        "kind of work, prompts", "target", "quality", "saving", "frontier"
    )?;
    for line in judged.by_kind.iter().filter(|line| line.outcome.policy == "tierway") {
        let name = format!("{}, {}", line.kind, line.rows);
        let outcome = &line.outcome;
        let percent = [outcome.quality, outcome.saving, outcome.frontier_share].map(|share| share * 100.0);
        let target = outcome.target_quality.map_or_else(|| "-".to_owned(), |target| format!("{:.1} %", target * 100.0));
        writeln!(out, "{name:<44} {target:>7} {:>7.2} % {:>7.2} % {:>7.2} %", percent[0], percent[1], percent[2])?;
    }
    writeln!(out)
}

/// Both as sections of the page.
pub(super) fn sections(judged: &Judged) -> String {
    let mut page = String::new();
    answered(&mut page, judged);
    kinds(&mut page, judged);
    page
}

const WIDTH: f64 = 640.0;
/// Room for the names at the left, and for what stands behind a bar.
const NAMES: f64 = 120.0;
const BEHIND: f64 = 110.0;
const LINE: f64 = 30.0;
const BAR: f64 = 18.0;

/// A bar for each target: whose answers were delivered.
fn answered(page: &mut String, judged: &Judged) {
    let mut targets: Vec<f64> = judged.asked.iter().map(|line| line.target_quality).collect();
    targets.dedup();
    let of = |target: f64| judged.asked.iter().filter(move |line| line.target_quality == target);
    let Some(first) = targets.first() else { return };
    page.push_str("<section><h2>Whose answers were delivered</h2><p>By target, as shares of the prompts.</p>");
    open(page, targets.len(), "Whose answers were delivered, by target");
    for (at, target) in targets.iter().enumerate() {
        let y = at as f64 * LINE + (LINE - BAR) / 2.0;
        name(page, &format!("target {:.1} %", target * 100.0), y);
        let mut x = NAMES;
        for (color, line) in of(*target).enumerate() {
            let wide = line.answered * (WIDTH - NAMES - 8.0);
            let words = format!("{}: {:.1} %", line.model, line.answered * 100.0);
            bar(page, (x, y), wide, color, &words);
            x += wide;
        }
    }
    page.push_str("</svg><ul>");
    for (color, line) in of(*first).enumerate() {
        let _ = write!(page, "<li style=\"--c:{}\">{}</li>", shade(color), escape(&line.model));
    }
    page.push_str("</ul><div class=\"scroll\"><table><tr><th>model</th>");
    for target in &targets {
        let _ = write!(page, "<th>asked, answered at {:.1} %</th>", target * 100.0);
    }
    page.push_str("</tr>");
    let models = of(*first).map(|line| &line.model);
    models.for_each(|model| model_row(page, model, judged.asked.iter().filter(|line| line.model == *model)));
    page.push_str("</table></div></section>");
}

fn model_row<'a>(page: &mut String, model: &str, lines: impl Iterator<Item = &'a AskedShare>) {
    let _ = write!(page, "<tr><td>{}</td>", escape(model));
    for line in lines {
        let _ = write!(page, "<td>{:.1} %, {:.1} %</td>", line.share * 100.0, line.answered * 100.0);
    }
    page.push_str("</tr>");
}

/// A bar for each kind of work at each target: what it saves, and the quality behind it.
fn kinds(page: &mut String, judged: &Judged) {
    let ours: Vec<&KindOutcome> = judged.by_kind.iter().filter(|line| line.outcome.policy == "tierway").collect();
    let mut targets: Vec<Option<f64>> = ours.iter().map(|line| line.outcome.target_quality).collect();
    targets.dedup();
    if ours.is_empty() {
        return;
    }
    page.push_str(
        "<section><h2>By kind of work</h2><p>What is saved, and the quality that is kept, against always asking the \
         frontier at that kind.</p>",
    );
    for target in targets {
        let lines: Vec<&&KindOutcome> = ours.iter().filter(|line| line.outcome.target_quality == target).collect();
        let title = format!("Target {:.1} %", target.unwrap_or_default() * 100.0);
        let _ = write!(page, "<h3>{title}</h3>");
        open(page, lines.len(), &format!("Saving by kind of work, {title}"));
        for (at, line) in lines.iter().enumerate() {
            let y = at as f64 * LINE + (LINE - BAR) / 2.0;
            name(page, line.kind.as_str(), y);
            let (saving, quality) = (line.outcome.saving * 100.0, line.outcome.quality * 100.0);
            let wide = line.outcome.saving.clamp(0.0, 1.0) * (WIDTH - NAMES - BEHIND);
            let words = format!("{}: {} prompts, saving {saving:.1} %, quality {quality:.2} %", line.kind, line.rows);
            bar(page, (NAMES, y), wide, 0, &words);
            let _ = write!(
                page,
                "<text x=\"{:.1}\" y=\"{:.1}\">{saving:.0} %, q. {quality:.1} %</text>",
                NAMES + wide + 6.0,
                y + BAR - 5.0
            );
        }
        page.push_str("</svg>");
    }
    kind_table(page, &ours);
    page.push_str("</section>");
}

fn kind_table(page: &mut String, lines: &[&KindOutcome]) {
    page.push_str(
        "<div class=\"scroll\"><table><tr><th>kind</th><th>prompts</th><th>target</th><th>quality</th><th>saving</th>\
         <th>frontier</th></tr>",
    );
    for line in lines {
        let outcome = &line.outcome;
        let _ = write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{:.1} %</td><td>{:.2} %</td><td>{:.1} %</td><td>{:.1} %</td></tr>",
            line.kind,
            line.rows,
            outcome.target_quality.unwrap_or_default() * 100.0,
            outcome.quality * 100.0,
            outcome.saving * 100.0,
            outcome.frontier_share * 100.0
        );
    }
    page.push_str("</table></div>");
}

fn open(page: &mut String, lines: usize, label: &str) {
    let high = lines as f64 * LINE;
    let label = escape(label);
    let _ = write!(page, "<svg viewBox=\"0 0 {WIDTH} {high}\" role=\"img\" aria-label=\"{label}\">");
}

fn name(page: &mut String, words: &str, y: f64) {
    let (x, y) = (NAMES - 8.0, y + BAR - 5.0);
    let _ = write!(page, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", escape(words));
}

fn bar(page: &mut String, (x, y): (f64, f64), wide: f64, color: usize, words: &str) {
    let (fill, words) = (shade(color), escape(words));
    let _ = write!(
        page,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{BAR}\" style=\"fill:{fill}\">\
         <title>{words}</title></rect>"
    );
}

/// Five colours, then the same ones paler.
fn shade(at: usize) -> String {
    let color = format!("var(--s{})", at % 5);
    match at / 5 {
        0 => color,
        round => format!("color-mix(in srgb,{color} {}%,var(--card))", 100 / (round + 1)),
    }
}
