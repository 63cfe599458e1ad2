//! Risk: Lean is called on a thread that is not attached, or that has too small a stack; an object goes to another thread
//! unmarked; a panic loses a thread or an object.
#![cfg(any(lean_library, feature = "abi-model"))]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;

use lean_backend::{Environment, LeanRuntime, Owned, SharedEnvironment, Watch};
use support::{options, runtime, shared};

fn run_thread_id() -> thread::ThreadId {
    runtime().run(|_| thread::current().id()).unwrap()
}

on_lean! {
    fn second_start_gives_the_same_runtime_on_any_thread() {
        let first = LeanRuntime::init().unwrap();
        let other = thread::spawn(|| std::ptr::from_ref(LeanRuntime::init().unwrap()) as usize).join().unwrap();
        assert_eq!(std::ptr::from_ref(first) as usize, other);
    }

    fn string_lives_as_long_as_a_reference_is_left() {
        let thread = runtime().attach();
        for text in ["", "a", "nul \0 inside", "∀ é 😀"] {
            let string = Owned::string(&thread, text);
            let copy = string.clone();
            assert_eq!(string.as_borrowed().text().as_deref(), Some(text));
            drop(string);
            assert_eq!(copy.as_borrowed().text().as_deref(), Some(text));
        }
    }

    fn lean_runs_on_one_thread_as_long_as_nothing_runs_beside_it() {
        let first = run_thread_id();
        assert_ne!(first, thread::current().id());
        for _ in 0..100 {
            assert_eq!(run_thread_id(), first);
        }
    }

    fn run_inside_run_stays_where_it_is() {
        let (outer, inner) = runtime()
            .run(|_| (thread::current().id(), runtime().run(|_| thread::current().id()).unwrap()))
            .unwrap();
        assert_eq!(outer, inner);
    }

    fn as_many_threads_as_run_at_once() {
        // Each holds its thread until both have one.
        let (first, second) = (channel(), channel());
        let ids = thread::scope(|scope| {
            let a = scope.spawn(|| {
                let met = (first.0, second.1);
                runtime().run(move |_| {
                    met.0.send(()).unwrap();
                    met.1.recv().unwrap();
                    thread::current().id()
                })
            });
            let b = scope.spawn(|| {
                let met = (second.0, first.1);
                runtime().run(move |_| {
                    met.0.send(()).unwrap();
                    met.1.recv().unwrap();
                    thread::current().id()
                })
            });
            [a.join().unwrap().unwrap(), b.join().unwrap().unwrap()]
        });
        assert_ne!(ids[0], ids[1]);
    }

    fn panic_goes_on_here_and_loses_neither_thread_nor_object() {
        let before = run_thread_id();
        let environment = shared(&["Init"]);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            runtime().run(|thread| {
                let _held = (environment.on(thread), Owned::string(thread, "held"));
                panic!("in the middle");
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in the middle"));
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            environment.ask::<()>(|environment| {
                let _held = environment.clone();
                panic!("in a question");
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"in a question"));
        assert_eq!(run_thread_id(), before);
        assert_eq!(environment.ask(|environment| Ok(environment.modules())), Ok(502));
    }

    fn environment_serves_several_attached_threads_at_once() {
        let environment = shared(&["Init"]);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let thread = runtime().attach();
                    for _ in 0..50 {
                        let mine = environment.on(&thread);
                        let copy = mine.clone();
                        assert_eq!(mine.modules(), 502);
                        drop(mine);
                        assert!(copy.contains("Nat.add_comm"));
                    }
                });
            }
        });
    }

    fn last_reference_may_go_on_a_thread_that_is_not_attached() {
        let environment = shared(&["Init"]);
        let copy = environment.clone();
        drop(environment);
        thread::spawn(move || drop(copy)).join().unwrap();
    }

    fn references_may_go_in_every_order() {
        // Three holders, one on each side of the marking; all six orders.
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            runtime()
                .run(|thread| {
                    let unmarked = Environment::import(thread, &options(), &["Init"]).unwrap();
                    let shared = unmarked.to_shared();
                    let again = shared.on(thread);
                    let mut holders: [Option<Box<dyn Asked>>; 3] =
                        [Some(Box::new(unmarked)), Some(Box::new(shared)), Some(Box::new(again))];
                    for last in order {
                        let holder = holders[last].take().unwrap();
                        assert_eq!(holder.modules(), 502);
                        drop(holder);
                    }
                })
                .unwrap();
        }
    }

    fn imports_and_questions_of_many_threads_keep_out_of_each_others_way() {
        // The model ends the process if an import runs beside anything else.
        let environment = shared(&["Init"]);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        SharedEnvironment::import(runtime(), &options(), &["Init"], &Watch::default()).unwrap();
                    }
                });
                scope.spawn(|| {
                    for _ in 0..20 {
                        environment.check("#check Nat", &lean_backend::CheckOptions::new()).unwrap();
                    }
                });
            }
        });
    }
}

/// An environment, however it is held.
trait Asked {
    fn modules(&self) -> u64;
}

impl Asked for Environment<'_> {
    fn modules(&self) -> u64 {
        Environment::modules(self)
    }
}

impl Asked for SharedEnvironment {
    fn modules(&self) -> u64 {
        self.ask(|environment| Ok(environment.modules())).unwrap()
    }
}

#[cfg(feature = "abi-model")]
mod on_the_abi_model_alone {
    use lean_backend::abi_model::{is_attached, last_caller};

    use super::*;

    #[test]
    fn thread_is_attached_by_its_first_token_and_detached_by_its_last() {
        let _one_at_a_time = support::begin();
        thread::spawn(|| {
            let runtime = runtime();
            assert!(!is_attached());
            let first = runtime.attach();
            assert!(is_attached());
            let second = runtime.attach();
            drop(first);
            assert!(is_attached(), "a token is left");
            drop(Owned::string(&second, "x"));
            drop(second);
            assert!(!is_attached());
            drop(runtime.attach());
            assert!(!is_attached(), "may be attached again");
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_may_recurse_deeply_runs_on_a_large_stack_wherever_it_is_asked() {
        use lean_backend::{CheckOptions, header};

        let _one_at_a_time = support::begin();
        let large = |function: &str| assert_eq!(last_caller(function).as_deref(), Some("lean"), "{function}");
        let ask = move || {
            // On this thread, which is attached, and small.
            let thread = runtime().attach();
            let mine = Environment::import(&thread, &options(), &["Init"]).unwrap();
            large("leanpool_import");
            mine.check("", &CheckOptions::new()).unwrap();
            large("leanpool_check");
            mine.declaration_type("Nat.add_comm").unwrap();
            large("leanpool_declaration_type");
            mine.declarations("Nat", 10).unwrap();
            large("leanpool_declarations");
            header(runtime(), "import Lean", "a.lean").unwrap();
            large("leanpool_header");
            // What does not recurse stays here.
            assert!(mine.contains("Nat"));
            assert_eq!(last_caller("leanpool_declaration_kind").as_deref(), Some("asking"));
        };
        thread::Builder::new().name("asking".to_owned()).spawn(ask).unwrap().join().unwrap();
        thread::Builder::new()
            .name("asking".to_owned())
            .spawn(move || {
                let shared = shared(&["Init"]);
                large("leanpool_import");
                shared.check("", &CheckOptions::new()).unwrap();
                large("leanpool_check");
                shared.ask(|environment| environment.declaration_type("Nat.add_comm")).unwrap();
                large("leanpool_declaration_type");
            })
            .unwrap()
            .join()
            .unwrap();
    }

    #[test]
    fn thread_that_only_asks_is_never_attached() {
        let _one_at_a_time = support::begin();
        let environment = shared(&["Init"]);
        thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(environment.ask(|environment| Ok(environment.modules())), Ok(502));
                environment.check("#check Nat", &lean_backend::CheckOptions::new()).unwrap();
                assert!(!is_attached());
            });
        });
    }
}
