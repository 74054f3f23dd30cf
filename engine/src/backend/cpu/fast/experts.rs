//! Routed experts: tokens are sorted by expert, so that each expert's weights are read once for all of its tokens.

use super::super::simd::{Job, Rounded, multiply};
use super::Fast;
use crate::backend::{Gated, Routes};
use crate::weights::Dtype;

/// Tokens that go to one expert: rows of the sorted buffers.
struct Load<'a> {
    expert: &'a Gated,
    first: usize,
    count: usize,
}

impl Fast {
    pub(super) fn run_experts(&self, experts: &[Gated], x: &[f32], routes: &Routes, y: &mut [f32], decode: usize) {
        let hidden = experts[0].gate.columns();
        let few = decode * hidden;
        for (part, pass) in [(0..decode, true), (decode..x.len() / hidden, false)] {
            if part.is_empty() {
                continue;
            }
            let chosen = part.start * routes.chosen..part.end * routes.chosen;
            let (x, y) = if pass { (&x[..few], &mut y[..few]) } else { (&x[few..], &mut y[few..]) };
            self.run_part(experts, x, &routes.experts[chosen.clone()], &routes.weights[chosen], y, pass);
        }
    }

    fn run_part(&self, experts: &[Gated], x: &[f32], ids: &[u32], weights: &[f32], y: &mut [f32], is_decode: bool) {
        let (hidden, width) = (experts[0].gate.columns(), experts[0].gate.rows());
        let chosen = ids.len() / (x.len() / hidden);
        // Sorted by expert, and by token within: where each choice's row is.
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|choice| (ids[*choice], *choice));
        let mut gathered = Vec::with_capacity(ids.len() * hidden);
        for choice in &order {
            gathered.extend_from_slice(&x[choice / chosen * hidden..][..hidden]);
        }
        let loads = loads(experts, &order, ids);
        let mut gate = vec![0.0; ids.len() * width];
        let mut up = vec![0.0; ids.len() * width];
        self.multiply_loads(
            &loads,
            &gathered,
            &mut [(|g: &Gated| &g.gate, &mut gate), (|g: &Gated| &g.up, &mut up)],
            is_decode,
        );
        self.gate(&mut gate, &up);
        let mut out = vec![0.0; ids.len() * hidden];
        self.multiply_loads(&loads, &gate, &mut [(|g: &Gated| &g.down, &mut out)], is_decode);
        // `order` ascends by expert, so each token's sum is made in ascending order of experts.
        for (row, choice) in order.iter().enumerate() {
            let y = &mut y[choice / chosen * hidden..][..hidden];
            self.isa.add_scaled(weights[*choice], &out[row * hidden..][..hidden], y);
        }
    }

    /// Every load's rows of `x` times one of its expert's matrices, for each of the outputs.
    fn multiply_loads(&self, loads: &[Load<'_>], x: &[f32], outputs: &mut [Output<'_>], is_decode: bool) {
        let columns = (outputs[0].0)(loads[0].expert).columns();
        let types = || loads.iter().flat_map(|load| outputs.iter().map(|(of, _)| of(load.expert).dtype()));
        let coarse = (is_decode && types().any(Dtype::is_blocked)).then(|| self.round::<i8>(x, columns));
        let fine = (!is_decode && types().any(Dtype::has_parts)).then(|| self.round::<i16>(x, columns));
        let mut jobs = Vec::with_capacity(loads.len() * outputs.len());
        for (of, y) in outputs {
            let mut rest: &mut [f32] = y;
            for load in loads {
                let weight = of(load.expert);
                let (y, after) = rest.split_at_mut(load.count * weight.rows());
                rest = after;
                let x = &x[load.first * columns..(load.first + load.count) * columns];
                let rounded = match (&coarse, &fine) {
                    (Some(coarse), _) => Rounded::Coarse(coarse, load.first),
                    (_, Some(fine)) => Rounded::Fine(fine, load.first),
                    _ => Rounded::Not,
                };
                jobs.push(if is_decode {
                    Job::decode(weight, x, rounded, y)
                } else {
                    Job::prefill(weight, x, rounded, y)
                });
            }
        }
        multiply(&self.crew, self.isa, &jobs);
    }
}

/// Which of an expert's matrices, and where the products go.
type Output<'a> = (for<'g> fn(&'g Gated) -> &'g crate::weights::Matrix, &'a mut [f32]);

fn loads<'a>(experts: &'a [Gated], order: &[usize], ids: &[u32]) -> Vec<Load<'a>> {
    let mut loads: Vec<Load<'a>> = Vec::new();
    let mut last = None;
    for (row, choice) in order.iter().enumerate() {
        if last == Some(ids[*choice]) {
            loads.last_mut().expect("a load was begun for this expert").count += 1;
        } else {
            loads.push(Load { expert: &experts[ids[*choice] as usize], first: row, count: 1 });
            last = Some(ids[*choice]);
        }
    }
    loads
}
