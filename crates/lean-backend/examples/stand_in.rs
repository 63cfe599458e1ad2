//! The ABI model as a shared library, in the place of Lean's: what `.ci/linking` puts into a folder that looks like a Lean, to
//! see that the build script finds it, links it and that programs find it when they start. No test runs against it under the name
//! of Lean.

pub use lean_backend::abi_model;
