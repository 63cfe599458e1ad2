//! What tests on Lean have in common, whether that is the real one or the model.
#![allow(dead_code, reason = "each test file uses some of it")]

#[cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]
pub(crate) mod kit;

use lean_backend::{ImportOptions, InternedOptions, LeanRuntime, SharedEnvironment, Sysroot, Watch};

/// Tests that hold on real Lean and on the ABI model alike. The name of the module that they land in says on which of them
/// they ran. One at a time; on the model each has to give back all that it took.
#[macro_export]
macro_rules! on_lean {
    ($($(#[$attribute:meta])* fn $name:ident() $body:block)*) => {
        #[cfg(feature = "abi-model")]
        mod on_the_abi_model {
            #[allow(unused_imports)]
            use super::*;
            $($(#[$attribute])* #[test] fn $name() { let _one_at_a_time = $crate::support::begin(); $body })*
        }
        #[cfg(all(lean_library, not(feature = "abi-model")))]
        mod on_real_lean {
            #[allow(unused_imports)]
            use super::*;
            $($(#[$attribute])* #[test] fn $name() { let _one_at_a_time = $crate::support::begin(); $body })*
        }
    };
}

#[cfg(feature = "abi-model")]
pub(crate) fn begin() -> impl Drop {
    LeanRuntime::init().unwrap();
    lean_backend::abi_model::settled()
}

#[cfg(not(feature = "abi-model"))]
pub(crate) fn begin() -> impl Drop {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    LeanRuntime::init().unwrap();
    ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(crate) fn runtime() -> &'static LeanRuntime {
    LeanRuntime::init().unwrap()
}

pub(crate) fn sysroot() -> Sysroot {
    if cfg!(feature = "abi-model") { Sysroot::at("/model") } else { Sysroot::find().unwrap() }
}

pub(crate) fn options() -> ImportOptions {
    ImportOptions::new(sysroot())
}

pub(crate) fn interned() -> InternedOptions {
    options().into()
}

pub(crate) fn shared(imports: &[&str]) -> SharedEnvironment {
    SharedEnvironment::import(runtime(), &options(), imports, &Watch::default()).unwrap()
}
