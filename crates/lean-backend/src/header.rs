//! Which imports a file asks for.

use crate::error::LeanError;
use crate::exclusion;
use crate::ffi;
use crate::object::Owned;
use crate::runtime::LeanRuntime;
use crate::thread::LeanThread;

/// The header of a Lean file as Lean's own parser reads it, in the words that
/// [`Environment::import`](crate::Environment::import) takes: `module` first if it begins so, then each import in order as
/// `[public ][meta ][all ]Module.Name`, with `Init` where Lean adds it.
///
/// What comes after the header is not looked at. May be called on any thread.
///
/// # Errors
///
/// [`LeanError::LeanException`] if the header can't be parsed; its message begins with `file_name:line:column: `.
pub fn header(runtime: &LeanRuntime, source: &str, file_name: &str) -> Result<Vec<String>, LeanError> {
    runtime.run(|thread| header_here(thread, source, file_name))?
}

fn header_here(thread: &LeanThread, source: &str, file_name: &str) -> Result<Vec<String>, LeanError> {
    let _shared = exclusion::question();
    let source = Owned::string(thread, source);
    let file_name = Owned::string(thread, file_name);
    // SAFETY: attached, as the token proves. Both objects are `String`s and given away, as an export takes them owned; the
    // function is in `IO`.
    let words = unsafe {
        let result = ffi::leanpool_header(source.into_raw(), file_name.into_raw(), ffi::world());
        Owned::from_io_result(thread, result)
    }?;
    words.into_texts()
}
