//! The reference design, as the baseline it is: a bounded free list, searched from its end, keys compared name by
//! name, allocated on acquire and cloned on release. (`SessionPool` of lean-rs-host 0.6, without Lean.)

use std::cell::RefCell;

/// A pool of that design.
#[derive(Debug)]
pub struct ReferencePool<R> {
    free: RefCell<Vec<(Vec<String>, R)>>,
    capacity: usize,
}

/// A lease of that design.
#[derive(Debug)]
pub struct ReferenceLease<'p, R> {
    pool: &'p ReferencePool<R>,
    key: Vec<String>,
    value: Option<R>,
}

impl<R> std::ops::Deref for ReferenceLease<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.value.as_ref().expect("a lease holds its resource")
    }
}

impl<R> ReferencePool<R> {
    /// An empty pool.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { free: RefCell::new(Vec::new()), capacity }
    }

    /// Takes the entry of that key that was released last, or opens one.
    pub fn acquire(&self, imports: &[&str], open: impl FnOnce() -> R) -> ReferenceLease<'_, R> {
        let key: Vec<String> = imports.iter().map(|&name| name.to_owned()).collect();
        let mut free = self.free.borrow_mut();
        let found = free.iter().rposition(|(known, _)| *known == key).map(|at| free.remove(at).1);
        drop(free);
        let value = Some(found.unwrap_or_else(open));
        ReferenceLease { pool: self, key, value }
    }
}

impl<R> ReferenceLease<'_, R> {
    /// What was leased.
    #[must_use]
    pub fn value(&self) -> Option<&R> {
        self.value.as_ref()
    }
}

impl<R> Drop for ReferenceLease<'_, R> {
    fn drop(&mut self) {
        let mut free = self.pool.free.borrow_mut();
        if let Some(value) = self.value.take() {
            if free.len() < self.pool.capacity {
                free.push((self.key.clone(), value));
            }
        }
    }
}
