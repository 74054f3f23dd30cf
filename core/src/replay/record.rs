//! A labelled prompt: which model answered it, how well, at what length.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// A row of labelled data, as in the `routing` data sets.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// The set it comes from.
    pub dataset: String,
    /// What its source calls this kind of task.
    pub task: String,
    /// What was asked; some sets may not be passed on and have none.
    pub prompt: Option<String>,
    /// How well each model answered, from 0 to 1.
    pub labels: BTreeMap<String, Option<f64>>,
    /// Characters of each model's reply.
    pub out_chars: BTreeMap<String, Option<f64>>,
    /// What each reply cost, in dollars.
    pub cost: BTreeMap<String, Option<f64>>,
    /// Each model's final answer.
    pub answers: BTreeMap<String, Value>,
    /// Each model's whole reply.
    pub outputs: BTreeMap<String, Option<String>>,
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadRecord {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub what: String,
}

impl Record {
    /// Reads a line: a labelled row, or a line of a log in OpenAI's style that carries a mark.
    ///
    /// Of a log line, `body.messages` or `messages` is the prompt, `model` the model and `score`, `label` or
    /// `metadata.score` the mark.
    ///
    /// # Errors
    /// `BadRecord` where the line is no JSON, has no labels, or a label is not within 0 and 1.
    pub fn parse(line: usize, text: &str) -> Result<Record, BadRecord> {
        let bad = |what: String| BadRecord { line, what };
        let value: Value = serde_json::from_str(text).map_err(|error| bad(format!("no JSON: {error}")))?;
        let record = match value.get("labels") {
            Some(_) => serde_json::from_value(value).map_err(|error| bad(format!("not a labelled row: {error}")))?,
            None => from_log(&value).ok_or_else(|| {
                bad("no labels: expected {\"prompt\", \"labels\": {model: 0..1}} or a log line with messages, model \
                     and score"
                    .to_owned())
            })?,
        };
        record.check().map_err(bad)?;
        Ok(record)
    }

    fn check(&self) -> Result<(), String> {
        for (model, label) in &self.labels {
            if label.is_some_and(|label| !(0.0..=1.0).contains(&label)) {
                return Err(format!("the label of '{model}' is not within 0 and 1"));
            }
        }
        let numbers = self.out_chars.iter().chain(&self.cost);
        for (model, number) in numbers {
            if number.is_some_and(|number| !number.is_finite() || number < 0.0) {
                return Err(format!("a length or cost of '{model}' is negative or no number"));
            }
        }
        Ok(())
    }

    /// How well a model answered.
    pub fn label(&self, model: &str) -> Option<f64> {
        self.labels.get(model).copied().flatten()
    }

    /// The whole reply of a model.
    pub fn output(&self, model: &str) -> Option<&str> {
        self.outputs.get(model).and_then(|reply| reply.as_deref())
    }

    /// Characters of a model's reply, where known.
    pub fn reply_chars(&self, model: &str) -> Option<f64> {
        let stated = self.out_chars.get(model).copied().flatten();
        let counted = || self.output(model).map(|reply| reply.chars().count() as f64);
        let answered = || self.answers.get(model).and_then(Value::as_str).map(|answer| answer.chars().count() as f64);
        stated.or_else(counted).or_else(answered)
    }

    /// Characters of the prompt.
    pub fn prompt_chars(&self) -> f64 {
        self.prompt.as_ref().map_or(0.0, |prompt| prompt.chars().count() as f64)
    }
}

/// A line of a log: one model's answer and its mark.
fn from_log(line: &Value) -> Option<Record> {
    let body = line.get("body").or_else(|| line.get("request")).unwrap_or(line);
    let messages = body.get("messages")?.as_array()?;
    let prompt: Vec<&str> = messages.iter().filter_map(|message| message.get("content")?.as_str()).collect();
    let model = body.get("model").or_else(|| line.get("model"))?.as_str()?;
    let mark = ["score", "label"].iter().find_map(|name| line.get(name));
    let mark = mark.or_else(|| line.pointer("/metadata/score"))?.as_f64()?;
    let reply = ["/response/body/choices/0/message/content", "/response/choices/0/message/content", "/output"];
    let reply = reply.iter().find_map(|path| line.pointer(path)?.as_str());
    let mut record = Record { prompt: Some(prompt.join("\n")), ..Record::default() };
    record.id = ["custom_id", "id"].iter().find_map(|name| line.get(name)?.as_str()).unwrap_or_default().to_owned();
    record.labels.insert(model.to_owned(), Some(mark));
    record.outputs.insert(model.to_owned(), reply.map(str::to_owned));
    Some(record)
}

/// The rows of one kind of judgement: those that all the models answered.
#[derive(Clone, Debug)]
pub struct Field {
    /// The models, the frontier last.
    pub models: Vec<String>,
    /// The rows.
    pub rows: Vec<Record>,
    /// How many rows were left out because some model has no label in them.
    pub left_out: usize,
}

impl Field {
    /// Keeps the rows in which every model has a label. Log lines of one id are one row.
    pub fn new(models: Vec<String>, rows: impl IntoIterator<Item = Record>) -> Field {
        let mut field = Field { models, rows: Vec::new(), left_out: 0 };
        for row in merge(rows) {
            if field.models.iter().all(|model| row.label(model).is_some()) {
                field.rows.push(row);
            } else {
                field.left_out += 1;
            }
        }
        field
    }
}

/// Puts together what lines with one id and prompt say of several models.
fn merge(rows: impl IntoIterator<Item = Record>) -> Vec<Record> {
    let mut merged: Vec<Record> = Vec::new();
    let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
    for row in rows {
        if row.labels.len() != 1 || row.id.is_empty() {
            merged.push(row);
            continue;
        }
        let key = (row.id.clone(), row.prompt.clone().unwrap_or_default());
        match seen.get(&key) {
            Some(at) => {
                let into = &mut merged[*at];
                into.labels.extend(row.labels);
                into.outputs.extend(row.outputs);
                into.answers.extend(row.answers);
                into.out_chars.extend(row.out_chars);
                into.cost.extend(row.cost);
            }
            None => {
                seen.insert(key, merged.len());
                merged.push(row);
            }
        }
    }
    merged
}
