//! The ledger of all objects: of what kind each is, who made it, and whether it is alive.
//!
//! How many references a live object has is not here but in its header, where lean-sys' inline code counts.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lean_sys::{lean_is_scalar, lean_object};

use super::objects;
use super::outcome::Facts;
use super::threads::this_thread;
use super::violation::violation;

/// Released objects whose memory is kept at most, to see whether somebody still touches it.
const QUARANTINE_OBJECTS: usize = 10_000;
const QUARANTINE_BYTES: usize = 64 << 20;

/// What an object is, and of what Lean keeps inside an opaque one, what the model needs.
#[derive(Clone)]
pub(super) enum Kind {
    String,
    Array,
    IoResult,
    IoError,
    UInt64,
    Environment(Facts),
    CancelToken(Arc<AtomicBool>),
}

impl Kind {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kind::String => "a String",
            Kind::Array => "an Array",
            Kind::IoResult => "an IO result",
            Kind::IoError => "an IO.Error",
            Kind::UInt64 => "a boxed UInt64",
            Kind::Environment(_) => "an Environment",
            Kind::CancelToken(_) => "a CancelToken",
        }
    }
}

struct Entry {
    kind: Kind,
    serial: u64,
    maker: u64,
    marked: bool,
    /// It lives for ever, is nobody's own, and its references are not counted.
    pinned: bool,
    live: bool,
    bytes: usize,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (no. {}, made on thread {})", self.kind.name(), self.serial, self.maker)
    }
}

struct Ledger {
    /// By address. An entry goes when its memory is given back.
    entries: BTreeMap<usize, Entry>,
    /// Addresses of released objects, the oldest first.
    quarantine: VecDeque<usize>,
    quarantined_bytes: usize,
    next_serial: u64,
    live: usize,
}

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger {
    entries: BTreeMap::new(),
    quarantine: VecDeque::new(),
    quarantined_bytes: 0,
    next_serial: 1,
    live: 0,
});

/// A violation under this lock ends the process, and waits for nothing.
fn ledger() -> MutexGuard<'static, Ledger> {
    LEDGER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters an object that was just made, with one reference.
pub(super) fn enter(object: *mut lean_object, bytes: usize, kind: Kind) {
    let mut ledger = ledger();
    let serial = ledger.next_serial;
    ledger.next_serial += 1;
    ledger.live += 1;
    let entry = Entry { kind, serial, maker: this_thread(), marked: false, pinned: false, live: true, bytes };
    ledger.entries.insert(object.addr(), entry);
}

/// From now on `object` lives for ever.
pub(super) fn pin(object: *mut lean_object) {
    let mut ledger = ledger();
    ledger.live -= 1;
    ledger.usable("pin", object).pinned = true;
}

/// What `object` is, which must be alive, and this thread's to use.
pub(super) fn look(function: &str, object: *mut lean_object) -> Kind {
    ledger().usable(function, object).kind.clone()
}

/// Gives one reference to `object` back, and with the last one those to all that it holds.
pub(super) fn release(function: &str, object: *mut lean_object) {
    let mut ledger = ledger();
    if let Some(entry) = ledger.entries.get(&object.addr()).filter(|entry| !entry.live) {
        violation(&format!("{function}: {entry} was released once too often"));
    }
    let mut due = vec![object];
    while let Some(object) = due.pop() {
        if lean_is_scalar(object) {
            continue;
        }
        let entry = ledger.usable(function, object);
        let (marked, pinned) = (entry.marked, entry.pinned);
        if pinned {
            continue;
        }
        // SAFETY: the ledger has it alive, and this thread may use it.
        if unsafe { objects::drop_reference(object, marked) } {
            // SAFETY: as above. What it holds is read before it is overwritten.
            due.extend(unsafe { objects::fields(object) });
            ledger.bury(object);
        }
    }
    ledger.shorten_quarantine();
}

/// Makes `object` and all that it holds usable on every attached thread.
pub(super) fn mark(function: &str, object: *mut lean_object) {
    let mut ledger = ledger();
    let mut due = vec![object];
    while let Some(object) = due.pop() {
        if lean_is_scalar(object) {
            continue;
        }
        let entry = ledger.usable(function, object);
        if !entry.marked && !entry.pinned {
            entry.marked = true;
            // SAFETY: the ledger has it alive, not marked so far, and made by this thread.
            unsafe {
                objects::negate_count(object);
                due.extend(objects::fields(object));
            }
        }
    }
}

pub(super) fn live() -> usize {
    ledger().live
}

/// The serial number that the next object will have.
pub(super) fn next_serial() -> u64 {
    ledger().next_serial
}

/// Ends the process if an object is alive that was made with the serial number `since` or later, or if a released one was
/// touched.
pub(super) fn require_settled(since: u64) {
    let ledger = ledger();
    for (address, entry) in ledger.entries.iter().filter(|(_, entry)| !entry.live) {
        require_untouched(*address, entry);
    }
    let mut leaked: Vec<_> = ledger
        .entries
        .values()
        .filter(|entry| entry.live && !entry.pinned && entry.serial >= since)
        .collect();
    if !leaked.is_empty() {
        leaked.sort_by_key(|entry| entry.serial);
        let list: Vec<_> = leaked.iter().take(20).map(ToString::to_string).collect();
        let more = if leaked.len() > list.len() { ", …" } else { "" };
        violation(&format!("{} objects leaked: {}{more}", leaked.len(), list.join(", ")));
    }
}

impl Ledger {
    fn usable(&mut self, function: &str, object: *mut lean_object) -> &mut Entry {
        let Some(entry) = self.entries.get_mut(&object.addr()) else {
            violation(&format!("{function}: {object:p} is not an object of Lean"));
        };
        if !entry.live {
            violation(&format!("{function}: {entry} was used after its release"));
        }
        if !entry.marked && !entry.pinned && entry.maker != this_thread() {
            violation(&format!(
                "{function}: {entry} is an object of another thread that is not marked (this is thread {})",
                this_thread()
            ));
        }
        // SAFETY: the ledger has it alive; its count is read atomically.
        let count = unsafe { objects::count(object) };
        if (count == 0) != entry.pinned || (count < 0) != entry.marked {
            violation(&format!(
                "{function}: the count of references of {entry} was overwritten with {count}"
            ));
        }
        entry
    }

    /// Puts an object without references into quarantine.
    fn bury(&mut self, object: *mut lean_object) {
        if let Some(entry) = self.entries.get_mut(&object.addr()) {
            entry.live = false;
            self.live -= 1;
            self.quarantine.push_back(object.addr());
            self.quarantined_bytes += entry.bytes;
            // SAFETY: made with this size, and the last reference was given back: nobody may touch it any more.
            unsafe { objects::bury(object, entry.bytes) };
        }
    }

    fn shorten_quarantine(&mut self) {
        while self.quarantine.len() > QUARANTINE_OBJECTS || self.quarantined_bytes > QUARANTINE_BYTES {
            let Some(address) = self.quarantine.pop_front() else { return };
            let Some(entry) = self.entries.remove(&address) else { return };
            require_untouched(address, &entry);
            self.quarantined_bytes -= entry.bytes;
            // SAFETY: made with this size, released, and no longer in the ledger.
            unsafe { objects::give_back(std::ptr::with_exposed_provenance_mut(address), entry.bytes) };
        }
    }
}

fn require_untouched(address: usize, entry: &Entry) {
    // SAFETY: it is in the ledger, so its memory is still there, with this size.
    if !unsafe { objects::is_untouched(std::ptr::with_exposed_provenance_mut(address), entry.bytes) } {
        violation(&format!("{entry} was touched after its release"));
    }
}
