//! No model may see the request: every reason for every model, and what to do.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::id::ModelId;
use crate::policy::RuleName;
use crate::request::ModelChoice;

use super::RefusedModel;
use super::evidence::Evidence;
use super::explain;

/// No model may see the request.
///
/// The reasons are written when they are read: a refusal is nearly as quick as a plan.
#[derive(Clone)]
pub struct Refused {
    evidence: Arc<Evidence>,
}

impl Refused {
    pub(super) fn new(mut evidence: Evidence) -> Refused {
        let Evidence { screening, policy, snapshot, needs, .. } = &mut evidence;
        screening.complete(policy, snapshot, needs);
        Refused { evidence: Arc::new(evidence) }
    }

    /// Every model and every reason against it.
    pub fn models(&self) -> Vec<RefusedModel> {
        explain::refused(&self.evidence)
    }

    /// How many models each rule refuses at all their endpoints or some, in the order of the rules.
    pub fn counts(&self) -> BTreeMap<RuleName, usize> {
        let screening = &self.evidence.screening;
        let mut counts = BTreeMap::new();
        for row in screening.offers().rows() {
            let all = row.offers().map(|offer| screening.verdict(offer)).reduce(|all, more| all.with(more));
            for rule in all.unwrap_or_default().iter() {
                *counts.entry(rule).or_insert(0) += 1;
            }
        }
        counts
    }

    /// The rules that refuse the model that is nearest to being admitted: those to change first.
    pub fn nearest(&self) -> Option<(ModelId, Vec<RuleName>)> {
        let screening = &self.evidence.screening;
        let rows = screening.offers().rows();
        let offers = rows.iter().flat_map(|row| row.offers().map(move |offer| (row, screening.verdict(offer))));
        let refused = offers.filter(|(_, verdict)| !verdict.is_empty());
        let nearest = refused.min_by_key(|(_, verdict)| (verdict.iter().count(), verdict.has(RuleName::Asked)))?;
        Some((nearest.0.card().id.clone(), nearest.1.iter().collect()))
    }

    fn unknown_models(&self) -> Vec<&ModelId> {
        let offers = self.evidence.screening.offers();
        let wanted = match &self.evidence.screening.request().model {
            ModelChoice::Only(wanted) => std::slice::from_ref(wanted),
            ModelChoice::AnyOf(wanted) => wanted.as_slice(),
            ModelChoice::Auto => self.evidence.settings.models.as_slice(),
        };
        wanted.iter().filter(|wanted| offers.find(wanted).is_none()).collect()
    }

    fn write_unknown(&self, f: &mut fmt::Formatter<'_>, unknown: &[&ModelId]) -> fmt::Result {
        let offers = self.evidence.screening.offers();
        for (at, model) in unknown.iter().enumerate() {
            let gap = if at == 0 { "" } else { "; " };
            write!(f, "{gap}no model is named '{model}'")?;
            let like: Vec<String> = offers.like(model, 3).iter().map(ModelId::to_string).collect();
            match like.is_empty() {
                true => f.write_str(": list the models on sale, or add a row for it to the catalogue")?,
                false => write!(f, ": did you mean {}?", like.join(", "))?,
            }
        }
        Ok(())
    }

    /// The reasons against the models that the request names, in full: there are few.
    fn write_named(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for model in self.models() {
            for place in &model.places {
                if place.refusals.iter().any(|refusal| refusal.rule == RuleName::Asked) {
                    continue;
                }
                let reasons: Vec<String> = place.refusals.iter().map(|refusal| refusal.to_string()).collect();
                write!(f, "{gap}{} at {}: {}", model.model, place.endpoint, reasons.join("; "))?;
                gap = "; ";
            }
        }
        if gap.is_empty() {
            f.write_str("no endpoint serves the model that the request names: add one to the catalogue")?;
        }
        Ok(())
    }

    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.evidence.screening.offers().rows().len();
        if rows == 0 {
            return f.write_str("no model is on sale: the catalogue is empty, add rows to it");
        }
        write!(f, "no model may see this request; of {rows}, refused by")?;
        for (at, (rule, count)) in self.counts().into_iter().enumerate() {
            let gap = if at == 0 { "" } else { "," };
            write!(f, "{gap} {rule} {count}")?;
        }
        let Some((model, rules)) = self.nearest() else {
            return f.write_str(" none: no endpoint serves any of them, or none of `models` can be chosen");
        };
        let models = self.models();
        let place = models.iter().find(|line| line.model == model).and_then(|line| {
            let fits =
                |place: &&super::PlaceRefusals| place.refusals.iter().all(|refusal| rules.contains(&refusal.rule));
            line.places.iter().find(fits)
        });
        if let Some(place) = place {
            let reasons: Vec<String> = place.refusals.iter().map(|refusal| refusal.to_string()).collect();
            write!(f, "; nearest is {model} at {}: {}", place.endpoint, reasons.join("; "))?;
        }
        Ok(())
    }
}

impl fmt::Display for Refused {
    /// One line: how many each rule refuses, and what stands in the way of the nearest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = self.unknown_models();
        if !unknown.is_empty() {
            return self.write_unknown(f, &unknown);
        }
        match self.evidence.screening.request().model {
            ModelChoice::Auto => self.write_counts(f),
            _ => self.write_named(f),
        }
    }
}

impl fmt::Debug for Refused {
    /// The same line, which never holds the request's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({self})")
    }
}

impl std::error::Error for Refused {}

impl PartialEq for Refused {
    fn eq(&self, other: &Refused) -> bool {
        self.models() == other.models()
    }
}

impl Serialize for Refused {
    /// `{"message": ..., "counts": {rule: models}, "models": [...]}`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut state = serializer.serialize_struct("Refused", 3)?;
        state.serialize_field("message", &self.to_string())?;
        state.serialize_field("counts", &self.counts())?;
        state.serialize_field("models", &self.models())?;
        state.end()
    }
}
