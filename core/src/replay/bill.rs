//! What each attempt cost. A token is taken to be four characters, of the prompt and of the reply.

use std::collections::BTreeMap;

use super::record::{Field, Record};

/// Characters a token.
const TOKEN_CHARS: f64 = 4.0;
/// Characters of a reply of which nothing is known.
const REPLY_CHARS: f64 = 800.0;

/// Dollars per million tokens, in and out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Of the prompt.
    pub input: f64,
    /// Of the reply.
    pub output: f64,
}

/// Prices by model. A model without one is billed by the costs in the data.
pub type Prices = BTreeMap<String, Rate>;

/// The cost of every model's attempt at every row, in dollars: by row, then by model.
pub(super) fn costs(field: &Field, prices: &Prices) -> Vec<Vec<f64>> {
    let usual: Vec<f64> = field.models.iter().map(|model| usual_chars(field, model)).collect();
    let cost = |row: &Record, at: usize| {
        let model = &field.models[at];
        let Some(rate) = prices.get(model) else {
            return row.cost.get(model).copied().flatten().unwrap_or(0.0);
        };
        let reply = row.reply_chars(model).unwrap_or(usual[at]);
        (row.prompt_chars() * rate.input + reply * rate.output) / TOKEN_CHARS / 1e6
    };
    field.rows.iter().map(|row| (0..field.models.len()).map(|at| cost(row, at)).collect()).collect()
}

/// The mean length of a model's replies, where some are known.
fn usual_chars(field: &Field, model: &str) -> f64 {
    let known: Vec<f64> = field.rows.iter().filter_map(|row| row.reply_chars(model)).collect();
    if known.is_empty() { REPLY_CHARS } else { known.iter().sum::<f64>() / known.len() as f64 }
}
