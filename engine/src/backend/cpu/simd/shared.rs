//! A buffer that several threads write to, each in places of its own.

use std::marker::PhantomData;

/// A slice that is cut while it is shared.
#[derive(Debug)]
pub(in crate::backend::cpu) struct Shared<'a, T> {
    start: *mut T,
    length: usize,
    lifetime: PhantomData<&'a mut [T]>,
}

// SAFETY: it hands out disjoint places only (the promise of `cut`'s callers), so sharing it is sharing those places.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: it is a slice that may be sent.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(in crate::backend::cpu) fn new(slice: &'a mut [T]) -> Shared<'a, T> {
        Shared { start: slice.as_mut_ptr(), length: slice.len(), lifetime: PhantomData }
    }

    /// The places from `at` on, `count` of them. Callers cut a place once at a time: every user in this folder gives each
    /// task of a crew's run places that are computed from the task's own number, and no two tasks the same.
    ///
    /// # Panics
    /// Where they are not within the slice.
    #[allow(clippy::mut_from_ref, reason = "places are disjoint")]
    pub(in crate::backend::cpu) fn cut(&self, at: usize, count: usize) -> &mut [T] {
        assert!(at.checked_add(count).is_some_and(|end| end <= self.length), "a task writes within its buffer");
        // SAFETY: the places lie within the slice that is borrowed for as long as `self`, and no other task has them.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), count) }
    }
}
