//! What an import comes to: an environment of some size, or an error.

/// What is known of an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) modules: u64,
    pub(super) constants: u64,
    /// The extensions that were registered when it was imported.
    pub(super) epoch: u64,
}

/// An `IO.Error`: the number of its constructor, and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Thrown {
    pub(super) tag: u8,
    pub(super) message: String,
}

impl Thrown {
    pub(super) fn user_error(message: &str) -> Self {
        Self { tag: 18, message: message.to_owned() }
    }
}
