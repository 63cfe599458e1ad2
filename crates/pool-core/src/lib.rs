//! A keyed pool for resources that are expensive to open.
#![forbid(unsafe_code)]
mod resource;
pub use resource::{Health, Resource};
