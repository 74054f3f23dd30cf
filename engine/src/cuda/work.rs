//! What a pass is given: tokens, positions, places in the cache and tables of pages, in one buffer of whole numbers.

use std::sync::Arc;

use super::device::Device;
use super::{DeviceState, ops};
use crate::cache::PAGE;
use crate::error::EngineError;
use crate::model::{Pass, Span, Wanted};

/// A shape of a step that is recorded once: rows, pages in a table, splits of the context.
pub(super) type RecordingKey = (usize, usize, usize);

/// Most rows of a recorded step; more are launched one by one.
const RECORDED_ROWS_MAX: usize = 256;

/// A prefilling span.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanAt {
    pub row: usize,
    pub start: usize,
    pub count: usize,
    /// Where its table is, in whole numbers from the tables' start.
    table: usize,
}

/// The rows of one pass.
#[derive(Debug)]
pub(super) struct Work {
    /// Rows in all, those that decode, and those that were asked for before filling up.
    pub rows: usize,
    pub decode: usize,
    pub rows_real: usize,
    /// Rows whose logits are wanted, those among them that take the arithmetic for few, and those that were asked for.
    pub wanted: usize,
    pub wanted_few: usize,
    pub wanted_real: usize,
    pub table_stride: usize,
    pub splits: usize,
    pub spans: Vec<SpanAt>,
    inputs: u64,
    is_recordable: bool,
}

impl Work {
    /// Puts the inputs of spans on the device. A batch that only decodes is filled up to a power of two where it may be recorded.
    pub(super) fn new(
        spans: &[Span<'_>],
        state: &mut DeviceState,
        device: &Arc<dyn Device>,
        recordable: bool,
    ) -> Result<Work, EngineError> {
        let decoding: Vec<&Span<'_>> = spans.iter().filter(|span| span.pass == Pass::Decode).collect();
        let decode: usize = decoding.iter().map(|span| span.tokens.len()).sum();
        let rows: usize = spans.iter().map(|span| span.tokens.len()).sum();
        let is_recordable = recordable && decode == rows && rows <= RECORDED_ROWS_MAX;
        let filled = if is_recordable { rows.next_power_of_two() } else { rows };
        let longest = decoding.iter().map(|span| span.start + span.tokens.len()).max().unwrap_or(1);
        let table_stride = longest.div_ceil(PAGE).next_power_of_two();
        let splits = longest.div_ceil(ops::SPLIT).next_power_of_two();
        let spare = state.pages as u32;
        let (mut tokens, mut positions, mut slots) = (Vec::new(), Vec::new(), Vec::new());
        let (mut wanted, mut tables, mut placed, mut wanted_few) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for span in spans {
            let (row, count) = (tokens.len(), span.tokens.len());
            tokens.extend_from_slice(span.tokens);
            for position in span.start..span.start + count {
                positions.push(position as u32);
                slots.push(span.pages[position / PAGE] * PAGE as u32 + (position % PAGE) as u32);
                if span.pass == Pass::Decode {
                    let used = span.pages.len().min(table_stride);
                    tables.extend_from_slice(&span.pages[..used]);
                    tables.extend(std::iter::repeat_n(spare, table_stride - used));
                }
            }
            let first = first_wanted(span);
            wanted.extend((row + first..row + count).map(|row| row as u32));
            if span.wanted == Wanted::Last || span.pass == Pass::Decode {
                wanted_few += count - first;
            }
            if span.pass == Pass::Prefill {
                placed.push(SpanAt { row, start: span.start, count, table: 0 });
            }
        }
        let wanted_real = wanted.len();
        for row in rows..filled {
            tokens.push(0);
            positions.push(0);
            slots.push(spare * PAGE as u32);
            tables.extend(std::iter::repeat_n(spare, table_stride));
            wanted.push(row as u32);
            wanted_few += 1;
        }
        for (at, span) in placed.iter_mut().zip(spans.iter().filter(|span| span.pass == Pass::Prefill)) {
            at.table = tables.len();
            tables.extend_from_slice(&span.pages[..(at.start + at.count).div_ceil(PAGE)]);
        }
        let wanted_count = wanted.len();
        let all = [tokens, positions, slots, wanted, tables].concat();
        let bytes: Vec<u8> = all.iter().flat_map(|number| number.to_le_bytes()).collect();
        let inputs = state.buffer(device, "inputs", bytes.len().next_power_of_two())?;
        device.upload(inputs, &bytes)?;
        Ok(Work {
            rows: filled,
            decode: if is_recordable { filled } else { decode },
            rows_real: rows,
            wanted: wanted_count,
            wanted_few,
            wanted_real,
            table_stride,
            splits,
            spans: placed,
            inputs,
            is_recordable,
        })
    }

    /// Where the tokens are: `[rows]`.
    pub(super) fn tokens(&self) -> u64 {
        self.inputs
    }

    /// Where the positions are: `[rows]`.
    pub(super) fn positions(&self) -> u64 {
        self.inputs + 4 * self.rows as u64
    }

    /// Where the places in the cache are: `[rows]`.
    pub(super) fn slots(&self) -> u64 {
        self.inputs + 8 * self.rows as u64
    }

    /// Where the rows are whose logits are wanted: `[wanted]`.
    pub(super) fn wanted_rows(&self) -> u64 {
        self.inputs + 12 * self.rows as u64
    }

    /// Where the decoding rows' pages are: `[decode, table_stride]`.
    pub(super) fn tables(&self) -> u64 {
        self.wanted_rows() + 4 * self.wanted as u64
    }

    /// Where a prefilling span's pages are.
    pub(super) fn span_table(&self, span: &SpanAt) -> u64 {
        self.tables() + 4 * span.table as u64
    }

    /// Under which shape the pass may be recorded.
    pub(super) fn recording_key(&self) -> Option<RecordingKey> {
        // Every row wanted is what makes the shape depend on these three alone.
        (self.is_recordable && self.wanted == self.rows).then_some((self.rows, self.table_stride, self.splits))
    }
}

/// The first of a span's tokens whose logits are wanted; how many tokens there are where nobody's are.
fn first_wanted(span: &Span<'_>) -> usize {
    match span.wanted {
        Wanted::None => span.tokens.len(),
        Wanted::Last => span.tokens.len() - 1,
        Wanted::All => 0,
    }
}
