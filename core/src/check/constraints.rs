//! What the caller wants of every answer's text, in figures and words.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// What an answer's text must keep to. An empty list and `None` ask for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Constraints {
    /// Fewest words.
    pub words_min: Option<usize>,
    /// Most words.
    pub words_max: Option<usize>,
    /// Most characters.
    pub chars_max: Option<usize>,
    /// The text without spaces around it is one of these, upper and lower case alike.
    pub one_of: Vec<String>,
    /// Each of these stands in it.
    pub contains: Vec<String>,
    /// None of these stands in it.
    pub excludes: Vec<String>,
}

impl Constraints {
    /// Judges a text.
    pub fn judge(&self, text: &str) -> Verdict {
        let words = text.split_whitespace().count();
        let is_one = |one: &String| one.trim().to_lowercase() == text.trim().to_lowercase();
        let why = if self.words_min.is_some_and(|least| words < least) {
            "it has too few words"
        } else if self.words_max.is_some_and(|most| words > most) {
            "it has too many words"
        } else if self.chars_max.is_some_and(|most| text.chars().count() > most) {
            "it has too many characters"
        } else if !self.one_of.is_empty() && !self.one_of.iter().any(is_one) {
            "it is none of the allowed answers"
        } else if self.contains.iter().any(|part| !text.contains(part)) {
            "something that it must contain is missing"
        } else if self.excludes.iter().any(|part| text.contains(part)) {
            "it contains something that it must not"
        } else {
            return Verdict::Pass;
        };
        Verdict::short(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_constraint_holds_and_breaks() {
        let check = |constraints: Constraints, good: &str, bad: &str| {
            assert_eq!(constraints.judge(good), Verdict::Pass, "{constraints:?}");
            assert!(matches!(constraints.judge(bad), Verdict::Short(_)), "{constraints:?}");
        };
        let list = |text: &str| vec![text.to_owned()];
        check(Constraints { words_min: Some(2), ..Default::default() }, "a b", "a");
        check(Constraints { words_max: Some(2), ..Default::default() }, "a b", "a b c");
        check(Constraints { chars_max: Some(2), ..Default::default() }, "äö", "abc");
        check(Constraints { one_of: list("Yes"), ..Default::default() }, " yes ", "maybe");
        check(Constraints { contains: list("["), ..Default::default() }, "see [1]", "see");
        check(Constraints { excludes: list("TODO"), ..Default::default() }, "done", "TODO: all");
    }
}
