//! From a name as people and vendors' replies write it to the model it means.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::ModelCard;
use crate::sorting::sort_by;

use super::rows::{FileRow, short};

/// Suffixes that say how a model is asked, not which model and price it is.
const VARIANTS: [&str; 3] = [":thinking", ":beta", "-latest"];
/// Path parts before a name in some vendors' replies.
const PATHS: [&str; 2] = ["models/", "publishers/google/models/"];

/// Every name of every model, in lower case.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// `vendor/name` and `vendor/alias`.
    full: BTreeMap<String, usize>,
    /// The same without the vendor, and wire names.
    bare: BTreeMap<String, Vec<usize>>,
    vendors: Vendors,
}

/// What files say about vendors: other names of theirs, and which sell others' models.
#[derive(Clone, Debug, Default)]
pub(super) struct Vendors {
    /// From another name to the vendor's.
    pub aliases: BTreeMap<String, String>,
    /// Vendors that sell other makers' models.
    pub resellers: Vec<String>,
}

impl Vendors {
    /// Takes over what a file says about its vendor.
    pub(super) fn learn(&mut self, file: &FileRow) {
        let Some(vendor) = &file.vendor else { return };
        for alias in &file.vendor_aliases {
            self.aliases.insert(alias.0.to_ascii_lowercase(), vendor.as_str().to_ascii_lowercase());
        }
        if file.resells && !self.resellers.iter().any(|known| known == vendor.as_str()) {
            self.resellers.push(vendor.to_string());
        }
    }
}

/// A name means no model, or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing has this name.
    #[error("no model is named '{name}'{}", near(like))]
    Unknown {
        /// The name, cut to 40 characters.
        name: String,
        /// Ids that look like it.
        like: Vec<String>,
    },
    /// Several vendors sell a model of this name, at other prices.
    #[error("'{name}' is sold by several vendors: say which, {}", ids.join(" or "))]
    Several {
        /// The name, cut to 40 characters.
        name: String,
        /// Their ids.
        ids: Vec<String>,
    },
}

fn near(like: &[String]) -> String {
    if like.is_empty() { ": see tierway models".to_owned() } else { format!(": did you mean {}?", like.join(" or ")) }
}

impl Names {
    pub(super) fn new(cards: &[Arc<ModelCard>], vendors: &Vendors) -> Names {
        let mut names = Names { vendors: vendors.clone(), ..Names::default() };
        for (at, card) in cards.iter().enumerate() {
            names.full.insert(card.id.as_str().to_ascii_lowercase(), at);
        }
        for (at, card) in cards.iter().enumerate() {
            let own = [card.id.name(), card.wire_name.as_str()];
            for name in card.aliases.iter().map(String::as_str).chain(own) {
                let name = name.to_ascii_lowercase();
                names.full.entry(format!("{}/{name}", card.vendor).to_ascii_lowercase()).or_insert(at);
                let same = names.bare.entry(name).or_default();
                if !same.contains(&at) {
                    same.push(at);
                }
            }
        }
        names
    }

    /// The model whose id or full alias this is.
    pub(super) fn exactly(&self, name: &str) -> Option<usize> {
        self.full.get(&name.to_ascii_lowercase()).copied()
    }

    pub(super) fn resolve(&self, name: &str, cards: &[Arc<ModelCard>]) -> Result<usize, NameError> {
        let named = self.all_named(name, cards);
        let Some(first) = named.first() else {
            return Err(NameError::Unknown { name: short(name), like: like(&name.to_ascii_lowercase(), cards) });
        };
        let is_full = self.full.contains_key(&written(name)) || !self.is_resold(&cards[*first]);
        if is_full || named.iter().all(|at| cards[*at].prices == cards[*first].prices) {
            return Ok(*first);
        }
        let ids = named.iter().map(|at| cards[*at].id.to_string()).collect();
        Err(NameError::Several { name: short(name), ids })
    }

    /// Every model that a name can mean, the likeliest first: the one of that very id, then its maker's, then those of
    /// vendors that sell others' models. Dates and variants are taken off only where nothing has the name with them.
    pub(super) fn all_named(&self, name: &str, cards: &[Arc<ModelCard>]) -> Vec<usize> {
        let whole = written(name);
        let mut rest = whole.as_str();
        loop {
            let found = self.look(rest, cards);
            match shorten(rest) {
                _ if !found.is_empty() => return found,
                Some(shorter) => rest = shorter,
                None => return found,
            }
        }
    }

    fn look(&self, name: &str, cards: &[Arc<ModelCard>]) -> Vec<usize> {
        let mut found: Vec<usize> = self.full.get(name).copied().into_iter().collect();
        if let Some((vendor, rest)) = name.split_once('/')
            && let Some(vendor) = self.vendors.aliases.get(vendor)
        {
            found.extend(self.full.get(&format!("{vendor}/{rest}")));
        }
        let bare = self.bare.get(name).map_or(&[][..], Vec::as_slice);
        let of_makers = bare.iter().filter(|at| !self.is_resold(&cards[**at]));
        let resold = bare.iter().filter(|at| self.is_resold(&cards[**at]));
        for at in of_makers.chain(resold) {
            if !found.contains(at) {
                found.push(*at);
            }
        }
        found
    }

    fn is_resold(&self, card: &ModelCard) -> bool {
        self.vendors.resellers.iter().any(|reseller| reseller == card.vendor.as_str())
    }
}

/// A name in lower case, without the path that some replies put before it.
fn written(name: &str) -> String {
    let mut rest = name.trim();
    for path in PATHS {
        rest = rest.strip_prefix(path).unwrap_or(rest);
    }
    rest.to_ascii_lowercase()
}

/// The name without its last variant or date: `-20250929`, `-2025-08-07`, `@20250929`, `:thinking`.
fn shorten(name: &str) -> Option<&str> {
    if let Some(rest) = VARIANTS.iter().find_map(|variant| name.strip_suffix(variant)) {
        return Some(rest);
    }
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (rest, last) = name.rsplit_once(['-', '@'])?;
    if digits(last, 8) && last.starts_with("20") {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(rest)
}

/// Up to three ids that share most pairs of letters with a name.
fn like(name: &str, cards: &[Arc<ModelCard>]) -> Vec<String> {
    let pairs = |text: &str| -> Vec<[u8; 2]> { text.as_bytes().windows(2).map(|pair| [pair[0], pair[1]]).collect() };
    let wanted = pairs(name);
    let likeness = |id: &str| {
        let have = pairs(&id.to_ascii_lowercase());
        2_000 * wanted.iter().filter(|pair| have.contains(pair)).count() / (wanted.len() + have.len()).max(1)
    };
    let mut scored: Vec<(usize, &str)> = cards
        .iter()
        .map(|card| (likeness(card.id.as_str()).max(likeness(card.id.name())), card.id.as_str()))
        .filter(|(score, _)| *score >= 600)
        .collect();
    sort_by(&mut scored, |a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(3).map(|(_, id)| id.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_variants_are_taken_off_one_by_one() {
        for (name, shorter) in [
            ("claude-sonnet-4-5-20250929", Some("claude-sonnet-4-5")),
            ("gpt-5-2025-08-07", Some("gpt-5")),
            ("claude-opus-4@20250514", Some("claude-opus-4")),
            ("claude-3.7-sonnet:thinking", Some("claude-3.7-sonnet")),
            ("mistral-large-latest", Some("mistral-large")),
            ("mistral-large-2512", None),
            ("gpt-4-0613", None),
            ("o3", None),
        ] {
            assert_eq!(shorten(name), shorter, "{name}");
        }
    }
}
