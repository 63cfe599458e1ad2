//! Virtual threads and virtual time. All of a schedule runs on one real thread: a virtual one is a coroutine, which hands over
//! wherever a real thread could be interrupted.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::task::{Wake, Waker};
use std::thread::panicking;

use generator::{Generator, Gn};

use crate::choices::Choices;

/// Bytes of a coroutine's stack, in words of 8.
const STACK_WORDS: usize = 0x8000;

/// Why a virtual thread hands over.
enum HandOver {
    /// It could go on at once.
    Ready,
    /// It goes on when it was woken, or when that time has come.
    Blocked(Option<Arc<Flag>>, Option<u64>),
    /// Its part is done.
    Done,
}

/// Set when a virtual thread was woken.
#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

/// For the test that a mistake is found: so often of a thousand times a wake-up is lost.
static LOST_WAKE_UPS: AtomicU16 = AtomicU16::new(0);

pub(crate) fn lose_wake_ups(of_thousand: u16) {
    LOST_WAKE_UPS.store(of_thousand, Ordering::Relaxed);
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        if !happens(LOST_WAKE_UPS.load(Ordering::Relaxed)) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

impl Flag {
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct World {
    now: Cell<u64>,
    /// The virtual thread that runs, counted from 1.
    current: Cell<usize>,
    steps: Cell<u64>,
    choices: RefCell<Choices>,
    /// What happened, if somebody wants to read it.
    journal: RefCell<Option<Vec<String>>>,
    /// What the coroutine of that number is to do next.
    parts: RefCell<Vec<Option<Part>>>,
}

/// What one virtual thread does.
pub(crate) type Part = Box<dyn FnOnce()>;

thread_local! {
    static WORLD: World = World::default();
}

/// Nanoseconds of virtual time.
pub(crate) fn now() -> u64 {
    WORLD.with(|world| world.now.get())
}

/// Steps that were taken.
pub(crate) fn steps() -> u64 {
    WORLD.with(|world| world.steps.get())
}

/// The virtual thread that runs, from 1 on; 0 between two steps.
pub(crate) fn current() -> usize {
    WORLD.with(|world| world.current.get())
}

pub(crate) fn one_of(below: u16) -> u16 {
    WORLD.with(|world| world.choices.borrow_mut().one_of(below))
}

/// Whether something that may go wrong does, so often of a thousand times. Never between two steps, nor while something else has.
pub(crate) fn happens(of_thousand: u16) -> bool {
    current() > 0 && !panicking() && WORLD.with(|world| world.choices.borrow_mut().happens(of_thousand))
}

/// Writes down what happens, if anybody wants to read it.
pub(crate) fn note(line: impl FnOnce() -> String) {
    WORLD.with(|world| {
        if let Some(journal) = &mut *world.journal.borrow_mut() {
            journal.push(format!("{:>6} {:>5}  {}", world.now.get(), world.current.get(), line()));
        }
    });
}

#[expect(
    deprecated,
    reason = "the other way needs a handle, which user code deep inside the pool can't have"
)]
fn hand(over: HandOver) {
    generator::yield_with(over);
}

/// Others may go on here. Not while the thread unwinds: the real thread would count as panicking for them as well.
pub(crate) fn hand_over() {
    if current() > 0 && !panicking() {
        hand(HandOver::Ready);
    }
}

/// Goes on after so much virtual time.
pub(crate) fn pass(nanos: u64) {
    if current() > 0 && !panicking() && nanos > 0 {
        hand(HandOver::Blocked(None, Some(now() + nanos)));
    }
}

/// Goes on when `flag` is set, or after `at_most`; then the flag is unset.
pub(crate) fn sleep(flag: &Arc<Flag>, at_most: Option<u64>) {
    assert!(
        current() > 0 && !panicking(),
        "somebody waits outside of a virtual thread, or in the middle of a panic"
    );
    if !flag.is_set() {
        hand(HandOver::Blocked(Some(Arc::clone(flag)), at_most.map(|most| now().saturating_add(most))));
    }
    flag.0.store(false, Ordering::Relaxed);
}

/// How one schedule went.
pub(crate) struct Played {
    pub(crate) steps: u64,
    pub(crate) choices: Vec<u16>,
    pub(crate) journal: Vec<String>,
    pub(crate) end: Result<(), String>,
}

/// What is asked between steps.
pub(crate) trait Umpire {
    /// After each step.
    fn check(&mut self) -> Result<(), String>;

    /// Nobody can go on any more. Whether somebody can now.
    fn unblock(&mut self) -> Result<(), String>;
}

/// The coroutines of one real thread. They live on from schedule to schedule.
#[derive(Default)]
pub(crate) struct Stage {
    coroutines: Vec<Generator<'static, (), HandOver>>,
}

impl Stage {
    /// Runs one schedule. `sticky` of a thousand times a thread that could go on does, without others being asked.
    pub(crate) fn play(
        &mut self,
        parts: Vec<Part>,
        choices: Choices,
        sticky: u16,
        with_journal: bool,
        most_steps: u64,
        umpire: &mut dyn Umpire,
    ) -> Played {
        let threads = parts.len();
        WORLD.with(|world| {
            world.now.set(0);
            world.steps.set(0);
            *world.choices.borrow_mut() = choices;
            *world.journal.borrow_mut() = with_journal.then(Vec::new);
            *world.parts.borrow_mut() = parts.into_iter().map(Some).collect();
        });
        while self.coroutines.len() < threads {
            let number = self.coroutines.len();
            self.coroutines.push(Gn::new_opt(STACK_WORDS, move || {
                loop {
                    let part = WORLD.with(|world| world.parts.borrow_mut()[number].take());
                    part.expect("each is given a part before it goes on")();
                    hand(HandOver::Done);
                }
            }));
        }
        let end = self.steps(threads, sticky, most_steps, umpire);
        if end.is_err() {
            // They are in the middle of something, and can't be unwound. What they hold is leaked.
            self.coroutines.drain(..).for_each(std::mem::forget);
        }
        WORLD.with(|world| Played {
            steps: world.steps.get(),
            choices: world.choices.take().into_made(),
            journal: world.journal.take().unwrap_or_default(),
            end,
        })
    }

    fn steps(
        &mut self,
        threads: usize,
        sticky: u16,
        most_steps: u64,
        umpire: &mut dyn Umpire,
    ) -> Result<(), String> {
        let mut states: Vec<HandOver> = (0..threads).map(|_| HandOver::Ready).collect();
        let mut last = 0;
        let mut able = Vec::with_capacity(threads);
        loop {
            if states.iter().all(|state| matches!(state, HandOver::Done)) {
                return Ok(());
            }
            let time = now();
            able.clear();
            // The one that went last comes first.
            let others = (0..threads).filter(|&number| number != last);
            able.extend(std::iter::once(last).chain(others).filter(|&number| match &states[number] {
                HandOver::Ready => true,
                HandOver::Blocked(flag, until) => {
                    flag.as_ref().is_some_and(|flag| flag.is_set())
                        || until.is_some_and(|until| until <= time)
                }
                HandOver::Done => false,
            }));
            let alarm = states.iter().filter_map(|state| match state {
                HandOver::Blocked(_, until) => until.filter(|until| *until > time),
                _ => None,
            });
            if let Some(alarm) = alarm.min() {
                // Time may pass while others are in the middle of something.
                if able.is_empty() || (one_of(1000) >= 980) {
                    WORLD.with(|world| world.now.set(alarm));
                    continue;
                }
            }
            if able.is_empty() {
                umpire.unblock()?;
                continue;
            }
            let goes_on = able[0] == last && one_of(1000) < sticky;
            let number = if goes_on || able.len() == 1 {
                able[0]
            } else {
                able[usize::from(one_of(able.len() as u16))]
            };
            last = number;
            WORLD.with(|world| {
                world.current.set(number + 1);
                world.steps.set(world.steps.get() + 1);
            });
            states[number] = self.coroutines[number].resume().expect("a coroutine never ends");
            WORLD.with(|world| world.current.set(0));
            umpire.check().map_err(|what| format!("{what}\nafter a step of thread {}", number + 1))?;
            if WORLD.with(|world| world.steps.get()) > most_steps {
                return Err(format!("it does not end: {most_steps} steps were taken"));
            }
        }
    }
}
