//! Imports, checks, drops what it made on other threads, panics and catches it: with Lean's library and the program's own allocator in one
//! process. Prints one line; ends with 1 and what is wrong if Lean can't be started.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use lean_backend::{CheckOptions, ImportOptions, LeanRuntime, Owned, SharedEnvironment, Sysroot, Watch};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SOURCE: &str = "prelude\nimport Kit\ntheorem t (p q : Prop) (h : And p q) : And q p := by\n  constructor\n  exact h.2\n  exact h.1\n#check oops\n";

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = LeanRuntime::init()?;
    std::panic::set_hook(Box::new(|_| {}));
    let kit = std::env::var("LEANPOOL_KIT")?;
    let options = ImportOptions { search_path: vec![format!("{kit}/lib")], ..ImportOptions::new(Sysroot::find()?) };
    let import = || SharedEnvironment::import(runtime, &options, &["public Kit"], &Watch::default());
    let environment = import()?;
    thread::scope(|scope| {
        for _ in 0..4 {
            let mine = environment.clone();
            scope.spawn(move || {
                for round in 0..50 {
                    let checked = mine.check(SOURCE, &CheckOptions::new()).unwrap();
                    assert_eq!((checked.errors(), checked.diagnostics.len()), (1, 1));
                    // Of this program's allocator.
                    let rust: Vec<String> = (0..round).map(|length| "r".repeat(length * 37)).collect();
                    let thread = runtime.attach();
                    assert_eq!(Owned::string(&thread, &rust.concat()).as_borrowed().text().unwrap(), rust.concat());
                }
                let other = import().unwrap();
                thread::spawn(move || drop(other)).join().unwrap();
            });
        }
    });
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        runtime.run(|thread| {
            let _held = Owned::string(thread, "held");
            panic!("on purpose");
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert!(thread::spawn(|| panic!("of the thread itself")).join().is_err());
    println!("200 checks, 5 imports, 2 panics caught");
    Ok(())
}
