//! Keys that collide, panic or call the pool when they are told to.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::Act;

/// What all keys of one test do when they are hashed, compared, cloned and dropped.
#[derive(Default)]
pub(crate) struct Manners {
    /// How many keys there are.
    pub(crate) live: Cell<i64>,
    /// All hashes are the same.
    pub(crate) collide: Cell<bool>,
    /// The n-th call of that name from now panics.
    pub(crate) panics: Cell<Option<(&'static str, u32)>>,
    /// Called with `hash`, `eq`, `clone` or `drop`.
    pub(crate) act: RefCell<Option<Act>>,
}

impl Manners {
    fn call(&self, name: &'static str) {
        let act = self.act.borrow().clone();
        act.iter().for_each(|act| act(name));
        // A `Drop` that panics while the thread unwinds ends the process, with or without a pool.
        if self.panics.get().is_some_and(|(what, _)| what == name) && !std::thread::panicking() {
            let left = self.panics.get().map_or(0, |(_, nth)| nth - 1);
            self.panics.set((left > 0).then_some((name, left)));
            assert!(left > 0, "expected panic in {name}");
        }
    }

    /// A key of that name with these manners.
    pub(crate) fn key(self: &Rc<Self>, name: u32) -> Key {
        self.live.set(self.live.get() + 1);
        Key(name, Rc::clone(self))
    }
}

/// A key with bad manners.
pub(crate) struct Key(pub(crate) u32, Rc<Manners>);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.1.call("hash");
        state.write_u32(if self.1.collide.get() { 7 } else { self.0 });
    }
}
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.1.call("eq");
        self.0 == other.0
    }
}
impl Eq for Key {}
impl Clone for Key {
    fn clone(&self) -> Self {
        self.1.call("clone");
        self.1.key(self.0)
    }
}
impl Drop for Key {
    fn drop(&mut self) {
        self.1.live.set(self.1.live.get() - 1);
        self.1.call("drop");
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.0)
    }
}
