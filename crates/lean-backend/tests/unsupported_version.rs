//! Risk: another Lean than the one that the program was built with is called as if it were that. In a process of its own, because Lean is started
//! once.
#![cfg(feature = "abi-model")]

use lean_backend::{BUILT_FOR, LeanError, LeanRuntime};

#[test]
fn on_the_abi_model_another_version_is_an_error_that_names_both_and_stays() {
    lean_backend::abi_model::set_version("4.28.0");
    let error = LeanRuntime::init().unwrap_err();
    let LeanError::Toolchain { message } = &error else { panic!("{error:?}") };
    assert!(message.contains("is 4.28.0") && message.contains(BUILT_FOR), "{message}");
    assert!(message.contains("build it again"), "{message}");
    lean_backend::abi_model::set_version(BUILT_FOR);
    assert_eq!(LeanRuntime::init().unwrap_err(), error, "a second call gives the same");
}
