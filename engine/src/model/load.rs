//! Finds a model's weights in its files, by the names that each format gives them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layer::{Attend, ExpertWeights, Feed, GroupedWeights, LatentWeights, Layer, Linear, Query};
use super::{ExpertUsage, Model, Turns};
use crate::backend::{Backend, Gated};
use crate::config::{Attention, Experts, FeedForward, Grouped, Latent, ModelConfig};
use crate::error::EngineError;
use crate::limits::CONFIG_BYTES_MAX;
use crate::weights::gguf::{self, Metadata};
use crate::weights::{Checkpoint, Matrix, Tensor, safetensors};

mod names;
use names::{GGUF, Names, SAFETENSORS};

/// A model's description and weights, found but not yet put together.
#[derive(Debug)]
pub struct Source {
    /// What the model is.
    pub config: ModelConfig,
    /// Its weights by name.
    pub checkpoint: Checkpoint,
    /// A GGUF file's metadata, which holds its tokenizer and chat template.
    pub metadata: Option<Metadata>,
    /// The folder of the files.
    pub folder: PathBuf,
    names: &'static Names,
}

impl Source {
    /// Opens a folder with `config.json` and safetensors, a folder with one GGUF file, or a GGUF file.
    ///
    /// # Errors
    /// `File` where nothing is there, `Malformed`, `Config` or `Unsupported` where it is no model for this engine.
    pub fn open(path: &Path) -> Result<Source, EngineError> {
        if path.is_file() {
            return Source::open_gguf(path);
        }
        let config = path.join("config.json");
        if !config.exists()
            && let Some(file) = only_gguf(path)?
        {
            return Source::open_gguf(&file);
        }
        let text = read_text(&config, CONFIG_BYTES_MAX)?;
        let config = ModelConfig::from_json(&text)?;
        let checkpoint = safetensors::open_folder(path)?;
        Ok(Source { config, checkpoint, metadata: None, folder: path.to_owned(), names: &SAFETENSORS })
    }

    fn open_gguf(path: &Path) -> Result<Source, EngineError> {
        Source::from_gguf(path, gguf::open(path)?)
    }

    /// Of a GGUF file that was read; `path` names it.
    ///
    /// # Errors
    /// `Config` or `Unsupported` where it is no model for this engine.
    pub fn from_gguf(path: &Path, file: gguf::Gguf) -> Result<Source, EngineError> {
        let config = ModelConfig::from_gguf(&file)?;
        let folder = path.parent().unwrap_or(Path::new(".")).to_owned();
        let gguf::Gguf { metadata, checkpoint } = file;
        Ok(Source { config, checkpoint, metadata: Some(metadata), folder, names: &GGUF })
    }

    /// Of parts that are in memory, under the names of safetensors checkpoints.
    #[cfg(test)]
    pub(crate) fn in_memory(config: ModelConfig, checkpoint: Checkpoint, folder: PathBuf) -> Source {
        Source { config, checkpoint, metadata: None, folder, names: &SAFETENSORS }
    }

    /// Puts the model together, computed by `backend`.
    ///
    /// # Errors
    /// `Weight` where one is missing or does not fit the description.
    pub fn load(&self, backend: Arc<dyn Backend>) -> Result<Model, EngineError> {
        let config = self.config.clone();
        let embedding = self.matrix(self.names.embedding, config.vocabulary, config.hidden)?;
        let output = match self.checkpoint.find(self.names.output) {
            Some(_) if !config.tied_embeddings => self.matrix(self.names.output, config.vocabulary, config.hidden)?,
            _ if config.tied_embeddings => embedding.clone(),
            _ => return Err(EngineError::weight(self.names.output, "is missing")),
        };
        let layers = (0..config.layers()).map(|at| self.layer(at)).collect::<Result<Vec<_>, _>>()?;
        let routed = |layer: &Layer| match &layer.feed {
            Feed::Experts(experts) => experts.routed.len(),
            Feed::Dense(_) => 0,
        };
        let model = Model {
            norm: self.vector(self.names.norm, config.hidden)?,
            turns: Turns::new(&config.rope, config.rotary()),
            usage: ExpertUsage::new(layers.iter().map(routed)),
            config,
            embedding,
            layers,
            output,
            backend,
            device: None,
        };
        model.placed()
    }

    fn layer(&self, at: usize) -> Result<Layer, EngineError> {
        let names = self.names;
        let attention = match &self.config.attention {
            Attention::Latent(shape) => Attend::Latent(Box::new(self.latent(at, shape)?)),
            Attention::Grouped(shape) => Attend::Grouped(Box::new(self.grouped(at, shape)?)),
        };
        let feed = match self.config.feed_forward[at] {
            FeedForward::Dense(width) => Feed::Dense(Box::new(self.gated(&named(names.dense, at), width)?)),
            FeedForward::Experts => {
                let shape = self.config.experts.as_ref();
                let shape = shape.ok_or_else(|| EngineError::config("n_routed_experts", "is missing"))?;
                Feed::Experts(Box::new(self.experts(at, shape)?))
            }
        };
        Ok(Layer {
            attention_norm: self.vector(&name(names.attention_norm, at), self.config.hidden)?,
            attention,
            feed_norm: self.vector(&name(names.feed_norm, at), self.config.hidden)?,
            feed,
        })
    }

    fn grouped(&self, at: usize, shape: &Grouped) -> Result<GroupedWeights, EngineError> {
        let (names, hidden) = (self.names, self.config.hidden);
        let (wide, narrow) = (shape.heads * shape.head, shape.kv_heads * shape.head);
        Ok(GroupedWeights {
            query: self.linear(&name(names.query, at), wide, hidden)?,
            key: self.linear(&name(names.key, at), narrow, hidden)?,
            value: self.linear(&name(names.value, at), narrow, hidden)?,
            output: self.linear(&name(names.attention_output, at), hidden, wide)?,
            query_norm: self.head_norm(&name(names.query_norm, at), shape.head, wide)?,
            key_norm: self.head_norm(&name(names.key_norm, at), shape.head, narrow)?,
        })
    }

    fn latent(&self, at: usize, shape: &Latent) -> Result<LatentWeights, EngineError> {
        let (names, hidden) = (self.names, self.config.hidden);
        let queries = shape.heads * (shape.nope + shape.rotary);
        let query = match shape.query_rank {
            None => Query::Direct(self.linear(&name(names.query, at), queries, hidden)?),
            Some(rank) => Query::Compressed {
                down: self.linear(&name(names.query_down, at), rank, hidden)?,
                norm: self.vector(&name(names.query_down_norm, at), rank)?,
                up: self.linear(&name(names.query_up, at), queries, rank)?,
            },
        };
        let (key_value_up, key_up) = self.latent_up(at, shape)?;
        Ok(LatentWeights {
            query,
            latent: self.linear(&name(names.latent, at), shape.latent + shape.rotary, hidden)?,
            latent_norm: self.vector(&name(names.latent_norm, at), shape.latent)?,
            key_value_up,
            key_up,
            output: self.linear(&name(names.attention_output, at), hidden, shape.heads * shape.value)?,
        })
    }

    /// The projection from the latent to keys and values, and the keys' part transposed. Newer GGUF files keep the keys'
    /// part transposed and the values' part apart.
    fn latent_up(&self, at: usize, shape: &Latent) -> Result<(Matrix, Matrix), EngineError> {
        let Latent { heads, latent, nope, value, .. } = *shape;
        let whole = name(self.names.key_value_up, at);
        if self.checkpoint.find(&whole).is_some() {
            let up = self.matrix(&whole, heads * (nope + value), latent)?;
            let mut turned = vec![0.0; heads * latent * nope];
            let mut row = vec![0.0; latent];
            for (at, turned) in turned.chunks_exact_mut(latent * nope).enumerate() {
                for n in 0..nope {
                    up.widen_row(at * (nope + value) + n, &mut row);
                    row.iter().enumerate().for_each(|(l, value)| turned[l * nope + n] = *value);
                }
            }
            return Ok((up, Matrix::from_f32(heads * latent, nope, &turned)));
        }
        let keys = self.matrix(&name(self.names.key_up, at), heads * latent, nope)?;
        let values = self.matrix(&name(self.names.value_up, at), heads * value, latent)?.to_f32();
        let mut up = Vec::with_capacity(heads * (nope + value) * latent);
        for (turned, values) in keys.to_f32().chunks_exact(latent * nope).zip(values.chunks_exact(value * latent)) {
            for n in 0..nope {
                up.extend((0..latent).map(|l| turned[l * nope + n]));
            }
            up.extend_from_slice(values);
        }
        Ok((Matrix::from_f32(heads * (nope + value), latent, &up), keys))
    }

    fn experts(&self, at: usize, shape: &Experts) -> Result<ExpertWeights, EngineError> {
        let (names, hidden) = (self.names, self.config.hidden);
        let router = self.first(names.router, at);
        let bias =
            names.router_bias.iter().map(|pattern| name(pattern, at)).find(|n| self.checkpoint.find(n).is_some());
        let shared = if shape.shared > 0 {
            let first = named_first(names.shared, at, |n| self.checkpoint.find(n).is_some());
            Some(self.gated(&first, shape.shared)?)
        } else {
            None
        };
        let gate = name(names.shared_gate, at);
        let shared_gate = match self.checkpoint.find(&gate) {
            Some(tensor) if shape.shared > 0 => {
                Some(Matrix::new(&gate, &Tensor { shape: vec![1, hidden], ..tensor.clone() }, 1, hidden)?)
            }
            _ => None,
        };
        Ok(ExpertWeights {
            router: self.matrix(&router, shape.count, hidden)?,
            bias: bias.map(|name| self.vector(&name, shape.count)).transpose()?,
            routed: self.routed(at, shape)?,
            shared,
            shared_gate,
        })
    }

    /// Experts lie in one tensor each, or all of a layer in one.
    fn routed(&self, at: usize, shape: &Experts) -> Result<Vec<Gated>, EngineError> {
        let hidden = self.config.hidden;
        let (count, width) = (shape.count, shape.width);
        let together = named(self.names.experts_together, at);
        if self.checkpoint.find(&together[0]).is_some() {
            let gate = self.matrix(&together[0], count * width, hidden)?;
            let up = self.matrix(&together[1], count * width, hidden)?;
            let down = self.matrix(&together[2], count * hidden, width)?;
            let one = |e: usize| Gated {
                gate: gate.slice(e * width..(e + 1) * width),
                up: up.slice(e * width..(e + 1) * width),
                down: down.slice(e * hidden..(e + 1) * hidden),
            };
            return Ok((0..count).map(one).collect());
        }
        let one = |expert: usize| {
            let is_there = |name: &str| self.checkpoint.find(&of_expert(name, expert)).is_some();
            let names = named_first(self.names.experts, at, is_there).map(|name| of_expert(&name, expert));
            self.gated(&names, width)
        };
        (0..count).map(one).collect()
    }

    /// Gate, up and down of a layer of this width.
    fn gated(&self, names: &[String; 3], width: usize) -> Result<Gated, EngineError> {
        let hidden = self.config.hidden;
        Ok(Gated {
            gate: self.matrix(&names[0], width, hidden)?,
            up: self.matrix(&names[1], width, hidden)?,
            down: self.matrix(&names[2], hidden, width)?,
        })
    }

    fn linear(&self, name: &str, rows: usize, columns: usize) -> Result<Linear, EngineError> {
        let bias = name.replace(".weight", ".bias");
        let bias = self.checkpoint.find(&bias).map(|_| self.vector(&bias, rows)).transpose()?;
        Ok(Linear { weight: self.matrix(name, rows, columns)?, bias })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Matrix, EngineError> {
        let matrix = Matrix::new(name, self.checkpoint.tensor(name)?, rows, columns)?;
        let scales = format!("{name}_scale_inv");
        match self.checkpoint.find(&scales) {
            Some(tensor) => matrix.with_scales(&scales, tensor, self.config.fp8_block),
            None => Ok(matrix),
        }
    }

    fn vector(&self, name: &str, count: usize) -> Result<Vec<f32>, EngineError> {
        let tensor = self.checkpoint.tensor(name)?;
        if tensor.count() != count || !tensor.dtype.is_weight() {
            return Err(EngineError::weight(name, format!("has the shape {:?} instead of [{count}]", tensor.shape)));
        }
        Ok(tensor.to_f32())
    }

    /// A norm of queries or keys, where the checkpoint has one: of each head, or of all together.
    fn head_norm(&self, name: &str, head: usize, all: usize) -> Result<Option<Vec<f32>>, EngineError> {
        let Some(tensor) = self.checkpoint.find(name) else { return Ok(None) };
        let count = if tensor.count() == head { head } else { all };
        self.vector(name, count).map(Some)
    }

    /// The first of these names that the checkpoint has; the first of all where it has none.
    fn first(&self, patterns: &[&str], at: usize) -> String {
        let found = patterns.iter().map(|pattern| name(pattern, at)).find(|n| self.checkpoint.find(n).is_some());
        found.unwrap_or_else(|| name(patterns[0], at))
    }
}

fn name(pattern: &str, layer: usize) -> String {
    pattern.replace("{l}", &layer.to_string())
}

fn of_expert(pattern: &str, expert: usize) -> String {
    pattern.replace("{e}", &expert.to_string())
}

fn named(patterns: [&str; 3], layer: usize) -> [String; 3] {
    patterns.map(|pattern| name(pattern, layer))
}

/// The first of these triples whose first name is there; the first of all where none is.
fn named_first(patterns: &[[&str; 3]], layer: usize, is_there: impl Fn(&str) -> bool) -> [String; 3] {
    let triples = || patterns.iter().map(|triple| named(*triple, layer));
    triples().find(|triple| is_there(&triple[0])).unwrap_or_else(|| named(patterns[0], layer))
}

fn only_gguf(folder: &Path) -> Result<Option<PathBuf>, EngineError> {
    let entries = std::fs::read_dir(folder).map_err(|error| EngineError::file(folder, error))?;
    let is_gguf = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gguf");
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_gguf).collect();
    found.sort();
    Ok(found.into_iter().next())
}

/// A text file of at most so many bytes.
pub(crate) fn read_text(path: &Path, most: u64) -> Result<String, EngineError> {
    let size = std::fs::metadata(path).map_err(|error| EngineError::file(path, error))?.len();
    if size > most {
        return Err(EngineError::malformed(path, "text", format!("it has {size} bytes, and {most} are the most")));
    }
    std::fs::read_to_string(path).map_err(|error| EngineError::file(path, error))
}
