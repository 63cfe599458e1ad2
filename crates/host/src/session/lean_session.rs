//! What is asked of an imported environment.

use std::fmt;
use std::marker::PhantomData;

use lean_backend::{
    CheckOptions, Checked, DeclarationKind, LeanCancellationToken, LeanError, LeanResult, SharedEnvironment,
};

use super::LeanCapabilities;

/// An imported environment to ask things of. It borrows from its capabilities, and has an environment of its own or one of a
/// pool.
///
/// Each question runs on a thread with a large stack that the backend keeps, some fifty microseconds away, unless this thread is
/// attached ([`LeanRuntime::attach`](lean_backend::LeanRuntime::attach)) or such a thread itself
/// ([`LeanRuntime::run`](lean_backend::LeanRuntime::run)): for thousands of small questions, be there.
///
/// Neither `Send` nor `Sync`, as in lean-rs-host.
pub struct LeanSession<'lean, 'c> {
    capabilities: PhantomData<&'c LeanCapabilities<'lean, 'c>>,
    environment: SharedEnvironment,
}

impl<'lean, 'c> LeanSession<'lean, 'c> {
    pub(super) fn new(_: &'c LeanCapabilities<'lean, '_>, environment: SharedEnvironment) -> Self {
        Self { capabilities: PhantomData, environment }
    }

    /// What `name` stands for, in a word: `theorem`, `definition` …; `missing` if it is not declared.
    ///
    /// # Errors
    /// [`LeanError::Cancelled`]; [`LeanError::ResourceExhausted`] if the system gives no thread, as for all the following.
    pub fn declaration_kind(
        &self,
        name: &str,
        cancellation: Option<&LeanCancellationToken>,
    ) -> LeanResult<String> {
        let _span =
            tracing::debug_span!(target: "lean_rs", "lean_rs.host.session.declaration_kind", name = name)
                .entered();
        go_on(cancellation)?;
        Ok(self.kind(name)?.map_or("missing", DeclarationKind::as_str).to_owned())
    }

    /// What `name` stands for, if it is declared.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn kind(&self, name: &str) -> LeanResult<Option<DeclarationKind>> {
        self.environment.ask(|environment| Ok(environment.declaration_kind(name)))
    }

    /// The type of what `name` stands for, as Lean prints it; `None` if it is not declared.
    ///
    /// # Errors
    /// [`LeanError::Cancelled`]; [`LeanError::Stale`] if the environment can't be elaborated in any more; what Lean throws.
    pub fn declaration_type(
        &self,
        name: &str,
        cancellation: Option<&LeanCancellationToken>,
    ) -> LeanResult<Option<String>> {
        let _span =
            tracing::debug_span!(target: "lean_rs", "lean_rs.host.session.declaration_type", name = name)
                .entered();
        go_on(cancellation)?;
        self.environment.ask(|environment| environment.declaration_type(name))
    }

    /// Whether `name` is declared.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn contains(&self, name: &str) -> LeanResult<bool> {
        Ok(self.kind(name)?.is_some())
    }

    /// The names that are declared below `prefix` (all, if it is empty), sorted; names that Lean keeps for itself are left
    /// out. Walks all constants: 70 ms for `Lean`.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn declarations(&self, prefix: &str) -> LeanResult<Vec<String>> {
        let _span =
            tracing::debug_span!(target: "lean_rs", "lean_rs.host.session.list_declarations", prefix = prefix)
                .entered();
        self.environment.ask(|environment| environment.declarations(prefix, u64::from(u32::MAX)))
    }

    /// Elaborates the body of `source`; its header is skipped. Says what Lean says of it.
    ///
    /// # Errors
    /// [`LeanError::Stale`] if an import has registered an extension since: drop the session and acquire it again.
    pub fn check(&self, source: &str) -> LeanResult<Checked> {
        self.check_with(source, &CheckOptions::new())
    }

    /// As [`check`](LeanSession::check), with a deadline, a limit of heartbeats, somebody who may interrupt it …
    ///
    /// # Errors
    /// [`LeanError::Cancelled`] if it was cancelled before it began, and those of [`check`](LeanSession::check).
    pub fn check_with(&self, source: &str, options: &CheckOptions<'_>) -> LeanResult<Checked> {
        let _span = tracing::debug_span!(
            target: "lean_rs",
            "lean_rs.host.session.check",
            source_len = source.len(),
        )
        .entered();
        self.environment.check(source, options)
    }

    /// Number of modules, imported ones of imported ones included.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn modules(&self) -> LeanResult<u64> {
        self.environment.ask(|environment| Ok(environment.modules()))
    }

    /// Number of constants. Walks all of them.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn constants(&self) -> LeanResult<u64> {
        self.environment.ask(|environment| Ok(environment.constants()))
    }

    /// Whether no import has registered an extension since this environment was imported.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn is_current(&self) -> LeanResult<bool> {
        self.environment.is_current()
    }

    /// How many extensions and attributes were registered when this environment was imported.
    #[must_use]
    pub fn extension_registry_epoch(&self) -> u64 {
        self.environment.epoch()
    }

    /// How many are registered now.
    ///
    /// # Errors
    /// As [`declaration_kind`](LeanSession::declaration_kind).
    pub fn live_extension_registry_epoch(&self) -> LeanResult<u64> {
        self.environment.live_epoch()
    }

    /// The environment, to keep or to use on other threads.
    #[must_use]
    pub fn environment(&self) -> &SharedEnvironment {
        &self.environment
    }
}

fn go_on(cancellation: Option<&LeanCancellationToken>) -> LeanResult<()> {
    match cancellation {
        Some(token) if token.is_cancelled() => Err(LeanError::Cancelled),
        _ => Ok(()),
    }
}

impl fmt::Debug for LeanSession<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeanSession").field("environment", &self.environment).finish_non_exhaustive()
    }
}
