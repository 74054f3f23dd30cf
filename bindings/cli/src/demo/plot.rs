//! Plots for the demo's page, as HTML and SVG without a script. Labels are HTML, so that they stay legible on a telephone.

use std::fmt::Write;

/// One bar: its name, its parts as shares of the whole width, and what stands beside it.
pub(super) struct Bar {
    pub(super) name: String,
    /// The class of each part, which gives its colour, and its width from 0 to 1.
    pub(super) parts: Vec<(&'static str, f64)>,
    pub(super) note: String,
}

/// Horizontal bars.
pub(super) fn bars(bars: &[Bar]) -> String {
    let mut html = String::from("<div class=\"bars\">");
    for bar in bars {
        let _ = write!(html, "<div class=\"name\">{}</div><div class=\"track\">", escaped(&bar.name));
        for (class, share) in &bar.parts {
            let percent = (100.0 * share).clamp(0.0, 100.0);
            let _ = write!(html, "<span class=\"{class}\" style=\"width:{percent:.2}%\"></span>");
        }
        let _ = write!(html, "</div><div class=\"note\">{}</div>", escaped(&bar.note));
    }
    html.push_str("</div>");
    html
}

/// One line of a plot.
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) values: Vec<f64>,
}

/// Lines over the same steps, from zero to the largest value.
pub(super) fn lines(label: &str, lines: &[Line], write_value: impl Fn(f64) -> String, x: [&str; 2]) -> String {
    let top = lines.iter().flat_map(|line| &line.values).copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut paths = String::new();
    for line in lines {
        let last = line.values.len().saturating_sub(1).max(1) as f64;
        let points = line.values.iter().enumerate().map(|(at, value)| {
            let (x, y) = (1_000.0 * at as f64 / last, 300.0 - 290.0 * value / top);
            format!("{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' })
        });
        let path: Vec<String> = points.collect();
        let _ = write!(paths, "<path class=\"{}\" d=\"{}\"/>", line.class, path.join(" "));
    }
    let key: String = lines
        .iter()
        .map(|line| {
            let end = write_value(line.values.last().copied().unwrap_or(0.0));
            format!("<span><i class=\"{}\"></i>{}: {end}</span>", line.class, escaped(&line.name))
        })
        .collect();
    format!(
        "<div class=\"key\">{key}</div><div class=\"plot\"><div class=\"y\"><span>{}</span><span>{}</span><span>0</span></div>\
         <svg viewBox=\"0 0 1000 300\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <path class=\"grid\" d=\"M0 10H1000M0 155H1000M0 300H1000\"/>{paths}</svg>\
         <div></div><div class=\"x\"><span>{}</span><span>{}</span></div></div>",
        write_value(top),
        write_value(top / 2.0),
        escaped(label),
        escaped(x[0]),
        escaped(x[1])
    )
}

/// How often values fall into each of `bins` steps from zero to `top`; the last step takes all above.
pub(super) fn histogram(label: &str, values: &[f64], top: f64, bins: usize, unit: &str) -> String {
    let mut counts = vec![0_usize; bins];
    for value in values {
        let bin = (value / top * bins as f64) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    let width = 1_000.0 / bins as f64;
    let mut rects = String::new();
    for (at, count) in counts.iter().enumerate() {
        let height = 290.0 * *count as f64 / most as f64;
        let (x, y) = (at as f64 * width + 1.0, 300.0 - height);
        let _ = write!(rects, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>", width - 2.0);
    }
    format!(
        "<div class=\"plot\"><div class=\"y\"><span>{most}</span><span></span><span>0</span></div>\
         <svg viewBox=\"0 0 1000 300\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">{rects}</svg>\
         <div></div><div class=\"x\"><span>0</span><span>{top:.0} {unit} and more</span></div></div>",
        escaped(label)
    )
}

/// Text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_bars_stay_in_their_track() {
        let bar = Bar { name: "<b>&\"".into(), parts: vec![("a", 1.7), ("b", -0.2)], note: "n".into() };
        let html = bars(&[bar]);
        assert!(html.contains("&lt;b&gt;&amp;&quot;") && html.contains("100.00%") && html.contains("width:0.00%"));
    }

    #[test]
    fn a_line_starts_at_the_left_and_ends_at_the_right() {
        let line = Line { class: "a", name: "x".into(), values: vec![0.0, 1.0, 2.0] };
        let html = lines("l", &[line], |value| format!("{value}"), ["first", "last"]);
        assert!(html.contains("M0.0 300.0 L500.0 155.0 L1000.0 10.0"), "{html}");
        let html = histogram("h", &[1.0, 1.0, 99.0, 500.0], 100.0, 10, "µs");
        assert_eq!(html.matches("<rect").count(), 10);
    }
}
