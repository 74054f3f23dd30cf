//! What a check sees of a reply: its final answer, written so that equal answers look equal.

use serde_json::Value;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerForm {
    /// There is none: nothing was said, or nothing could be found.
    Missing,
    /// A number.
    Number,
    /// A letter of a choice, yes or no.
    Choice,
    /// A formula, list or other short expression.
    Expression,
    /// JSON.
    Json,
    /// Words.
    Text,
}

/// A final answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    form: AnswerForm,
    text: String,
    number: Option<f64>,
    /// As it was written, without quotes around it: what agrees may still be spelt in another way.
    exact: String,
}

/// Answers longer than this are compared by their words.
const SHORT_CHARS: usize = 60;
/// From this likeness on, two texts say the same.
const LIKE_ENOUGH: f64 = 0.8;
/// Most characters of an answer that are compared.
const CHARS_MAX: usize = 4_096;

impl Answer {
    /// No answer.
    pub fn missing() -> Answer {
        Answer { form: AnswerForm::Missing, text: String::new(), number: None, exact: String::new() }
    }

    /// A stated final answer.
    pub fn stated(value: &Value) -> Answer {
        match value {
            Value::Null => Answer::missing(),
            // Nothing but spaces or quotes can be the answer where it is stated.
            Value::String(text) if normal(text).is_empty() => {
                let text: String = text.chars().take(CHARS_MAX).collect();
                Answer { form: AnswerForm::Expression, exact: text.clone(), text, number: None }
            }
            Value::String(text) => Answer::of(text),
            other => Answer::of(&other.to_string()),
        }
    }

    /// The final answer in a whole reply: a field named `answer`, a box, what follows "answer is", else the last line.
    pub fn in_reply(reply: &str) -> Answer {
        let found = in_field(reply).or_else(|| in_box(reply)).or_else(|| after_words(reply));
        match found {
            Some(text) => Answer::of(&text),
            None => {
                let last = reply.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                if last.chars().count() <= SHORT_CHARS { Answer::of(last) } else { Answer::of(reply) }
            }
        }
    }

    /// Normalises an answer.
    pub fn of(text: &str) -> Answer {
        let text: String = text.trim().chars().take(CHARS_MAX).collect();
        let exact = unquoted(&text).to_owned();
        if let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str::<Value>(&text) {
            return Answer { form: AnswerForm::Json, text: json.to_string(), number: None, exact };
        }
        let plain = normal(&text);
        if plain.is_empty() {
            return Answer { text: text.to_lowercase(), ..Answer::missing() };
        }
        if let Some(number) = number_of(&plain) {
            return Answer { form: AnswerForm::Number, text: plain, number: Some(number), exact };
        }
        let letters = plain.chars().filter(|letter| letter.is_alphabetic()).count();
        let form = if plain.chars().count() == 1 || matches!(plain.as_str(), "yes" | "no" | "true" | "false") {
            AnswerForm::Choice
        } else if letters * 3 > plain.len() * 2 && text.contains(' ') {
            AnswerForm::Text
        } else {
            AnswerForm::Expression
        };
        let text = if form == AnswerForm::Text { text.to_lowercase() } else { plain };
        Answer { form, text, number: None, exact }
    }

    /// Its form.
    pub fn form(&self) -> AnswerForm {
        self.form
    }

    /// Whether there is none.
    pub fn is_missing(&self) -> bool {
        self.form == AnswerForm::Missing
    }

    /// Its length in characters.
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// Its value, of a number.
    pub fn number(&self) -> Option<f64> {
        self.number
    }

    /// Whether two answers say the same; a missing one says nothing.
    pub fn agrees(&self, other: &Answer) -> bool {
        if self.is_missing() || other.is_missing() {
            return false;
        }
        match (self.number, other.number) {
            (Some(one), Some(two)) => (one - two).abs() <= 1e-6 * one.abs().max(two.abs()).max(1e-9),
            _ if self.text == other.text => true,
            _ => self.is_long() && other.is_long() && likeness(&self.text, &other.text) >= LIKE_ENOUGH,
        }
    }

    /// Whether two answers are also written alike: equal numbers, or the same characters but for quotes around them.
    pub fn is_spelt_like(&self, other: &Answer) -> bool {
        match (self.number, other.number) {
            (Some(_), Some(_)) => self.agrees(other),
            _ => !self.is_missing() && !other.is_missing() && self.exact == other.exact,
        }
    }

    fn is_long(&self) -> bool {
        self.form == AnswerForm::Text && self.text.len() > SHORT_CHARS
    }
}

/// Lower case without spaces, quotes, money signs and the marks of formulas that change nothing.
fn normal(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut plain = lower.trim_matches(|mark: char| mark.is_whitespace() || "*#.`".contains(mark)).to_owned();
    for (from, to) in [("dfrac", "frac"), ("tfrac", "frac"), ("\\left", ""), ("\\right", ""), ("\\!", ""), ("\\,", "")]
    {
        if plain.contains(from) {
            plain = plain.replace(from, to);
        }
    }
    for name in ["\\boxed", "\\text", "\\mathrm", "\\mathbf", "\\displaystyle", "^\\circ", "\\%"] {
        if plain.contains(name) {
            plain = plain.replace(name, "");
        }
    }
    plain.retain(|mark| !mark.is_whitespace() && !"{}$'\",\\`".contains(mark));
    let plain = plain.trim_end_matches('.');
    let inner = plain.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match inner {
        Some(inner) if inner.chars().count() == 1 => inner.to_owned(),
        _ => plain.to_owned(),
    }
}

/// Without the quotes around it.
fn unquoted(text: &str) -> &str {
    let quoted = ['\'', '"', '`'].iter().find_map(|mark| text.strip_prefix(*mark)?.strip_suffix(*mark));
    quoted.unwrap_or(text)
}

/// The value of a number, a percentage or a fraction of numbers.
fn number_of(plain: &str) -> Option<f64> {
    let plain = plain.strip_suffix('%').unwrap_or(plain);
    let finite = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    if plain.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    match plain.split_once('/') {
        Some((over, under)) => Some(finite(over)? / finite(under).filter(|under| *under != 0.0)?),
        None => finite(plain),
    }
}

/// The last `"answer": ...` of a reply.
fn in_field(reply: &str) -> Option<String> {
    let at = reply.rfind("\"answer\"")?;
    let rest = reply[at + 8..].trim_start().strip_prefix(':')?.trim_start();
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    match values.next() {
        Some(Ok(Value::String(text))) => Some(text),
        Some(Ok(value)) => Some(value.to_string()),
        _ => Some(rest.lines().next()?.trim_matches(|mark| "\" }".contains(mark)).to_owned()),
    }
}

/// The last `\boxed{...}` of a reply.
fn in_box(reply: &str) -> Option<String> {
    let at = reply.rfind("\\boxed{")?;
    let rest = &reply[at + 7..];
    let mut depth = 1;
    for (end, mark) in rest.char_indices() {
        depth += match mark {
            '{' => 1,
            '}' => -1,
            _ => 0,
        };
        if depth == 0 {
            return Some(rest[..end].to_owned());
        }
    }
    None
}

/// What follows the last "answer is" or "answer:".
fn after_words(reply: &str) -> Option<String> {
    let lower = reply.to_ascii_lowercase();
    let at =
        ["answer is", "answer:", "####"].iter().filter_map(|words| Some(lower.rfind(words)? + words.len())).max()?;
    let rest = reply[at..].trim_start_matches([':', ' ', '*']);
    let line = rest.lines().next()?.trim().trim_end_matches(['.', '*']);
    if line.is_empty() { None } else { Some(line.to_owned()) }
}

/// The share of words that two texts have in common.
fn likeness(one: &str, two: &str) -> f64 {
    let words = |text: &str| -> std::collections::BTreeSet<String> {
        let split = text.split(|mark: char| !mark.is_alphanumeric());
        split.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let (one, two) = (words(one), words(two));
    let shared = one.intersection(&two).count();
    let all = one.len() + two.len() - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(one: &str, two: &str, agree: bool) {
        assert_eq!(Answer::of(one).agrees(&Answer::of(two)), agree, "{:?} {:?}", Answer::of(one), Answer::of(two));
    }

    #[test]
    fn equal_answers_look_equal() {
        check("1,000", "1000.0", true);
        check("$18", "18", true);
        check("50%", "50", true);
        check("1/2", "0.5", true);
        check("\\dfrac{3}{4}", "\\frac34", true);
        check("(B)", "b", true);
        check("'UppEr'", "UppEr", true);
        check("[1, 2]", "[1,2]", true);
        check("{\"a\": 1}", "{ \"a\":1 }", true);
        check("12", "13", false);
        check("", "", false);
        check("inf", "infinity", false);
        let text = "The meeting moved to Monday because the room on the second floor is being painted this week";
        check(text, &format!("{text}."), true);
        check(text, "We will all meet on Thursday in the garden if the weather is good enough for it, they say", false);
    }

    #[test]
    fn what_agrees_may_be_spelt_in_another_way() {
        let alike = |one: &str, two: &str| Answer::of(one).is_spelt_like(&Answer::of(two));
        assert!(alike("'mJkLbn'", "mJkLbn"));
        assert!(alike("$1,000", "1000"));
        assert!(!alike("mJkLbn", "mJklbn") && Answer::of("mJkLbn").agrees(&Answer::of("mJklbn")));
        assert!(!alike("[1,2]", "[1, 2]"));
        assert!(!alike("", ""));
    }

    #[test]
    fn an_empty_text_is_an_answer_where_it_is_stated() {
        let stated = |text: &str| Answer::stated(&Value::from(text));
        assert!(stated("").agrees(&stated("")));
        assert!(!stated("").agrees(&stated("  ")));
        assert!(Answer::stated(&Value::Null).is_missing());
    }

    #[test]
    fn the_final_answer_is_found() {
        let number = |reply: &str| Answer::in_reply(reply).number();
        assert_eq!(number("{\"reasoning\": \"2+2\", \"answer\": \"4\"}"), Some(4.0));
        assert_eq!(number("So we get $\\boxed{\\frac{1}{2}}$ at last, which holds."), None);
        assert_eq!(Answer::in_reply("So we get $\\boxed{\\frac{1}{2}}$."), Answer::of("\\frac{1}{2}"));
        assert_eq!(number("First 3, then 5.\nThe answer is 15."), Some(15.0));
        assert_eq!(number("Some work\n#### 42"), Some(42.0));
        assert_eq!(number("half a { reply \"answer\": 7"), Some(7.0));
        assert!(Answer::in_reply("").is_missing());
    }
}
