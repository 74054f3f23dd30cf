//! Extremely randomised trees (Geurts, Ernst and Wehenkel, Machine Learning 63, 2006), used twice: the trees say which
//! past cases are like a new one, and any quantity of those past cases can then be averaged over them.
//!
//! With few hundred noisy labels, random cuts and large leaves do better than boosting; `docs/benchmarks.md` has the
//! comparison.

use super::random::Seeded;

/// Rows of equal length, row-major.
#[derive(Clone, Debug, Default)]
pub struct Table {
    width: usize,
    values: Vec<f32>,
}

impl Table {
    /// An empty table of rows of this many values.
    pub fn new(width: usize) -> Table {
        Table { width, values: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Where the row has another length.
    pub fn push(&mut self, row: &[f32]) {
        assert_eq!(row.len(), self.width, "a row has as many values as the table is wide");
        self.values.extend_from_slice(row);
    }

    /// How many values a row has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A row.
    pub fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }
}

/// How a forest grows.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    /// How many trees.
    pub trees: usize,
    /// Least cases in a leaf.
    pub leaf_min: usize,
    /// Which share of the columns is tried at each cut.
    pub columns: f64,
    /// Which share of the cases, drawn anew, each tree grows on: the others can be predicted by trees that did not see them.
    pub cases: f64,
    /// Where the random numbers start.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The column to compare; of a leaf, its number.
    column: u32,
    cut: f32,
    /// The left child; the right one follows it. Zero in a leaf.
    left: u32,
}

/// One tree: where each case ends up.
#[derive(Clone, Debug)]
struct Tree {
    nodes: Vec<Node>,
    leaves: usize,
}

impl Tree {
    fn leaf_of(&self, row: &[f32]) -> usize {
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            if node.left == 0 {
                return node.column as usize;
            }
            at = node.left as usize + usize::from(row[node.column as usize] > node.cut);
        }
    }
}

/// Trees, and in which leaf of each the cases they were given lie.
#[derive(Clone, Debug)]
pub struct Forest {
    trees: Vec<Tree>,
    /// By tree, then by case: the leaf, and whether the tree grew on the case.
    leaves: Vec<Vec<(u32, bool)>>,
}

impl Forest {
    /// Grows trees over the rows `cases` of a table, so that cases in a leaf have like targets. `targets` go with `cases`.
    pub fn grow(table: &Table, cases: &[usize], targets: &[f64], growth: Growth) -> Forest {
        let mut random = Seeded::new(growth.seed);
        let mut forest = Forest { trees: Vec::new(), leaves: Vec::new() };
        let drawn = ((cases.len() as f64 * growth.cases).ceil() as usize).min(cases.len());
        let mut all: Vec<u32> = (0..cases.len() as u32).collect();
        for _ in 0..growth.trees {
            if drawn < cases.len() {
                random.shuffle(&mut all);
            }
            let mut grower =
                Grower { table, cases, targets, growth, nodes: Vec::new(), leaf_of: vec![0; cases.len()], leaves: 0 };
            grower.nodes.push(Node { column: 0, cut: 0.0, left: 0 });
            let (inside, outside) = all.split_at_mut(drawn);
            grower.split(0, inside, &mut random);
            let tree = Tree { nodes: grower.nodes, leaves: grower.leaves };
            let mut leaves: Vec<(u32, bool)> = grower.leaf_of.iter().map(|leaf| (*leaf, true)).collect();
            for case in outside {
                leaves[*case as usize] = (tree.leaf_of(table.row(cases[*case as usize])) as u32, false);
            }
            forest.trees.push(tree);
            forest.leaves.push(leaves);
        }
        forest
    }

    /// Averages a quantity of the cases that it was given, leaf by leaf, over those that the tree grew on.
    pub fn average(&self, quantity: &[f64]) -> Averages {
        let of_tree = |(tree, leaves): (&Tree, &Vec<(u32, bool)>)| {
            let mut sums = vec![(0.0, 0u32); tree.leaves];
            for ((leaf, _), value) in leaves.iter().zip(quantity).filter(|((_, inside), _)| *inside) {
                sums[*leaf as usize].0 += value;
                sums[*leaf as usize].1 += 1;
            }
            sums.into_iter().map(|(sum, count)| (sum / f64::from(count.max(1))) as f32).collect()
        };
        Averages { by_tree: self.trees.iter().zip(&self.leaves).map(of_tree).collect() }
    }

    /// What these averages say of each case that the forest was given, by the trees that did not grow on it alone; by all
    /// trees where all did.
    pub fn outside(&self, averages: &Averages) -> Vec<f64> {
        let count = self.leaves.first().map_or(0, Vec::len);
        let (mut apart, mut whole) = (vec![(0.0, 0u32); count], vec![0.0; count]);
        for (leaves, means) in self.leaves.iter().zip(&averages.by_tree) {
            for (case, (leaf, inside)) in leaves.iter().enumerate() {
                let mean = f64::from(means[*leaf as usize]);
                whole[case] += mean;
                if !inside {
                    apart[case].0 += mean;
                    apart[case].1 += 1;
                }
            }
        }
        let trees = self.trees.len().max(1) as f64;
        let of =
            |((sum, count), whole): ((f64, u32), f64)| if count > 0 { sum / f64::from(count) } else { whole / trees };
        apart.into_iter().zip(whole).map(of).collect()
    }

    /// Where a new case lies, tree by tree.
    pub fn place(&self, row: &[f32]) -> Vec<u32> {
        self.trees.iter().map(|tree| tree.leaf_of(row) as u32).collect()
    }
}

/// A quantity, averaged by leaf.
#[derive(Clone, Debug)]
pub struct Averages {
    by_tree: Vec<Vec<f32>>,
}

impl Averages {
    /// What is expected of a case that lies in these leaves.
    pub fn at(&self, place: &[u32]) -> f64 {
        let sum: f64 = self.by_tree.iter().zip(place).map(|(leaves, leaf)| f64::from(leaves[*leaf as usize])).sum();
        sum / self.by_tree.len().max(1) as f64
    }
}

struct Grower<'a> {
    table: &'a Table,
    cases: &'a [usize],
    targets: &'a [f64],
    growth: Growth,
    nodes: Vec<Node>,
    leaf_of: Vec<u32>,
    leaves: usize,
}

impl Grower<'_> {
    fn value(&self, case: u32, column: usize) -> f32 {
        self.table.row(self.cases[case as usize])[column]
    }

    fn split(&mut self, node: usize, cases: &mut [u32], random: &mut Seeded) {
        let best = if cases.len() >= 2 * self.growth.leaf_min { self.best_cut(cases, random) } else { None };
        let Some((column, cut)) = best else { return self.close(node, cases) };
        let mut middle = 0;
        for at in 0..cases.len() {
            if self.value(cases[at], column) <= cut {
                cases.swap(at, middle);
                middle += 1;
            }
        }
        let left = self.nodes.len() as u32;
        self.nodes[node] = Node { column: column as u32, cut, left };
        self.nodes.extend([Node { column: 0, cut: 0.0, left: 0 }; 2]);
        let (before, after) = cases.split_at_mut(middle);
        self.split(left as usize, before, random);
        self.split(left as usize + 1, after, random);
    }

    fn close(&mut self, node: usize, cases: &[u32]) {
        self.nodes[node] = Node { column: self.leaves as u32, cut: 0.0, left: 0 };
        cases.iter().for_each(|case| self.leaf_of[*case as usize] = self.leaves as u32);
        self.leaves += 1;
    }

    /// The best of one random cut in each of some random columns, by how much it lessens the targets' variance.
    fn best_cut(&self, cases: &[u32], random: &mut Seeded) -> Option<(usize, f32)> {
        let width = self.table.width();
        let tries = ((width as f64 * self.growth.columns).ceil() as usize).clamp(1, width);
        let total: f64 = cases.iter().map(|case| self.targets[*case as usize]).sum();
        let mut columns: Vec<usize> = (0..width).collect();
        let mut best: Option<(f64, usize, f32)> = None;
        for at in 0..tries {
            let other = at + random.below(width - at);
            columns.swap(at, other);
            let column = columns[at];
            let (mut least, mut most) = (f32::INFINITY, f32::NEG_INFINITY);
            for case in cases {
                let value = self.value(*case, column);
                least = least.min(value);
                most = most.max(value);
            }
            let cut = least + (most - least) * random.unit() as f32;
            if least >= most || cut >= most {
                continue;
            }
            let (mut count, mut sum) = (0usize, 0.0);
            for case in cases {
                if self.value(*case, column) <= cut {
                    count += 1;
                    sum += self.targets[*case as usize];
                }
            }
            let others = cases.len() - count;
            if count < self.growth.leaf_min || others < self.growth.leaf_min {
                continue;
            }
            let rest = total - sum;
            let merit = sum * sum / count as f64 + rest * rest / others as f64;
            if best.is_none_or(|(most, ..)| merit > most) {
                best = Some((merit, column, cut));
            }
        }
        best.map(|(_, column, cut)| (column, cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_learnt_and_repeated_bit_for_bit() {
        let mut random = Seeded::new(1);
        let mut table = Table::new(3);
        let mut targets = Vec::new();
        for _ in 0..400 {
            let row = [random.unit() as f32, random.unit() as f32, 0.5];
            targets.push(f64::from(row[0] > 0.6) + 0.3 * (random.unit() - 0.5));
            table.push(&row);
        }
        let cases: Vec<usize> = (0..400).collect();
        let growth = Growth { trees: 40, leaf_min: 8, columns: 0.7, cases: 1.0, seed: 7 };
        let predict = |row: &[f32]| {
            let forest = Forest::grow(&table, &cases, &targets, growth);
            forest.average(&targets).at(&forest.place(row))
        };
        assert!(predict(&[0.9, 0.5, 0.5]) > 0.85);
        assert!(predict(&[0.2, 0.5, 0.5]) < 0.15);
        assert_eq!(predict(&[0.61, 0.1, 0.5]).to_bits(), predict(&[0.61, 0.1, 0.5]).to_bits());
    }
}
