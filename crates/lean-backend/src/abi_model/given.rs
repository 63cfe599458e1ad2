//! An owned argument: one reference that a function was given and releases, exactly once, however it ends.

use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lean_sys::{lean_is_scalar, lean_object};

use super::ledger::{self, Kind};
use super::objects;
use super::outcome::Facts;
use super::violation::violation;

pub(super) struct Given {
    function: &'static str,
    object: *mut lean_object,
}

impl Given {
    pub(super) fn string(function: &'static str, object: *mut lean_object) -> Self {
        require(function, object, "a String", |kind| matches!(kind, Kind::String).then_some(()));
        Self { function, object }
    }

    pub(super) fn array(function: &'static str, object: *mut lean_object) -> Self {
        require(function, object, "an Array", |kind| matches!(kind, Kind::Array).then_some(()));
        Self { function, object }
    }

    pub(super) fn io_error(function: &'static str, object: *mut lean_object) -> Self {
        require(function, object, "an IO.Error", |kind| matches!(kind, Kind::IoError).then_some(()));
        Self { function, object }
    }

    pub(super) fn environment(function: &'static str, object: *mut lean_object) -> (Self, Facts) {
        let facts = require(function, object, "an Environment", |kind| match kind {
            Kind::Environment(facts) => Some(facts),
            _ => None,
        });
        (Self { function, object }, facts)
    }

    pub(super) fn cancel_token(function: &'static str, object: *mut lean_object) -> (Self, Arc<AtomicBool>) {
        let flag = require(function, object, "a CancelToken", |kind| match kind {
            Kind::CancelToken(flag) => Some(flag),
            _ => None,
        });
        (Self { function, object }, flag)
    }

    /// The object, whose reference the caller takes over.
    pub(super) fn into_object(self) -> *mut lean_object {
        ManuallyDrop::new(self).object
    }

    /// The text of a `String`, or the message of an `IO.Error`.
    pub(super) fn text(&self) -> String {
        // SAFETY: alive, since this value owns a reference.
        match unsafe { objects::fields(self.object) }.first() {
            Some(message) => text(self.function, *message),
            None => text(self.function, self.object),
        }
    }

    /// The texts of an `Array String`.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().into_iter().map(|item| text(self.function, item)).collect()
    }

    /// What an `Array` holds, borrowed.
    pub(super) fn items(&self) -> Vec<*mut lean_object> {
        // SAFETY: alive, since this value owns a reference.
        unsafe { objects::fields(self.object) }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        ledger::release(self.function, self.object);
    }
}

fn text(function: &str, object: *mut lean_object) -> String {
    require(function, object, "a String", |kind| matches!(kind, Kind::String).then_some(()));
    // SAFETY: a live string, as was just looked up.
    unsafe { objects::text(object) }
}

/// What `accept` finds in the kind of `object`, which must be alive.
fn require<T>(
    function: &str,
    object: *mut lean_object,
    expected: &str,
    accept: impl FnOnce(Kind) -> Option<T>,
) -> T {
    if lean_is_scalar(object) {
        violation(&format!("{function}: expected {expected}, found a boxed scalar"));
    }
    let kind = ledger::look(function, object);
    let found = kind.name();
    let Some(accepted) = accept(kind) else {
        violation(&format!("{function}: expected {expected}, found {found}"));
    };
    accepted
}
