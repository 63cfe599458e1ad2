//! Sessions of one process in the [`Workers`](crate::Workers) of another: a *lender* listens on a Unix socket, a *borrower* is a client's process that has
//! nothing but a connection. So a hundred clients with one header have one import.
//!
//! The borrower says what it works with (toolchain, worker program, search path) and where, then a request a line; the lender answers a line each. A connection
//! is a session: when it ends, so do the session's children.
//!
//! A lender starts the programs that a borrower names, as the user that it runs as. So its socket is for that user alone: the file can be opened by nobody
//! else, and the kernel is asked who is there.

mod borrower;
mod lender;
mod wire;

use std::path::PathBuf;

pub use borrower::{BorrowError, Borrowed, Interruption};
pub use lender::Lender;
pub use wire::Hello;

/// Where a lender is looked for: `leanpool/repl.sock` in `XDG_RUNTIME_DIR`, which is for one user. `None` if there is no such folder.
#[must_use]
pub fn well_known_path() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    folder.is_absolute().then(|| folder.join("leanpool/repl.sock"))
}
