//! The cache of keys and values, or of latents: rows in pages, so that sequences share a prefix and leave no gaps.
//!
//! This holds the numbers; `pages` keeps account of whose they are.

/// Positions in a page. Fewer share more of a prefix, more make longer runs to read; 16 is what others use, too.
pub const PAGE: usize = 16;

/// All layers' rows. Memory is touched when a page is first written.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<Vec<f32>>,
    width: usize,
    pages: usize,
    /// A device's own cache, made by its first pass.
    pub(crate) remote: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl Cache {
    /// Room for so many pages in so many layers, each row having `width` numbers.
    pub fn new(layers: usize, width: usize, pages: usize) -> Cache {
        Cache { layers: (0..layers).map(|_| vec![0.0; pages * PAGE * width]).collect(), width, pages, remote: None }
    }

    /// The same where rows are kept by a device, not here.
    pub(crate) fn elsewhere(width: usize, pages: usize) -> Cache {
        Cache { layers: Vec::new(), width, pages, remote: None }
    }

    /// Pages.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The row of a position in one layer.
    pub fn row_mut(&mut self, layer: usize, pages: &[u32], position: usize) -> &mut [f32] {
        let at = offset(pages, position, self.width);
        &mut self.layers[layer][at..at + self.width]
    }

    /// One layer's rows.
    pub fn layer(&self, layer: usize) -> CacheView<'_> {
        CacheView { rows: &self.layers[layer], width: self.width }
    }
}

/// One layer's rows.
#[derive(Clone, Copy, Debug)]
pub struct CacheView<'a> {
    rows: &'a [f32],
    width: usize,
}

impl<'a> CacheView<'a> {
    /// Of rows that lie in whole pages.
    pub fn new(rows: &'a [f32], width: usize) -> CacheView<'a> {
        CacheView { rows, width }
    }

    /// The row of a position.
    pub fn row(&self, pages: &[u32], position: usize) -> &'a [f32] {
        let at = offset(pages, position, self.width);
        &self.rows[at..at + self.width]
    }

    /// All rows of a page, and the numbers of a row.
    pub fn page(&self, page: u32) -> (&'a [f32], usize) {
        let size = PAGE * self.width;
        (&self.rows[page as usize * size..][..size], self.width)
    }
}

fn offset(pages: &[u32], position: usize, width: usize) -> usize {
    (pages[position / PAGE] as usize * PAGE + position % PAGE) * width
}
