//! The rest of a stream that broke off: what another model is asked, and how its words are sewn to those that had come.
//!
//! Pure: it makes a request and moves pieces. The new request goes through policy like any other.

use crate::limits::OVERLAP_BYTES_MAX;
use crate::message::{Content, Message};
use crate::policy::tokens_roughly;
use crate::reply::{Delta, Reply};
use crate::request::{Request, ResponseFormat};
use crate::usage::Usage;

/// What the other model is told. Every format has turns; a prefilled answer is refused by the newest models.
const GO_ON: &str = "Your last message was cut off by a broken connection. Write only the text that comes right after its \
                     last character, with a leading space or line break where one belongs there. Repeat nothing of it \
                     and do not mention the interruption.";
/// Least bytes that count as repeated: shorter ones are common words.
const OVERLAP_BYTES_MIN: usize = 12;
/// Fewest tokens that are asked for, however much had come.
const REST_TOKENS_MIN: u64 = 64;

/// What to ask for the rest; `None` where there is no way to go on: tool calls, JSON held to a shape, several answers.
pub(super) fn request(asked: &Request, came: &Reply) -> Option<Request> {
    let is_shaped = matches!(asked.format, Some(ResponseFormat::JsonObject | ResponseFormat::JsonSchema { .. }));
    let is_prose = |content: &Content| matches!(content, Content::Text { .. } | Content::Reasoning { .. });
    let several = asked.sampling.candidates.is_some_and(|count| count > 1) || !came.alternatives.is_empty();
    if is_shaped || several || !came.parts.iter().all(|part| is_prose(&part.content)) {
        return None;
    }
    let text = came.text();
    if text.trim().is_empty() {
        return Some(asked.clone());
    }
    let mut draft = asked.to_draft();
    draft.max_tokens = draft.max_tokens.map(|most| most.saturating_sub(tokens_roughly(&text)).max(REST_TOKENS_MIN));
    draft.messages.push(Message::assistant(text));
    draft.messages.push(Message::user(GO_ON));
    draft.try_into().ok()
}

/// Joins a second stream to what a first one brought: its parts are numbered after the first's, its counts added to the
/// first's, and what it repeats of the first's end is left out.
#[derive(Debug)]
pub(super) struct Seam {
    shift: u32,
    before: Usage,
    counted: Usage,
    end: String,
    held: Option<(u32, String)>,
    is_sewn: bool,
}

impl Seam {
    /// After `came`, whose parts had numbers below `shift`.
    pub(super) fn new(came: &Reply, shift: u32) -> Seam {
        let text = came.text();
        let start = text.len().saturating_sub(OVERLAP_BYTES_MAX);
        let start = (start..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
        Seam {
            shift,
            before: came.usage.clone(),
            counted: Usage::default(),
            end: text[start..].to_owned(),
            held: None,
            is_sewn: false,
        }
    }

    /// Takes a piece and gives out what can be told apart from a repetition.
    pub(super) fn pass(&mut self, delta: Delta, out: &mut Vec<Delta>) {
        match delta {
            Delta::Start { .. } => {}
            Delta::Usage { usage } => {
                self.counted.merge(usage);
                out.push(Delta::Usage { usage: self.before.plus(&self.counted) });
            }
            Delta::Text { part, text } if !self.is_sewn => {
                let held = self.held.get_or_insert((part, String::new()));
                held.1.push_str(&text);
                if !may_be_repeated(&self.end, &held.1) {
                    self.finish(out);
                }
            }
            quiet @ (Delta::Reasoning { .. } | Delta::Vendor { .. } | Delta::PartVendor { .. }) => {
                out.push(shifted(quiet, self.shift));
            }
            other => {
                self.finish(out);
                out.push(shifted(other, self.shift));
            }
        }
    }

    /// Gives out what is held back.
    pub(super) fn finish(&mut self, out: &mut Vec<Delta>) {
        let Some((part, text)) = self.held.take() else { return };
        self.is_sewn = true;
        let rest = &text[overlap(&self.end, &text)..];
        if !rest.is_empty() {
            out.push(shifted(Delta::Text { part, text: rest.to_owned() }, self.shift));
        }
    }
}

/// Whether `text` is how some end of `end` begins, so that more of it may follow.
fn may_be_repeated(end: &str, text: &str) -> bool {
    text.len() <= end.len() && end.char_indices().any(|(at, _)| end[at..].starts_with(text))
}

/// How many bytes at the start of `text` repeat the end of `end`.
fn overlap(end: &str, text: &str) -> usize {
    let starts = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|at| *at <= end.len());
    starts.filter(|at| *at >= OVERLAP_BYTES_MIN && end.ends_with(&text[..*at])).max().unwrap_or(0)
}

/// The number of a piece's part, where it has one.
pub(super) fn part_of(delta: &mut Delta) -> Option<&mut u32> {
    match delta {
        Delta::Text { part, .. }
        | Delta::Reasoning { part, .. }
        | Delta::Refusal { part, .. }
        | Delta::ToolCall { part, .. }
        | Delta::Arguments { part, .. }
        | Delta::Part { part, .. }
        | Delta::PartVendor { part, .. } => Some(part),
        _ => None,
    }
}

fn shifted(mut delta: Delta, by: u32) -> Delta {
    if let Some(part) = part_of(&mut delta) {
        *part = part.saturating_add(by);
    }
    delta
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Part;
    use crate::request::Sampling;
    use proptest::prelude::*;

    fn came(text: &str) -> Reply {
        Reply { parts: vec![Part::text(text)], usage: Usage::of(10, 4), ..Reply::default() }
    }

    /// Sews pieces to an end, and joins them.
    fn sewn(end: &str, pieces: &[&str]) -> String {
        let mut seam = Seam::new(&came(end), 3);
        let mut out = Vec::new();
        for piece in pieces {
            seam.pass(Delta::Text { part: 0, text: (*piece).to_owned() }, &mut out);
        }
        seam.finish(&mut out);
        let text = |delta: Delta| match delta {
            Delta::Text { part: 3, text } => text,
            other => panic!("{other:?}"),
        };
        out.into_iter().map(text).collect()
    }

    #[test]
    fn what_is_repeated_is_left_out_however_it_comes() {
        let end = "The fox rests under the old oak";
        assert_eq!(sewn(end, &[" tree."]), " tree.");
        assert_eq!(sewn(end, &["under the old oak tree."]), " tree.");
        assert_eq!(sewn(end, &["under", " the o", "ld oak", " tree", "."]), " tree.");
        assert_eq!(sewn(end, &["The fox rests under the old oak"]), "");
        assert_eq!(sewn(end, &["oak"]), "oak", "a short word may stand twice");
        assert_eq!(sewn("漢字とかな漢字", &["漢字とかな漢字です"]), "です");
    }

    #[test]
    fn prose_is_continued_and_what_has_a_shape_is_not() {
        let asked = Request::user("Where does the fox rest?").unwrap();
        let rest = request(&asked, &came("Under the old")).unwrap();
        assert_eq!(rest.messages.len(), 3);
        assert_eq!(rest.messages[1].joined_text(), "Under the old");
        assert_eq!(request(&asked, &came("  ")).unwrap(), asked, "nothing had come: the question itself");
        let call = crate::message::ToolCall { id: "c".into(), name: "f".into(), arguments: "{".into() };
        let calls = Reply { parts: vec![Part::new(Content::ToolCall(call))], ..Reply::default() };
        assert_eq!(request(&asked, &calls), None);
        let json = Request::builder().message(Message::user("x")).format(ResponseFormat::JsonObject).build().unwrap();
        assert_eq!(request(&json, &came("{\"a\":")), None);
        let sampling = Sampling { candidates: Some(2), ..Sampling::default() };
        let two = Request::builder().message(Message::user("x")).sampling(sampling).build().unwrap();
        assert_eq!(request(&two, &came("a")), None);
    }

    #[test]
    fn counts_are_added() {
        let mut seam = Seam::new(&came("x"), 0);
        let mut out = Vec::new();
        seam.pass(Delta::Usage { usage: Usage::of(20, 0) }, &mut out);
        seam.pass(Delta::Usage { usage: Usage { output: Some(5), ..Usage::default() } }, &mut out);
        assert_eq!(out.last(), Some(&Delta::Usage { usage: Usage::of(30, 9) }));
    }

    proptest! {
        /// However the rest is cut, the same comes out; and nothing but a repetition of the end is left out.
        #[test]
        fn cuts_do_not_matter(end in "[a-c ]{0,40}", rest in "[a-cö ]{0,40}", cuts in proptest::collection::vec(0usize..40, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| rest.is_char_boundary(*at) && *at < rest.len()).collect();
            cuts.extend([0, rest.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&str> = cuts.windows(2).map(|pair| &rest[pair[0]..pair[1]]).collect();
            let whole = sewn(&end, &[&rest]);
            prop_assert_eq!(&sewn(&end, &pieces), &whole);
            let gone = rest.strip_suffix(whole.as_str()).unwrap();
            prop_assert!(end.ends_with(gone) && (gone.is_empty() || gone.len() >= OVERLAP_BYTES_MIN));
        }
    }
}
