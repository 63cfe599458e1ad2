//! What can go wrong with Lean, as values that hold no Lean object and may go to any thread.

use std::fmt;

use thiserror::Error;

/// Bytes that an error's message has at most: 4 KiB. Lean puts whole search paths and terms into its messages.
pub const MESSAGE_LIMIT: usize = 4096;

/// Why something with Lean failed.
///
/// Not here, because they cannot be caught: an uncaught C++ exception, a stack overflow or running out of memory
/// inside Lean ends the process, after a line on standard error. A `panic!` inside Lean prints and goes on with a default value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeanError {
    /// It was asked to stop before Lean was called. (A check that was running is no error: it returns what it had found.)
    #[error("cancelled")]
    Cancelled,
    /// Lean threw an `IO.Error`.
    #[error("Lean: {message} ({kind})")]
    LeanException {
        /// Which constructor of `IO.Error`.
        kind: LeanExceptionKind,
        /// What `IO.Error.toString` says, at most [`MESSAGE_LIMIT`] bytes.
        message: String,
    },
    /// Lean is missing, or is not as this crate expects it.
    #[error("Lean toolchain: {message}")]
    Toolchain {
        /// What is missing and how to get it, at most [`MESSAGE_LIMIT`] bytes.
        message: String,
    },
    /// The operating system refused memory, files, threads or room (`IO.Error.resourceExhausted` among others), or a limit
    /// of the pool does not allow a further import.
    #[error("out of a resource: {message}")]
    ResourceExhausted {
        /// What is exhausted, at most [`MESSAGE_LIMIT`] bytes.
        message: String,
    },
    /// The environment was imported without its extensions, so nothing can be elaborated or printed in it.
    #[error(
        "this environment was imported without its extensions, and Lean can neither check nor print in it: import it with \
         `ImportOptions {{ extensions: true, .. }}`"
    )]
    NoExtensions,
    /// An import has registered an extension since this environment was imported, which would be too short to elaborate in:
    /// drop it and acquire or import it again.
    #[error(
        "this environment is stale: it was imported when {imported_at} extensions and attributes were registered, and \
         now there are {now}; drop it and acquire it again"
    )]
    Stale {
        /// The epoch of the environment.
        imported_at: u64,
        /// The epoch of the process.
        now: u64,
    },
}

impl LeanError {
    /// The error for an `IO.Error` with constructor number `tag` and text `message`.
    pub(crate) fn thrown(tag: u32, message: &str) -> Self {
        let message = bounded(message);
        match LeanExceptionKind::from_tag(tag) {
            LeanExceptionKind::ResourceExhausted => LeanError::ResourceExhausted { message },
            kind => LeanError::LeanException { kind, message },
        }
    }

    /// The error for something that the system or a limit refuses.
    #[must_use]
    pub fn resource_exhausted(message: &str) -> Self {
        LeanError::ResourceExhausted { message: bounded(message) }
    }

    /// The error for a toolchain that is missing or unfit.
    #[must_use]
    pub fn toolchain(message: &str) -> Self {
        LeanError::Toolchain { message: bounded(message) }
    }
}

/// What everything here that can fail returns.
pub type LeanResult<T> = Result<T, LeanError>;

/// The constructors of Lean's `IO.Error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the constructor of `IO.Error` of that name; Lean documents them")]
pub enum LeanExceptionKind {
    AlreadyExists,
    OtherError,
    ResourceBusy,
    ResourceVanished,
    UnsupportedOperation,
    HardwareFault,
    UnsatisfiedConstraints,
    IllegalOperation,
    ProtocolError,
    TimeExpired,
    Interrupted,
    NoFileOrDirectory,
    InvalidArgument,
    PermissionDenied,
    ResourceExhausted,
    InappropriateType,
    NoSuchThing,
    UnexpectedEof,
    /// What `throw <| IO.userError …` throws: failed imports among others.
    UserError,
    /// A constructor that Lean 4.27 does not have.
    Other,
}

/// In the order of `IO.Error` in `Init/System/IOError.lean`, which numbers the constructors. `UserError` at 18 was
/// also measured (`lean/TRANSCRIPT.md`).
const KINDS: [LeanExceptionKind; 19] = [
    LeanExceptionKind::AlreadyExists,
    LeanExceptionKind::OtherError,
    LeanExceptionKind::ResourceBusy,
    LeanExceptionKind::ResourceVanished,
    LeanExceptionKind::UnsupportedOperation,
    LeanExceptionKind::HardwareFault,
    LeanExceptionKind::UnsatisfiedConstraints,
    LeanExceptionKind::IllegalOperation,
    LeanExceptionKind::ProtocolError,
    LeanExceptionKind::TimeExpired,
    LeanExceptionKind::Interrupted,
    LeanExceptionKind::NoFileOrDirectory,
    LeanExceptionKind::InvalidArgument,
    LeanExceptionKind::PermissionDenied,
    LeanExceptionKind::ResourceExhausted,
    LeanExceptionKind::InappropriateType,
    LeanExceptionKind::NoSuchThing,
    LeanExceptionKind::UnexpectedEof,
    LeanExceptionKind::UserError,
];

impl LeanExceptionKind {
    fn from_tag(tag: u32) -> Self {
        usize::try_from(tag).ok().and_then(|tag| KINDS.get(tag).copied()).unwrap_or(LeanExceptionKind::Other)
    }
}

impl fmt::Display for LeanExceptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `message`, cut to at most [`MESSAGE_LIMIT`] bytes where a character ends.
fn bounded(message: &str) -> String {
    let mut end = message.len().min(MESSAGE_LIMIT);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_messages_stay_whole() {
        assert_eq!(bounded(""), "");
        assert_eq!(bounded("unknown module prefix 'Nope'"), "unknown module prefix 'Nope'");
        let exact = "x".repeat(MESSAGE_LIMIT);
        assert_eq!(bounded(&exact), exact);
    }

    #[test]
    fn long_messages_are_cut_at_the_limit() {
        assert_eq!(bounded(&"x".repeat(MESSAGE_LIMIT + 1)).len(), MESSAGE_LIMIT);
    }

    #[test]
    fn no_character_is_cut_in_two() {
        // Characters of 2, 3 and 4 bytes, at each offset to the limit.
        for character in ["é", "∀", "😀"] {
            for shift in 0..character.len() {
                let message = "x".repeat(shift) + &character.repeat(MESSAGE_LIMIT);
                let cut = bounded(&message);
                assert!(message.starts_with(&cut));
                assert!(cut.len() <= MESSAGE_LIMIT && cut.len() + character.len() > MESSAGE_LIMIT);
            }
        }
    }

    #[test]
    fn tags_name_the_constructors() {
        assert_eq!(LeanExceptionKind::from_tag(0), LeanExceptionKind::AlreadyExists);
        assert_eq!(LeanExceptionKind::from_tag(11), LeanExceptionKind::NoFileOrDirectory);
        assert_eq!(LeanExceptionKind::from_tag(18), LeanExceptionKind::UserError);
        assert_eq!(LeanExceptionKind::from_tag(19), LeanExceptionKind::Other);
        assert_eq!(LeanExceptionKind::from_tag(u32::MAX), LeanExceptionKind::Other);
    }

    #[test]
    fn an_exhausted_resource_is_an_error_of_its_own() {
        assert_eq!(
            LeanError::thrown(14, "too many open files"),
            LeanError::ResourceExhausted { message: "too many open files".to_owned() }
        );
        assert!(matches!(
            LeanError::thrown(18, "no"),
            LeanError::LeanException { kind: LeanExceptionKind::UserError, .. }
        ));
    }

    #[test]
    fn errors_may_go_to_any_thread() {
        fn any_thread<T: Send + Sync + 'static>() {}
        any_thread::<LeanError>();
    }
}
