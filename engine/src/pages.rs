//! Whose the cache's pages are: counts of users, shared prefixes, and which page goes first when room is needed.
//!
//! Pure bookkeeping: it touches no numbers. A full page of a prompt is published under the tokens that it holds and the
//! page before it, so that a prompt with the same beginning uses it again. Keys are compared in full: no two beginnings
//! are ever taken for each other.

use std::collections::{BTreeMap, HashMap};

use crate::cache::PAGE;

/// The account of a cache's pages.
#[derive(Debug)]
pub struct Pages {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Published pages by what they hold.
    published: HashMap<Key, u32>,
    /// Published pages that nobody uses, by when they were let go.
    idle: BTreeMap<u64, u32>,
    clock: u64,
    /// The next name of a published beginning.
    next_name: u64,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    users: u32,
    key: Option<Key>,
    /// The name of the beginning that ends with this page.
    name: u64,
    /// Where it is in `idle`.
    idle_since: u64,
}

/// A beginning: the one before this page, and the page's tokens. Zero names the empty beginning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    before: u64,
    tokens: [u32; PAGE],
}

impl Pages {
    /// An account of so many pages, all free.
    pub fn new(count: usize) -> Pages {
        Pages {
            entries: vec![Entry::default(); count],
            free: (0..count as u32).rev().collect(),
            published: HashMap::new(),
            idle: BTreeMap::new(),
            clock: 0,
            next_name: 1,
        }
    }

    /// Pages in all.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Pages that can be had: free ones, and published ones that nobody uses.
    pub fn available(&self) -> usize {
        self.free.len() + self.idle.len()
    }

    /// Published pages that hold the beginning of `tokens`, each now used once more. At least one token is left out, since
    /// somebody must be computed for an answer to begin.
    pub fn reuse(&mut self, tokens: &[u32]) -> Vec<u32> {
        let mut found = Vec::new();
        let mut before = 0;
        let full = tokens.len().saturating_sub(1) / PAGE;
        for part in tokens.chunks_exact(PAGE).take(full) {
            let key = Key { before, tokens: part.try_into().expect("a page's worth") };
            let Some(page) = self.published.get(&key).copied() else { break };
            self.hold(page);
            before = self.entries[page as usize].name;
            found.push(page);
        }
        found
    }

    /// A page to write to, used once. The published page that was let go longest ago makes room.
    pub fn take(&mut self) -> Option<u32> {
        let page = match self.free.pop() {
            Some(page) => page,
            None => {
                let (_, page) = self.idle.pop_first()?;
                let entry = &mut self.entries[page as usize];
                if let Some(key) = entry.key.take() {
                    self.published.remove(&key);
                }
                page
            }
        };
        self.entries[page as usize] = Entry { users: 1, ..Entry::default() };
        Some(page)
    }

    /// Publishes the full pages of a beginning; those published before are left as they are.
    ///
    /// - `pages`: the sequence's pages in order
    /// - `tokens`: the tokens that they hold; a last part that fills no page is not published
    pub fn publish(&mut self, pages: &[u32], tokens: &[u32]) {
        let mut before = 0;
        for (page, part) in pages.iter().zip(tokens.chunks_exact(PAGE)) {
            let key = Key { before, tokens: part.try_into().expect("a page's worth") };
            let entry = &mut self.entries[*page as usize];
            if entry.key.is_none() {
                // Another page holds the same: this one stays private, and what follows hangs on the other.
                if let Some(other) = self.published.get(&key) {
                    before = self.entries[*other as usize].name;
                    continue;
                }
                entry.name = self.next_name;
                self.next_name += 1;
                entry.key = Some(key.clone());
                self.published.insert(key, *page);
            }
            before = self.entries[*page as usize].name;
        }
    }

    /// Lets pages go. Published ones stay for reuse until room is needed.
    ///
    /// # Panics
    /// Where a page is let go more often than it was taken: the account would be wrong from then on.
    pub fn release(&mut self, pages: &[u32]) {
        // The end of a beginning is of less use than its start, so it goes first.
        for page in pages.iter().rev() {
            let entry = &mut self.entries[*page as usize];
            entry.users = entry.users.checked_sub(1).expect("a page is let go once for each time it was taken");
            if entry.users > 0 {
                continue;
            }
            if entry.key.is_some() {
                self.clock += 1;
                entry.idle_since = self.clock;
                self.idle.insert(self.clock, *page);
            } else {
                self.free.push(*page);
            }
        }
    }

    fn hold(&mut self, page: u32) {
        let entry = &mut self.entries[page as usize];
        if entry.users == 0 {
            self.idle.remove(&entry.idle_since);
        }
        entry.users += 1;
    }

    /// Fails where the account contradicts itself.
    #[cfg(test)]
    fn check(&self) {
        let used = self.entries.iter().filter(|entry| entry.users > 0).count();
        assert_eq!(used + self.available(), self.count(), "every page is used, idle or free");
        for (key, page) in &self.published {
            assert_eq!(self.entries[*page as usize].key.as_ref(), Some(key));
        }
        for page in self.idle.values() {
            assert!(self.entries[*page as usize].users == 0 && self.entries[*page as usize].key.is_some());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(count: usize, seed: u32) -> Vec<u32> {
        (0..count as u32).map(|at| at * 7 + seed).collect()
    }

    #[test]
    fn a_beginning_is_used_again_and_never_whole() {
        let mut pages = Pages::new(8);
        let prompt = tokens(2 * PAGE, 1);
        assert_eq!(pages.reuse(&prompt), [0u32; 0]);
        let own = [pages.take().unwrap(), pages.take().unwrap()];
        pages.publish(&own, &prompt);
        assert_eq!(pages.reuse(&prompt), own[..1], "the last token is left to compute");
        let longer = [prompt.clone(), vec![5]].concat();
        assert_eq!(pages.reuse(&longer), own);
        pages.release(&own);
        pages.release(&own[..1]);
        pages.release(&own);
        pages.check();
        assert_eq!(pages.available(), 8);
        assert_eq!(pages.reuse(&longer), own, "idle pages are still there");
    }

    #[test]
    fn the_page_let_go_longest_ago_makes_room_and_is_forgotten() {
        let mut pages = Pages::new(2);
        let (a, b) = (tokens(PAGE, 1), tokens(PAGE, 2));
        for prompt in [&a, &b] {
            let page = pages.take().unwrap();
            pages.publish(&[page], prompt);
            pages.release(&[page]);
        }
        assert!(pages.take().is_some());
        assert!(pages.reuse(&[a, vec![0]].concat()).is_empty());
        assert_eq!(pages.reuse(&[b, vec![0]].concat()).len(), 1);
        assert_eq!(pages.take(), None);
        pages.check();
    }

    #[test]
    fn two_that_computed_the_same_share_what_follows() {
        let mut pages = Pages::new(4);
        let prompt = tokens(2 * PAGE, 3);
        let (first, second) = (pages.take().unwrap(), pages.take().unwrap());
        pages.publish(&[first], &prompt[..PAGE]);
        let after = pages.take().unwrap();
        pages.publish(&[second, after], &prompt);
        assert_eq!(pages.reuse(&[prompt, vec![1]].concat()), [first, after]);
        pages.check();
    }

    #[test]
    #[should_panic(expected = "let go once")]
    fn letting_go_twice_is_noticed() {
        let mut pages = Pages::new(1);
        let page = pages.take().unwrap();
        pages.release(&[page, page]);
    }
}
