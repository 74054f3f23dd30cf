//! A report as one HTML page that needs no other file and no network: plots as SVG, light and dark, wide and narrow.

use std::fmt::Write as _;

use tierway::ledger::{Group, Line, Report};

use crate::report::{kinds, percent, purposes};

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5c6670;--rule:#d9dee3;--page:#fbfcfd;--card:#fff;--paid:#1769aa;--base:#c9d4de;--good:#1a7f4b}
@media (prefers-color-scheme:dark){:root{--ink:#e8ecf0;--soft:#9aa6b2;--rule:#343c45;--page:#14181c;--card:#1c2127;--paid:#5aa9e6;--base:#46525e;--good:#5cc98d}}
*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 48px}h1{font-size:1.6rem;margin:0 0 4px}h2{font-size:1.1rem;margin:0 0 12px}
p{margin:0 0 16px}.soft{color:var(--soft)}section{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:16px;margin:16px 0}
.sums{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0}
.sum{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:12px 14px}.sum b{display:block;font-size:1.45rem;line-height:1.3}
.sum span{color:var(--soft);font-size:.85rem}.good b{color:var(--good)}.scroll{overflow-x:auto}.scroll+p{margin:10px 0 0}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.9rem}th,td{padding:5px 10px 5px 0;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}td:first-child{white-space:normal;overflow-wrap:anywhere;min-width:8em}th{color:var(--soft);font-weight:500;border-bottom:1px solid var(--rule)}tr+tr td{border-top:1px solid var(--rule)}
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font:12px system-ui,sans-serif}.paid{fill:var(--paid)}.base{fill:var(--base)}
@media (max-width:560px){svg text{font-size:22px}}.rule{stroke:var(--rule)}.key{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-1px}
.bars{display:grid;grid-template-columns:fit-content(38%) 1fr auto;gap:6px 12px;align-items:center;font-size:.9rem;margin-bottom:14px}
.bars .name{overflow-wrap:anywhere}.bars .bar{position:relative;height:16px}.bars i{position:absolute;left:0;top:0;height:100%;border-radius:3px}
.bars i.b{background:var(--base)}.bars i.p{background:var(--paid);top:3px;height:10px}.bars .n{text-align:right;font-variant-numeric:tabular-nums}
";

/// Text as it may stand in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().take(200) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The page.
pub(crate) fn html(report: &Report) -> String {
    let mut page = String::new();
    page.push_str("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.push_str(
        "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Tierway report</title>",
    );
    push(&mut page, format_args!("<style>{STYLE}</style></head><body><main><h1>What it cost</h1>"));
    push(&mut page, format_args!("<p class=\"soft\">{}</p>", escaped(&period(report))));
    page.push_str("<div class=\"sums\">");
    sums(report, &mut page);
    page.push_str("</div>");
    for group in &report.groups {
        push(&mut page, format_args!("<section><h2>By {}</h2>", escaped(&group.by)));
        if group.by == "day" && group.lines.len() > 1 {
            columns(group, &mut page);
        } else {
            bars(group, &mut page);
        }
        table(group, &mut page);
        page.push_str("</section>");
    }
    decisions(report, &mut page);
    times(report, &mut page);
    errors(report, &mut page);
    page.push_str("</main></body></html>\n");
    page
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a string takes all that is written");
}

fn period(report: &Report) -> String {
    let days = report.groups.iter().find(|group| group.by == "day").map(|group| &group.lines);
    match days.and_then(|lines| Some((lines.first()?, lines.last()?))) {
        Some((first, last)) if first.name != last.name => format!("{} to {}, {}", first.name, last.name, report.zone),
        Some((day, _)) => format!("{}, {}", day.name, report.zone),
        None => "All of the ledger".to_owned(),
    }
}

fn sums(report: &Report, page: &mut String) {
    let total = &report.total;
    let mut card = |class: &str, value: String, label: &str| {
        let (value, label) = (escaped(&value), escaped(label));
        push(page, format_args!("<div class=\"sum {class}\"><b>{value}</b><span>{label}</span></div>"));
    };
    card("", total.cost.short(), &format!("spent, exactly ${}", total.cost));
    if total.baseline.0 > 0 {
        let share = 100.0 * total.saved().to_f64_lossy() / total.baseline.to_f64_lossy();
        card("", total.baseline.short(), "on the baseline model");
        card("good", format!("{share:.1} %"), &format!("saved, {}", total.saved().short()));
    }
    card("", total.attempts.to_string(), &format!("attempts, {} failed", total.failed));
    if report.held.open + report.held.unknown > 0 {
        let held = &report.held;
        card("", held.amount.short(), &format!("held: {} open, {} unknown", held.open, held.unknown));
    }
}

const KEY: &str = "<p class=\"soft\"><span class=\"key\" style=\"background:var(--paid)\"></span>paid &nbsp; \
    <span class=\"key\" style=\"background:var(--base)\"></span>on the baseline model</p>";

fn most(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.cost.max(line.baseline).to_f64_lossy()).fold(0.0, f64::max).max(1e-12)
}

/// A column for each day: what was paid, before what the baseline would have cost.
fn columns(group: &Group, page: &mut String) {
    // Room for labels that are written large where the page is narrow.
    let (width, height, left, top_room, bottom) = (720.0, 280.0, 92.0, 18.0, 28.0);
    let top = most(&group.lines);
    let step = (width - left) / group.lines.len() as f64;
    let y = |value: f64| top_room + (height - bottom - top_room) * (1.0 - value / top);
    page.push_str(KEY);
    push(page, format_args!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Cost by day\">"));
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let line = y(value);
        push(
            page,
            format_args!("<line class=\"rule\" x1=\"{left}\" x2=\"{width}\" y1=\"{line:.1}\" y2=\"{line:.1}\"/>"),
        );
        push(
            page,
            format_args!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                line + 4.0,
                dollars(value)
            ),
        );
    }
    let every = group.lines.len().div_ceil(7);
    for (at, line) in group.lines.iter().enumerate() {
        let x = left + step * at as f64;
        let title = format!("{}: paid ${}, baseline ${}", line.name, line.cost, line.baseline);
        push(page, format_args!("<g><title>{}</title>", escaped(&title)));
        for (class, inset, value) in [("base", 0.12, line.baseline), ("paid", 0.26, line.cost)] {
            let up = y(value.to_f64_lossy().max(0.0));
            push(
                page,
                format_args!(
                    "<rect class=\"{class}\" x=\"{:.1}\" y=\"{up:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                    x + step * inset,
                    step * (1.0 - 2.0 * inset),
                    height - bottom - up
                ),
            );
        }
        page.push_str("</g>");
        if at % every == 0 {
            let name = line.name.get(5..).unwrap_or(&line.name);
            push(
                page,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    x + step / 2.0,
                    height - 6.0,
                    escaped(name)
                ),
            );
        }
    }
    page.push_str("</svg>");
}

fn dollars(value: f64) -> String {
    match value {
        0.0 => "$0".to_owned(),
        value if value >= 100.0 => format!("${value:.0}"),
        value if value >= 0.1 => format!("${value:.2}"),
        value if value >= 0.001 => format!("${value:.4}"),
        value => format!("${value:.1e}"),
    }
}

/// A bar for each line, at most twenty.
fn bars(group: &Group, page: &mut String) {
    let top = most(&group.lines);
    page.push_str(KEY);
    page.push_str("<div class=\"bars\">");
    for line in group.lines.iter().take(20) {
        let share = |value: f64| 100.0 * value.max(0.0) / top;
        let (paid, base) = (share(line.cost.to_f64_lossy()), share(line.baseline.to_f64_lossy()));
        let name = if line.name.is_empty() { "(empty)".to_owned() } else { escaped(&line.name) };
        push(
            page,
            format_args!(
                "<span class=\"name\">{name}</span><span class=\"bar\"><i class=\"b\" style=\"width:{base:.2}%\"></i>\
             <i class=\"p\" style=\"width:{paid:.2}%\"></i></span><span class=\"n\">{}</span>",
                escaped(&line.cost.short())
            ),
        );
    }
    page.push_str("</div>");
}

fn table(group: &Group, page: &mut String) {
    let names = ["attempts", "failed", "input", "output", "cost, $", "baseline, $", "saved, $"];
    push(page, format_args!("<div class=\"scroll\"><table><tr><th>{}</th>", escaped(&group.by)));
    names.iter().for_each(|name| push(page, format_args!("<th>{name}</th>")));
    page.push_str("</tr>");
    for line in &group.lines {
        let name = if line.name.is_empty() { "(empty)".to_owned() } else { escaped(&line.name) };
        push(
            page,
            format_args!(
                "<tr><td>{name}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                line.attempts,
                line.failed,
                line.input,
                line.output,
                line.cost,
                line.baseline,
                line.saved()
            ),
        );
    }
    page.push_str("</table></div>");
}

fn times(report: &Report, page: &mut String) {
    if report.times.is_empty() {
        return;
    }
    page.push_str("<section><h2>How long answers took</h2><div class=\"scroll\"><table><tr><th>model</th><th>measure</th><th>answers</th>");
    page.push_str("<th>p50, ms</th><th>p90, ms</th><th>p99, ms</th></tr>");
    for line in &report.times {
        push(
            page,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&line.model),
                line.measure.replace('_', " "),
                line.answers,
                line.p50_ms,
                line.p90_ms,
                line.p99_ms
            ),
        );
    }
    page.push_str("</table></div><p class=\"soft\">Percentiles are right to within 5 %.</p></section>");
}

/// The beginning of a section with a table; who calls ends it.
fn lines(page: &mut String, title: &str, head: &[&str], rows: &[Vec<String>]) {
    push(page, format_args!("<section><h2>{}</h2><div class=\"scroll\"><table><tr>", escaped(title)));
    head.iter().for_each(|name| push(page, format_args!("<th>{}</th>", escaped(name))));
    page.push_str("</tr>");
    for row in rows {
        page.push_str("<tr>");
        row.iter().for_each(|field| push(page, format_args!("<td>{}</td>", escaped(field))));
        page.push_str("</tr>");
    }
    page.push_str("</table></div>");
}

/// What was decided by tier: a bar of requests, and why further attempts were made.
fn decisions(report: &Report, page: &mut String) {
    if report.decisions.is_empty() {
        return;
    }
    let names = purposes(report);
    let head: Vec<&str> =
        ["tier", "requests"].into_iter().chain(names.iter().copied()).chain(["cost beside, $"]).collect();
    let rows: Vec<Vec<String>> = report
        .decisions
        .iter()
        .map(|line| {
            let count = |name: &&str| line.purposes.get(*name).copied().unwrap_or(0).to_string();
            let first = [line.tier.clone(), line.decided.to_string()];
            first.into_iter().chain(names.iter().map(count)).chain([line.cost_beside.to_string()]).collect()
        })
        .collect();
    let most = report.decisions.iter().map(|line| line.decided).max().unwrap_or(0).max(1);
    page.push_str("<section><h2>Decisions by tier</h2><div class=\"bars\">");
    for line in &report.decisions {
        let share = 100.0 * line.decided as f64 / most as f64;
        push(
            page,
            format_args!(
                "<span class=\"name\">{}</span><span class=\"bar\"><i class=\"p\" style=\"width:{share:.2}%\"></i></span>\
                 <span class=\"n\">{}</span>",
                escaped(&line.tier),
                line.decided
            ),
        );
    }
    page.push_str("</div></section>");
    lines(page, "Why attempts were made", &head, &rows);
    page.push_str(
        "<p class=\"soft\">Cost beside: what attempts cost that were not the first at their request.</p></section>",
    );
}

/// How often models failed.
fn errors(report: &Report, page: &mut String) {
    if report.errors.is_empty() {
        return;
    }
    let row = |line: &tierway::ledger::Errors| {
        let shares = [line.p50_permille, line.p90_permille, line.p99_permille].map(percent);
        let first = [line.model.clone(), line.attempts.to_string(), line.failed.to_string()];
        first.into_iter().chain(shares).chain([kinds(line)]).collect()
    };
    let rows: Vec<Vec<String>> = report.errors.iter().map(row).collect();
    let head = ["model", "attempts", "failed", "p50 of hours", "p90", "p99", "how they ended"];
    lines(page, "How often attempts failed", &head, &rows);
    page.push_str("<p class=\"soft\">Percentiles are over the hours in which a model was asked.</p></section>");
}
