//! A page with plots of saving against quality: one file, no script, light and dark, wide and narrow.

use std::fmt::Write;

/// A plot.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) note: String,
    /// Names, and points of saving and quality.
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
/// Left, top, right, bottom.
const MARGIN: (f64, f64, f64, f64) = (56.0, 12.0, 16.0, 44.0);

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2430;--soft:#667085;--line:#d6dbe3;--back:#fff;--card:#f7f8fa;
--s0:#1f6feb;--s1:#8a6d00;--s2:#a4338f;--s3:#667085;--s4:#12805c}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf2;--soft:#9aa4b2;--line:#343c48;--back:#12161c;--card:#1a2029;
--s0:#6cb0ff;--s1:#e0b341;--s2:#e88ad8;--s3:#9aa4b2;--s4:#5fd3a8}}
*{box-sizing:border-box}body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem}h1{font-size:1.5rem}h2{font-size:1.1rem;margin:0}h3{font-size:1rem;margin:.75rem 0 .25rem}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem;margin:1rem 0}
p{color:var(--soft);margin:.25rem 0 .75rem}svg{width:100%;height:auto;display:block}
text{fill:var(--soft);font-size:12px}.grid{stroke:var(--line)}polyline{fill:none;stroke-width:2}
ul{list-style:none;padding:0;margin:.5rem 0 0;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}
li::before{content:'';display:inline-block;width:.8rem;height:.8rem;border-radius:50%;margin-right:.4rem;background:var(--c)}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin-top:.75rem}
td,th{padding:.2rem .8rem .2rem 0;text-align:right;border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}
";

/// The page: the plots, then what else is to be shown.
pub(super) fn render(title: &str, charts: &[Chart], more: &str) -> String {
    let title = escape(title);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}</h1><p>Quality and saving are against always asking the frontier; every attempt is billed. Up and \
         to the right is better.</p>"
    );
    charts.iter().for_each(|chart| section(&mut page, chart));
    page.push_str(more);
    page.push_str("</main></body></html>\n");
    page
}

fn section(page: &mut String, chart: &Chart) {
    let _ = write!(page, "<section><h2>{}</h2><p>{}</p>", escape(&chart.title), escape(&chart.note));
    plot(page, chart);
    page.push_str("<ul>");
    for (at, (name, _)) in chart.series.iter().enumerate() {
        let _ = write!(page, "<li style=\"--c:var(--s{})\">{}</li>", at % 5, escape(name));
    }
    page.push_str("</ul><div class=\"scroll\"><table><tr><th>policy</th><th>saving</th><th>quality</th></tr>");
    for (name, points) in &chart.series {
        for (saving, quality) in points {
            let (name, saving, quality) = (escape(name), saving * 100.0, quality * 100.0);
            let _ = write!(page, "<tr><td>{name}</td><td>{saving:.1} %</td><td>{quality:.2} %</td></tr>");
        }
    }
    page.push_str("</table></div></section>");
}

fn plot(page: &mut String, chart: &Chart) {
    let points = || chart.series.iter().flat_map(|(_, points)| points);
    let low = points().map(|point| point.1).fold(1.0, f64::min);
    let high = points().map(|point| point.1).fold(1.0, f64::max);
    let room = ((high - low) * 0.06).max(0.005);
    let (low, high) = (low - room, high + room);
    let least = points().map(|point| point.0).fold(0.0, f64::min);
    let (left, top, right, bottom) = MARGIN;
    let x = |saving: f64| left + (saving - least) / (1.0 - least) * (WIDTH - left - right);
    let y = |quality: f64| top + (high - quality) / (high - low) * (HEIGHT - top - bottom);
    let label = escape(&chart.title);
    let _ = write!(page, "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    for step in 0..=5 {
        let part = f64::from(step) / 5.0;
        let (saving, quality) = (least + part * (1.0 - least), low + part * (high - low));
        let (across, up) = (x(saving), y(quality));
        let (end, floor) = (WIDTH - right, HEIGHT - bottom);
        let _ = write!(page, "<line class=\"grid\" x1=\"{left}\" x2=\"{end}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>");
        let _ = write!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.1} %</text><text x=\"{across:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{:.0} %</text>",
            left - 6.0,
            up + 4.0,
            quality * 100.0,
            floor + 18.0,
            saving * 100.0
        );
    }
    let middle = left + (WIDTH - left - right) / 2.0;
    let _ = write!(page, "<text x=\"{middle:.0}\" y=\"{:.0}\" text-anchor=\"middle\">saving</text>", HEIGHT - 6.0);
    for (at, (name, points)) in chart.series.iter().enumerate() {
        let color = format!("var(--s{})", at % 5);
        let line: Vec<String> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let _ = write!(page, "<polyline points=\"{}\" style=\"stroke:{color}\"/>", line.join(" "));
        for (saving, quality) in points {
            let (name, across, up) = (escape(name), x(*saving), y(*quality));
            let _ = write!(
                page,
                "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"3.5\" style=\"fill:{color}\"><title>{name}: saving \
                 {:.1} %, quality {:.2} %</title></circle>",
                saving * 100.0,
                quality * 100.0
            );
        }
    }
    page.push_str("</svg>");
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
