use std::marker::PhantomData;

use crate::id::Id;

/// A value for each id: the default, where none was set. Memory is bounded by the largest id asked for by [`at`](Dense::at).
#[derive(Clone, Debug)]
pub(super) struct Dense<I, T> {
    values: Vec<T>,
    ids: PhantomData<I>,
}

impl<I: Id, T: Copy + Default> Dense<I, T> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    #[inline]
    pub(super) fn get(&self, id: I) -> T {
        self.values.get(id.index()).copied().unwrap_or_default()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        self.values.get_mut(id.index())
    }

    #[inline]
    pub(super) fn at(&mut self, id: I) -> &mut T {
        if id.index() >= self.values.len() {
            return self.grow(id);
        }
        &mut self.values[id.index()]
    }

    #[cold]
    fn grow(&mut self, id: I) -> &mut T {
        self.values.resize(id.index() + 1, T::default());
        &mut self.values[id.index()]
    }

    /// Gives back memory of the ids past the last one whose value is not the default.
    pub(super) fn shrink_to_fit(&mut self)
    where
        T: PartialEq,
    {
        let used = self.values.iter().rposition(|value| *value != T::default()).map_or(0, |last| last + 1);
        self.values.truncate(used);
        self.values.shrink_to_fit();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }
}

impl<I, T> Default for Dense<I, T> {
    fn default() -> Self {
        Self { values: Vec::new(), ids: PhantomData }
    }
}
