use std::marker::PhantomData;

use crate::id::Id;

#[cfg(test)]
thread_local! {
    /// How many values were looked at, for tests of what an operation costs.
    pub(super) static LOOKS: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// How many values are allocated together.
const PAGE: usize = 64;

/// A value for each id, as [`Dense`](super::dense::Dense) has it, but allocated in pages: it never moves what it has, and holds no
/// more than a page beyond the largest id asked for by [`at`](Pages::at).
#[derive(Clone, Debug)]
pub(super) struct Pages<I, T> {
    pages: Vec<Box<[T; PAGE]>>,
    ids: PhantomData<I>,
}

impl<I: Id, T: Copy + Default + PartialEq> Pages<I, T> {
    #[inline]
    pub(super) fn at(&mut self, id: I) -> &mut T {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        if id.index() / PAGE >= self.pages.len() {
            return self.grow(id);
        }
        &mut self.pages[id.index() / PAGE][id.index() % PAGE]
    }

    /// The value of an id that was asked for before.
    #[inline]
    pub(super) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        #[cfg(test)]
        LOOKS.set(LOOKS.get() + 1);
        self.pages.get_mut(id.index() / PAGE).map(|page| &mut page[id.index() % PAGE])
    }

    #[cold]
    fn grow(&mut self, id: I) -> &mut T {
        self.pages.resize_with(id.index() / PAGE + 1, || Box::new([T::default(); PAGE]));
        &mut self.pages[id.index() / PAGE][id.index() % PAGE]
    }

    /// Gives back memory of the pages past the last one with a value that is not the default.
    pub(super) fn shrink_to_fit(&mut self) {
        let in_use = |page: &[T; PAGE]| page.iter().any(|value| *value != T::default());
        let used = self.pages.iter().rposition(|page| in_use(page)).map_or(0, |last| last + 1);
        self.pages.truncate(used);
        self.pages.shrink_to_fit();
    }
}

impl<I, T> Default for Pages<I, T> {
    fn default() -> Self {
        Self { pages: Vec::new(), ids: PhantomData }
    }
}
