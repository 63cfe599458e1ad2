//! Checking the text of a file in an environment.

mod found;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use crate::cancel::{Ended, Interruption, LeanCancellationToken};
use crate::environment::{Environment, SharedEnvironment};
use crate::error::LeanError;
use crate::exclusion;
use crate::ffi;
use crate::object::Owned;
use crate::progress::{LeanProgressSink, Watch};
use crate::runtime::LeanRuntime;
use crate::workers::{Deadline, Overdue, Workers};

use found::understand;
pub use found::{Checked, LeanDiagnostic, LeanPosition, LeanSeverity};

/// How a check is done.
///
/// ```no_run
/// # use lean_backend::{CheckOptions, LeanCancellationToken};
/// # use std::time::{Duration, Instant};
/// let token = LeanCancellationToken::new();
/// let options = CheckOptions::new()
///     .file_label("Example.lean")
///     .max_heartbeats(50_000)
///     .deadline(Instant::now() + Duration::from_secs(10))
///     .cancellation(&token);
/// # let _ = options;
/// ```
#[derive(Clone)]
pub struct CheckOptions<'a> {
    file_label: &'a str,
    module_path: &'a str,
    max_heartbeats: u64,
    deadline: Option<Instant>,
    timeout: Option<Duration>,
    overdue: Option<Overdue<'a>>,
    watch: Watch<'a>,
}

impl<'a> CheckOptions<'a> {
    /// Without a deadline, with Lean's own limit of heartbeats, as the file `<check>`.
    #[must_use]
    pub fn new() -> Self {
        let watch = Watch::default();
        Self {
            file_label: "<check>",
            module_path: "",
            max_heartbeats: 0,
            deadline: None,
            timeout: None,
            overdue: None,
            watch,
        }
    }

    /// The file's name, as far as Lean is concerned: some messages have it.
    #[must_use]
    pub fn file_label(self, file_label: &'a str) -> Self {
        Self { file_label, ..self }
    }

    /// The file's path below the folder whose modules have names, components separated by `/`, without `.lean`: as the command
    /// `lean` takes it from the working folder. The module's name is made of it, which some messages have. Without it, `_stdin`.
    #[must_use]
    pub fn module_path(self, module_path: &'a str) -> Self {
        Self { module_path, ..self }
    }

    /// How long one declaration may take, in the unit of Lean's option `maxHeartbeats` (thousands of small allocations; Lean's
    /// own limit is 200 000). The same on every machine, unlike a deadline. 0 is Lean's own limit.
    #[must_use]
    pub fn max_heartbeats(self, max_heartbeats: u64) -> Self {
        Self { max_heartbeats, ..self }
    }

    /// When the check is interrupted, if it has not ended; what it found before is reported. Lean stops at its next look, which
    /// it does not take inside a compiled program that an `#eval` runs.
    #[must_use]
    pub fn deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// How long the check may take, from when Lean begins: waiting for an import of another thread does not count. Otherwise as
    /// [`deadline`](CheckOptions::deadline); with both, the earlier one counts.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Who is told, once, if the check has not come back `grace` after its time was over: what it runs looks at no token, as loops in
    /// compiled code don't. Told on the thread that waits for the check, which goes on waiting. A panic of `tell` is contained.
    #[must_use]
    pub fn overdue(self, grace: Duration, tell: &'a (dyn Fn() + Sync)) -> Self {
        Self { overdue: Some(Overdue { grace, tell }), ..self }
    }

    /// Who may interrupt the check; what it found before is reported.
    #[must_use]
    pub fn cancellation(mut self, token: &'a LeanCancellationToken) -> Self {
        self.watch.cancellation = Some(token);
        self
    }

    /// Who hears of start and end.
    #[must_use]
    pub fn progress(mut self, sink: &'a dyn LeanProgressSink) -> Self {
        self.watch.progress = Some(sink);
        self
    }
}

impl fmt::Debug for CheckOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_label, module_path, max_heartbeats, deadline, timeout, overdue, watch } = self;
        let mut options = f.debug_struct("CheckOptions");
        options.field("file_label", file_label).field("module_path", module_path);
        options.field("max_heartbeats", max_heartbeats).field("deadline", deadline).field("timeout", timeout);
        options.field("grace", &overdue.map(|overdue| overdue.grace)).field("watch", watch).finish()
    }
}

impl Default for CheckOptions<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Environment<'_> {
    /// Elaborates the body of `source`, whose header this environment was imported for, command by command. The header
    /// itself is skipped. Nothing of it changes this environment.
    ///
    /// Runs on a thread with a large stack; side by side with other checks, but not with an import, which it waits for.
    ///
    /// # Errors
    ///
    /// [`LeanError::Cancelled`] if it was cancelled before it began (afterwards, [`Checked::ended`] says so);
    /// [`LeanError::Stale`] if this environment can't be elaborated in any more, [`LeanError::NoExtensions`] if it never could.
    pub fn check(&self, source: &str, options: &CheckOptions<'_>) -> Result<Checked, LeanError> {
        options.watch.phase("check", 1, || {
            if options.deadline.is_none() && options.timeout.is_none() && Workers::is_current() {
                return self.check_here(source, options, &Arc::default(), None);
            }
            check_elsewhere(&self.to_shared(), source, options)
        })
    }

    fn check_here(
        &self,
        source: &str,
        options: &CheckOptions<'_>,
        interruption: &Arc<Interruption>,
        begins: Option<Sender<Instant>>,
    ) -> Result<Checked, LeanError> {
        let _shared = exclusion::question();
        // Waiting for an import may have taken long.
        options.watch.go_on()?;
        self.refuse_if_unfit()?;
        let thread = self.thread();
        let token = interruption.arm(thread)?;
        let _listening = options.watch.cancellation.map(|token| token.interrupts(interruption));
        let file_label = Owned::string(thread, options.file_label);
        let module_path = Owned::string(thread, options.module_path);
        let source = Owned::string(thread, source);
        if let Some(begins) = begins {
            // If nobody waits for it any more, nobody wants to know.
            let _ = begins.send(Instant::now());
        }
        // SAFETY: attached, as `self` borrows from the token of this thread. The objects are an `Environment`, three `String`s
        // and a `CancelToken`, each given away, as an export takes them owned; the function is in `IO`.
        let answer = unsafe {
            let result = ffi::leanpool_check(
                self.object().into_raw(),
                file_label.into_raw(),
                module_path.into_raw(),
                source.into_raw(),
                options.max_heartbeats,
                token.into_raw(),
                ffi::world(),
            );
            Owned::from_io_result(thread, result)
        };
        // An `#eval` may have imported something.
        exclusion::epoch(thread)?;
        understand(&answer?.into_text()?, interruption)
    }
}

impl SharedEnvironment {
    /// As [`Environment::check`], on whichever thread: this one need not be attached.
    ///
    /// # Errors
    ///
    /// Those of [`Environment::check`].
    pub fn check(&self, source: &str, options: &CheckOptions<'_>) -> Result<Checked, LeanError> {
        options.watch.phase("check", 1, || check_elsewhere(self, source, options))
    }
}

/// Checks on a thread with a large stack; if its time is limited, this thread watches over it meanwhile.
fn check_elsewhere(
    environment: &SharedEnvironment,
    source: &str,
    options: &CheckOptions<'_>,
) -> Result<Checked, LeanError> {
    let runtime = LeanRuntime::of_objects();
    let interruption = Arc::default();
    let check =
        |thread: &_, begins| environment.on(thread).check_here(source, options, &interruption, begins);
    if options.deadline.is_none() && options.timeout.is_none() {
        return runtime.run(|thread| check(thread, None))?;
    }
    let (begins, has_begun) = channel();
    let on_passing = || interruption.interrupt(Ended::TimedOut);
    let deadline = Deadline {
        at: options.deadline,
        after: options.timeout.map(|timeout| (has_begun, timeout)),
        on_passing: &on_passing,
        overdue: options.overdue,
    };
    // The sender goes with the job.
    runtime.workers().run(move |thread| check(thread, Some(begins)), Some(deadline))?
}
