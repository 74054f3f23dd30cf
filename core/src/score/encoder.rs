//! The compact encoder: what the words of a question foretell, in sixteen numbers.
//!
//! Each bucket of words and pairs of words (`grams`) has sixteen small weights; a text's numbers are their sums over the
//! root of how many there are, in units of how much they vary among the questions that the weights were trained on. The
//! first four foretell how easy a question is, for knowledge, puzzles, programs and mathematics; the next four how much a
//! strong model gains on one of three quarters of its quality, in the same order; the rest tell sets of questions apart.
//!
//! The weights ship as `data/encoder.bin`; `data/encoder.md` says from which data, under which licences, and which
//! command makes them again. They are trained by ridge regression and hold nothing of the questions but those sums.

use std::fmt;
use std::sync::Arc;

use super::grams::BUCKETS;

/// How many numbers there are.
pub(super) const DIMS: usize = 16;
/// How many of them tell how easy a question is, and after these how much a strong model gains.
const FAMILIES: usize = 4;

const MAGIC: &[u8] = b"tierway encoder 1\n";
/// Bytes before the weights: an id, then means and scales.
const HEAD: usize = MAGIC.len() + 4 + 2 * DIMS * 4;
/// A number beyond this many deviations says no more.
const DEVIATIONS_MAX: f32 = 3.0;

/// How much one deviation of each number moves a question on the scale of abilities.
const MOVE: f32 = 0.03;
/// The words alone move it by no more than this.
const MOVE_MAX: f32 = 0.2;

#[cfg(feature = "encoder")]
static SHIPPED: &[u8] = include_bytes!("data/encoder.bin");

/// Weights that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are no weights of an encoder: {what}; take a file that `tierway-trainer` of this version wrote")]
pub struct BadWeights {
    /// What is wrong.
    pub what: String,
}

/// Weights, ready to be used. Cheap to clone.
#[derive(Clone)]
pub(super) struct Encoder {
    /// Tells these weights from others; never zero.
    id: u32,
    means: [f32; DIMS],
    scales: [f32; DIMS],
    /// By bucket, then by number.
    weights: Weights,
}

#[derive(Clone)]
enum Weights {
    #[cfg(feature = "encoder")]
    Shipped(&'static [u8]),
    Own(Arc<[u8]>),
}

impl fmt::Debug for Encoder {
    /// Names the weights, and shows none of half a million.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Encoder {
    /// The weights that ship with this version; none where the feature is off.
    #[cfg(feature = "encoder")]
    pub(super) fn builtin() -> Option<Encoder> {
        let parsed = Encoder::read(SHIPPED).expect("the shipped weights are tested to parse");
        Some(Encoder { weights: Weights::Shipped(&SHIPPED[HEAD..]), ..parsed })
    }

    /// The weights that ship with this version; none where the feature is off.
    #[cfg(not(feature = "encoder"))]
    pub(super) fn builtin() -> Option<Encoder> {
        None
    }

    /// Reads a file of weights.
    pub(super) fn parse(bytes: &[u8]) -> Result<Encoder, BadWeights> {
        let parsed = Encoder::read(bytes)?;
        Ok(Encoder { weights: Weights::Own(Arc::from(&bytes[HEAD..])), ..parsed })
    }

    /// All but the weights.
    fn read(bytes: &[u8]) -> Result<Encoder, BadWeights> {
        let bad = |what: &str| BadWeights { what: what.to_owned() };
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("they do not begin as such"))?;
        let length = HEAD + BUCKETS * DIMS;
        if bytes.len() != length {
            return Err(bad(&format!("they have {} bytes, not {length}", bytes.len())));
        }
        let four = |at: usize| [0, 1, 2, 3].map(|byte| rest[4 * at + byte]);
        let number = |at: usize| f32::from_le_bytes(four(1 + at));
        let means = std::array::from_fn(number);
        let scales: [f32; DIMS] = std::array::from_fn(|at| number(DIMS + at));
        if means.iter().chain(&scales).any(|number| !number.is_finite()) {
            return Err(bad("a mean or scale is no number"));
        }
        Ok(Encoder { id: u32::from_le_bytes(four(0)).max(1), means, scales, weights: Weights::Own(Arc::from([])) })
    }

    /// Tells these weights from others; never zero.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// The numbers of a text whose words fall in these buckets; zeros where it has none.
    pub(super) fn encode(&self, buckets: &[u16]) -> [f32; DIMS] {
        if buckets.is_empty() {
            return [0.0; DIMS];
        }
        let sums = self.sums(buckets);
        let root = (buckets.len() as f32).sqrt();
        std::array::from_fn(|at| {
            let number = (sums[at] as f32 / root - self.means[at]) * self.scales[at];
            number.clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX)
        })
    }

    fn sums(&self, buckets: &[u16]) -> [i32; DIMS] {
        let weights: &[u8] = match &self.weights {
            #[cfg(feature = "encoder")]
            Weights::Shipped(weights) => weights,
            Weights::Own(weights) => weights,
        };
        let (rows, _) = weights.as_chunks::<DIMS>();
        let mut sums = [0i32; DIMS];
        for bucket in buckets {
            let row = &rows[usize::from(*bucket)];
            for at in 0..DIMS {
                sums[at] += i32::from(row[at] as i8);
            }
        }
        sums
    }
}

/// How far the words move a question on the scale of abilities: up where it is hard, or where a strong model gains.
pub(super) fn shift(numbers: &[f32; DIMS]) -> f64 {
    let sum = |numbers: &[f32]| numbers.iter().sum::<f32>();
    let moved = MOVE * (sum(&numbers[FAMILIES..2 * FAMILIES]) - sum(&numbers[..FAMILIES]));
    f64::from(moved.clamp(-MOVE_MAX, MOVE_MAX))
}

/// Writes a file of weights: an id that tells them from others, means and scales of the sums, then weights by bucket and
/// number.
///
/// # Panics
/// Where there are not 16 means and scales and 32,768 x 16 weights.
pub fn write_weights(means: &[f32], scales: &[f32], weights: &[i8]) -> Vec<u8> {
    assert_eq!((means.len(), scales.len(), weights.len()), (DIMS, DIMS, BUCKETS * DIMS), "one of each is there");
    let mut body = Vec::with_capacity(HEAD + weights.len());
    means.iter().chain(scales).for_each(|number| body.extend(number.to_le_bytes()));
    body.extend(weights.iter().map(|weight| *weight as u8));
    let id = body.iter().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    [MAGIC, &id.to_le_bytes(), &body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_scaled_and_bad_files_are_refused() {
        let mut weights = vec![0i8; BUCKETS * DIMS];
        weights[7 * DIMS] = 100;
        weights[9 * DIMS] = -100;
        weights[9 * DIMS + 5] = 60;
        let file = write_weights(&[0.0; DIMS], &[0.01; DIMS], &weights);
        let encoder = Encoder::parse(&file).unwrap();
        assert_eq!(encoder.encode(&[]), [0.0; DIMS]);
        let numbers = encoder.encode(&[7, 9, 11, 13]);
        assert!(numbers[0] == 0.0 && (numbers[5] - 0.3).abs() < 1e-6, "{numbers:?}");
        assert!((shift(&numbers) - 0.009).abs() < 1e-6);
        assert!(format!("{encoder:?}").len() < 100);
        assert_eq!(encoder.encode(&[7])[0], 1.0);
        for bad in [&file[1..], &file[..file.len() - 1], MAGIC, b""] {
            assert!(Encoder::parse(bad).is_err());
        }
        let nothing = write_weights(&[f32::NAN; DIMS], &[0.01; DIMS], &weights);
        assert!(Encoder::parse(&nothing).unwrap_err().to_string().contains("no number"));
    }
}
