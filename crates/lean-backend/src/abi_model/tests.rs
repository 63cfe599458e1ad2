//! That the model finds each mistake out, and nothing where there is none.
//!
//! The runtime can be started once a process, and a mistake ends the process: each test runs itself again as a child.

mod answered;
mod correct;

use std::env;
use std::process::{Command, Output};
use std::thread;

use lean_sys::{lean_box, lean_ctor_get, lean_dec, lean_inc, lean_obj_tag, lean_object};

use super::package::*;
use super::running::Import;
use super::runtime::*;
use super::{objects, running, settled};

type Object = *mut lean_object;

/// Set in a child: the test that it is to run for real.
const CHILD: &str = "ABI_MODEL_MISTAKE";

/// What the test `test` (by its path in the model) did as a child; `None` in the child itself, after it ran `body`.
fn in_a_child(test: &str, body: impl FnOnce()) -> Option<Output> {
    if env::var(CHILD).is_ok_and(|name| name == test) {
        body();
        return None;
    }
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", &format!("abi_model::{test}"), "--nocapture"]).env(CHILD, test);
    Some(child.output().unwrap())
}

macro_rules! mistakes {
    ($($test:ident: $phrase:literal, $body:expr;)*) => {$(
        #[test]
        fn $test() {
            let name = concat!("tests::", stringify!($test));
            let Some(Output { status, stderr, .. }) = in_a_child(name, $body) else { return };
            let said = String::from_utf8_lossy(&stderr);
            assert!(!status.success(), "it was not found out");
            assert!(said.lines().any(|line| line.starts_with("ABI model: ") && line.contains($phrase)), "{said}");
        }
    )*};
}

fn start() {
    lean_initialize();
    release(initialize_leanpool_LeanpoolBackend(1, lean_box(0)));
    lean_io_mark_end_initialization();
    lean_init_task_manager();
}

fn string(text: &str) -> Object {
    // SAFETY: the bytes of a `str`.
    unsafe { lean_mk_string_from_bytes(text.as_ptr(), text.len()) }
}

fn strings(texts: &[&str]) -> Object {
    let empty = lean_mk_array(lean_box(0), lean_box(0));
    texts.iter().fold(empty, |array, text| lean_array_push(array, string(text)))
}

/// One reference more.
fn again(object: Object) -> Object {
    // SAFETY: made by the model, which keeps the memory of released objects too; some tests make this mistake.
    unsafe { lean_inc(object) };
    object
}

/// One reference less.
fn release(object: Object) {
    // SAFETY: as in `again`.
    unsafe { lean_dec(object) }
}

/// The tag of an `IO` result, and its value or error.
fn opened(result: Object) -> (u32, Object) {
    // SAFETY: an `IO` result is alive and has one field, which is taken before the result goes.
    let (tag, field) = unsafe { (lean_obj_tag(result), again(lean_ctor_get(result, 0))) };
    release(result);
    (tag, field)
}

fn ok(result: Object) -> Object {
    let (tag, value) = opened(result);
    assert_eq!(tag, 0);
    value
}

fn text(object: Object) -> String {
    // SAFETY: the caller has a live string.
    let text = unsafe { objects::text(object) };
    release(object);
    text
}

fn import(names: &[&str]) -> Object {
    leanpool_import(string("/lean"), strings(&[]), strings(names), 0, 1, 1, 0, lean_box(0))
}

fn check(environment: Object, source: &str, token: Object) -> String {
    text(ok(leanpool_check(
        again(environment),
        string("f.lean"),
        string("f"),
        string(source),
        0,
        again(token),
        lean_box(0),
    )))
}

fn token() -> Object {
    ok(leanpool_cancel_token_new(lean_box(0)))
}

/// A pointer that goes to another thread, rightly or not.
struct Sent(Object);
// SAFETY: what is done with it there is what the tests are about; the model looks before it touches.
unsafe impl Send for Sent {}

/// Runs `body` with `object` on another thread, attached.
fn elsewhere(object: Object, body: impl FnOnce(Object) + Send + 'static) {
    let sent = Sent(object);
    let run = move || {
        let Sent(object) = { sent };
        lean_initialize_thread();
        body(object);
        lean_finalize_thread();
    };
    thread::spawn(run).join().unwrap();
}

mistakes! {
    on_the_abi_model_a_second_release_is_found: "released once too often", || {
        start();
        let text = string("x");
        release(text);
        release(text);
    };
    on_the_abi_model_a_second_release_is_found_after_a_reference_was_taken: "released once too often", || {
        start();
        let text = string("x");
        release(text);
        release(again(text));
    };
    on_the_abi_model_one_reference_given_away_twice_is_found: "released once too often", || {
        start();
        let text = string("x");
        leanpool_header(text, text, lean_box(0));
    };
    on_the_abi_model_a_marked_object_released_twice_is_found: "released once too often", || {
        start();
        let text = string("x");
        lean_mark_mt(text);
        release(text);
        elsewhere(text, release);
    };
    on_the_abi_model_a_borrowed_argument_is_found_at_the_next_use: "used after its release", || {
        start();
        let environment = ok(import(&["Init"]));
        leanpool_environment_modules(environment);
        leanpool_environment_modules(environment);
    };
    on_the_abi_model_use_after_release_is_found: "used after its release", || {
        start();
        let text = string("x");
        release(text);
        lean_array_push(strings(&[]), text);
    };
    on_the_abi_model_a_released_element_is_found: "used after its release", || {
        start();
        let text = string("x");
        let array = lean_array_push(strings(&[]), text);
        release(text);
        release(array);
    };
    on_the_abi_model_the_old_pointer_to_an_array_is_found: "used after its release", || {
        start();
        let old = strings(&["x"]);
        lean_array_push(old, string("y"));
        lean_array_push(old, string("z"));
    };
    on_the_abi_model_a_write_after_release_is_found: "touched after its release", || {
        start();
        let _settled = settled();
        let text = string("x");
        release(text);
        again(text);
    };
    on_the_abi_model_a_leak_is_found: "1 objects leaked: a String", || {
        start();
        let _settled = settled();
        string("x");
    };
    on_the_abi_model_a_call_before_the_start_is_found: "called before the runtime was started", || {
        string("x");
    };
    on_the_abi_model_an_export_in_the_middle_of_the_start_is_found: "called before the runtime was started", || {
        lean_initialize();
        release(initialize_leanpool_LeanpoolBackend(1, lean_box(0)));
        release(leanpool_version(lean_box(0)));
        leanpool_extension_epoch(lean_box(0));
    };
    on_the_abi_model_attaching_before_the_start_is_found: "called before the runtime was started", || {
        lean_initialize_thread();
    };
    on_the_abi_model_a_start_out_of_order_is_found: "started out of order", || {
        lean_initialize();
        lean_io_mark_end_initialization();
    };
    on_the_abi_model_a_second_start_is_found: "started twice", || {
        start();
        lean_initialize();
    };
    on_the_abi_model_a_start_of_what_is_included_in_another_is_found: "started twice", || {
        lean_initialize_runtime_module();
        start();
    };
    on_the_abi_model_a_call_on_a_thread_that_is_not_attached_is_found:
        "called on a thread that is not attached", || {
        start();
        thread::spawn(|| string("x").addr()).join().unwrap();
    };
    on_the_abi_model_a_release_after_detaching_is_found: "called on a thread that is not attached", || {
        start();
        let run = || {
            lean_initialize_thread();
            let text = string("x");
            lean_finalize_thread();
            release(text);
        };
        thread::spawn(run).join().unwrap();
    };
    on_the_abi_model_attaching_twice_is_found: "attached twice", || {
        start();
        elsewhere(lean_box(0), |_| lean_initialize_thread());
    };
    on_the_abi_model_attaching_the_thread_that_started_is_found: "attached twice", || {
        start();
        lean_initialize_thread();
    };
    on_the_abi_model_detaching_twice_is_found: "detached though not attached", || {
        start();
        elsewhere(lean_box(0), |_| lean_finalize_thread());
    };
    on_the_abi_model_detaching_the_thread_that_started_is_found: "attached for good", || {
        start();
        lean_finalize_thread();
    };
    on_the_abi_model_an_unmarked_object_on_another_thread_is_found:
        "an object of another thread that is not marked", || {
        start();
        elsewhere(string("x"), release);
    };
    on_the_abi_model_an_unmarked_token_set_elsewhere_is_found:
        "an object of another thread that is not marked", || {
        start();
        elsewhere(token(), |token| {
            leanpool_cancel_token_set(token, lean_box(0));
        });
    };
    on_the_abi_model_a_count_that_was_overwritten_is_found: "was overwritten with 2", || {
        start();
        let text = string("x");
        lean_mark_mt(text);
        // SAFETY: a live object that only this thread has. As if its count were raised by code that is not for threads.
        unsafe { (*text).m_rc = 2 };
        lean_array_push(strings(&[]), text);
    };
    on_the_abi_model_another_kind_of_argument_is_found: "expected an Environment, found a String", || {
        start();
        leanpool_environment_modules(string("x"));
    };
    on_the_abi_model_a_scalar_argument_is_found: "expected a String, found a boxed scalar", || {
        start();
        leanpool_header(string("x"), lean_box(0), lean_box(0));
    };
    on_the_abi_model_another_kind_of_element_is_found: "expected a String, found an Array", || {
        start();
        let paths = lean_array_push(strings(&[]), strings(&[]));
        leanpool_import(string("/lean"), paths, strings(&[]), 0, 1, 1, 0, lean_box(0));
    };
    on_the_abi_model_a_pointer_from_elsewhere_is_found: "not an object of Lean", || {
        start();
        let mut header = lean_object { m_rc: 1, m_cs_sz: 0, m_other: 0, m_tag: 0 };
        release(&raw mut header);
    };
    on_the_abi_model_an_import_beside_a_check_is_found: "an import runs beside a check", || {
        start();
        let environment = ok(import(&["Init"]));
        lean_mark_mt(environment);
        let sent = Sent(environment);
        thread::spawn(move || {
            let Sent(environment) = { sent };
            lean_initialize_thread();
            check(environment, "-- until cancelled", token());
        });
        while running() != (0, 1) {
            thread::yield_now();
        }
        import(&["Init"]);
    };
    on_the_abi_model_a_check_beside_an_import_is_found: "a check runs beside an import", || {
        start();
        let environment = ok(import(&["Init"]));
        let _running = Import::begin();
        check(environment, "", token());
    };
    on_the_abi_model_two_imports_at_once_are_found: "two imports at once", || {
        start();
        let _running = Import::begin();
        import(&["Init"]);
    };
}

fn assert_passes(test: &str, body: fn()) {
    let Some(Output { status, stdout, stderr }) = in_a_child(test, body) else { return };
    let said = String::from_utf8_lossy(&stdout);
    // So many, because a name that no test has would pass, too.
    assert!(status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&stderr));
}

#[test]
fn on_the_abi_model_a_test_that_failed_does_not_spoil_the_next() {
    assert_passes("tests::on_the_abi_model_a_test_that_failed_does_not_spoil_the_next", || {
        start();
        let failed = thread::spawn(|| {
            lean_initialize_thread();
            let _settled = settled();
            string("left behind");
            panic!("as a test does that fails");
        });
        assert!(failed.join().is_err());
        let _settled = settled();
        release(string("x"));
    });
}
