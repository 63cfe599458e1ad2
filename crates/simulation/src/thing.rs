//! What is pooled, what names it, and a ledger of all that was opened. All user code of a schedule is here or in `policies.rs`:
//! it hands over, and goes wrong where the configuration says so.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::panic::resume_unwind;
use std::rc::Rc;

use pool_core::{Health, Resource};

use crate::config::Faults;
use crate::world;

/// The payload of panics that belong to the schedule. Nothing is printed for them.
pub(crate) struct Injected;

thread_local! {
    static FAULTS: Cell<Faults> = const { Cell::new(Faults::Opens) };
}

/// What goes wrong in the schedule that begins.
pub(crate) fn set_faults(faults: Faults) {
    FAULTS.set(faults);
}

fn panics_if(faults: Faults, of_thousand: u16, place: &str) {
    if FAULTS.get() >= faults && world::happens(of_thousand) {
        world::note(|| format!("{place} panics"));
        resume_unwind(Box::new(Injected));
    }
}

/// User code that runs outside the lock.
pub(crate) fn outside(place: &str) {
    world::hand_over();
    panics_if(Faults::Code, 10, place);
}

/// User code that runs inside it.
pub(crate) fn inside(place: &str) {
    panics_if(Faults::Policies, 10, place);
}

/// A key. Whatever can be the user's of it is: equality, hash, clone, destructor.
#[derive(Debug)]
pub(crate) struct Name {
    id: u16,
    /// A query, which its caller keeps: its destructor is not called by the pool.
    is_query: bool,
}

impl Name {
    pub(crate) fn query(id: u16) -> Self {
        Self { id, is_query: true }
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        inside("a key's equality");
        self.id == other.id
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        panics_if(Faults::Code, 5, "a key's hash");
        self.id.hash(state);
    }
}

impl Clone for Name {
    fn clone(&self) -> Self {
        inside("a key's clone");
        Self { id: self.id, is_query: false }
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if !self.is_query {
            outside("a key's destructor");
        }
    }
}

/// All that a schedule opened, by number.
#[derive(Default)]
pub(crate) struct Ledger {
    things: RefCell<Vec<Record>>,
    /// Opens whose closure runs.
    pub(crate) opening: Cell<u64>,
    /// Closures that were called.
    pub(crate) opens: Cell<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Record {
    key: u16,
    weight: u64,
    residue: u64,
    place: Place,
    /// Leases that their holders know of.
    leases: u32,
    /// Somebody outside holds a handle of what may still be in the pool.
    shared_outside: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Still in the hands of its open, or in the pool's, idle or leased.
    Pool,
    /// Taken out for good.
    Detached,
    Dropped,
}

impl Ledger {
    /// Things that were opened.
    pub(crate) fn opened(&self) -> u64 {
        self.things.borrow().len() as u64
    }

    /// What is alive and in nobody's hands but the pool's: how many, and how many bytes.
    pub(crate) fn live(&self) -> (u64, u64) {
        let things = self.things.borrow();
        let live = things.iter().filter(|thing| thing.place == Place::Pool && !thing.shared_outside);
        live.fold((0, 0), |(count, weight), thing| (count + 1, weight + thing.weight))
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.things.borrow().iter().filter(|thing| thing.place == Place::Dropped).count() as u64
    }

    /// Bytes of everything that is alive or was left for good.
    pub(crate) fn process_bytes(&self) -> u64 {
        let things = self.things.borrow();
        let alive = things.iter().filter(|thing| thing.place != Place::Dropped).map(|thing| thing.weight);
        alive.sum::<u64>() + things.iter().map(|thing| thing.residue).sum::<u64>()
    }
}

struct Inner {
    number: usize,
    ledger: Rc<Ledger>,
    /// Whether its weight may change, and it may break.
    exact: bool,
    /// What its destructor does besides: see [`Thing::set_last_will`].
    last_will: RefCell<Option<LastWill>>,
}

type LastWill = Box<dyn FnOnce()>;

/// A resource; where leases share it, a handle of one.
pub(crate) struct Thing(Rc<Inner>);

impl Thing {
    pub(crate) fn open(ledger: &Rc<Ledger>, key: u16, weight: u64, residue: u64, exact: bool) -> Self {
        let number = {
            let mut things = ledger.things.borrow_mut();
            things.push(Record {
                key,
                weight,
                residue,
                place: Place::Pool,
                leases: 0,
                shared_outside: false,
            });
            things.len() - 1
        };
        world::note(|| format!("opened #{number} of k{key}, {weight} bytes"));
        Self(Rc::new(Inner { number, ledger: Rc::clone(ledger), exact, last_will: RefCell::default() }))
    }

    pub(crate) fn number(&self) -> usize {
        self.0.number
    }

    fn with<T>(&self, f: impl FnOnce(&mut Record) -> T) -> T {
        f(&mut self.0.ledger.things.borrow_mut()[self.0.number])
    }

    /// Its destructor does that as well, if it ends in the middle of a step and not while something panics.
    pub(crate) fn set_last_will(&self, will: LastWill) {
        *self.0.last_will.borrow_mut() = Some(will);
    }

    /// A lease on it has begun.
    ///
    /// # Errors
    /// If it should not have.
    pub(crate) fn lease(&self, key: u16, shared: bool) -> Result<(), String> {
        self.with(|thing| {
            thing.leases += 1;
            let Record { place, leases, .. } = *thing;
            if place != Place::Pool || thing.key != key || (leases > 1 && !shared) {
                return Err(format!("a lease for k{key} on #{}, which is {thing:?}", self.0.number));
            }
            Ok(())
        })
    }

    /// It has ended.
    pub(crate) fn end_lease(&self) {
        self.with(|thing| thing.leases -= 1);
    }

    /// It was taken out of the pool; of a shared one, only this handle was.
    pub(crate) fn detach(&self, shared: bool) {
        self.with(|thing| {
            if shared {
                thing.shared_outside = true;
            } else {
                thing.place = Place::Detached;
            }
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        /// Whatever its destructor does, then it is gone.
        struct Gone<'a>(&'a Inner);
        impl Drop for Gone<'_> {
            fn drop(&mut self) {
                self.0.ledger.things.borrow_mut()[self.0.number].place = Place::Dropped;
            }
        }
        world::note(|| format!("drops #{}", self.number));
        let gone = Gone(self);
        world::hand_over();
        let will = self.last_will.take();
        if let Some(will) = will.filter(|_| world::current() > 0 && !std::thread::panicking()) {
            will();
        }
        drop(gone);
        panics_if(Faults::Code, 20, "a destructor");
    }
}

impl Clone for Thing {
    fn clone(&self) -> Self {
        inside("a resource's clone");
        Self(Rc::clone(&self.0))
    }
}

impl Resource for Thing {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        outside("`weight`");
        self.with(|thing| thing.weight)
    }

    fn residue(&self) -> u64 {
        outside("`residue`");
        self.with(|thing| thing.residue)
    }

    fn health(&mut self) -> Health {
        outside("`health`");
        if world::happens(30) {
            return Health::Broken;
        }
        if world::happens(30) {
            return Health::Stale;
        }
        if !self.0.exact && world::happens(50) {
            self.with(|thing| thing.weight += 3);
        }
        Health::Reusable
    }

    fn survives_panic(&self) -> bool {
        false
    }
}
