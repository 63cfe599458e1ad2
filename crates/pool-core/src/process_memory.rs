//! Why the memory of the process is not known.

/// Why the memory of the process is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessMemoryError {
    /// The pool was not told how to measure it.
    #[error("nothing measures it; give the pool's builder a `process_memory`, or limit weights instead")]
    NoReader,

    /// Who measures it says that it does not know.
    #[error("{0}")]
    Unknown(String),
}
