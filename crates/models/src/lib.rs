//! The thread-safe pool under model checkers. All of it is in `tests`: `loom.rs` tries every order of a few threads (`cargo loom`),
//! `shuttle.rs` random orders of many (`cargo shuttle`). Without their `--cfg` both files are empty.
#![forbid(unsafe_code)]
