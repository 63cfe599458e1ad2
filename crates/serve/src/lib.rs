//! Checking Lean files as a service: over HTTP, as clients of kimina-lean-server ask for it and by an API of our own, and for agents over MCP.
//!
//! A check goes from a handler into a fair queue ([`queue`]), from there to one of a few threads ([`engine`]), which has it done in a child of
//! a zygote ([`lean_worker`]), and back by a channel. Whatever dies, each check that was accepted is answered once. A client that leaves cancels
//! what it has asked for.
//!
//! What is said of a file is what its *elaboration* came to; nothing here is a proof that a file is right.
//!
//! # Where things are
//! - [`queue`]: whose check is next. [`engine`]: the threads, requests, stopping.
//! - [`kimina`], [`v1`]: what is asked and answered. [`answer`]: what a verdict comes to. [`invalid`]: what is wrong with a request.
//! - [`auth`], [`names`]: who may ask, and for which headers. [`key`]: what proxies hash on.
//! - [`sessions`]: the REPL, over WebSockets and lent to other processes.
//! - [`settings`]: bounds and defaults. [`listen`]: connections. [`run`]: a whole service, from its start to its end.
//! - [`live`], [`metrics`], [`log`]: what can be seen of it. [`mcp`]: the same for agents. [`mod@bench`]: load for a service that runs.
//!
//! Decisions are in files without input and output; handlers are thin.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

pub mod answer;
pub mod auth;
pub mod bench;
pub mod engine;
mod http;
pub mod invalid;
pub mod key;
pub mod kimina;
pub mod listen;
pub mod live;
pub mod log;
pub mod mcp;
pub mod metrics;
pub mod names;
pub mod queue;
pub mod run;
pub mod sessions;
pub mod settings;
pub mod v1;

pub use http::openapi;
