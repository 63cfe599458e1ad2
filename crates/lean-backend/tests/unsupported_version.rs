//! Risk: another Lean than the one that was tried is called as if it were that. In a process of its own, because Lean is started
//! once.
#![cfg(feature = "abi-model")]

use lean_backend::{LeanError, LeanRuntime, SUPPORTED_VERSION};

#[test]
fn on_the_abi_model_another_version_is_an_error_that_names_both_and_stays() {
    lean_backend::abi_model::set_version("4.28.0");
    let error = LeanRuntime::init().unwrap_err();
    let LeanError::Toolchain { message } = &error else { panic!("{error:?}") };
    assert!(message.contains("is 4.28.0") && message.contains(SUPPORTED_VERSION), "{message}");
    assert!(message.contains("elan toolchain install"), "{message}");
    lean_backend::abi_model::set_version(SUPPORTED_VERSION);
    assert_eq!(LeanRuntime::init().unwrap_err(), error, "a second call gives the same");
}
