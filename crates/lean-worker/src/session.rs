//! A session of the REPL: one client's requests, one after the other, answered by children of shared zygotes.
//!
//! A session has a child for each header that comes up in it. A child keeps the states that it has numbered; when it ends, they are gone, and
//! nothing else is.

#[cfg(test)]
mod fuzzed;
mod requests;
mod routes;
mod wants;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::routes::{ChildId, Needs, Route, Routes};
use self::wants::Wants;
use crate::cancel::CancelToken;
use crate::child::{Child, Replied, Times};
use crate::header::{self, Header};
use crate::held::Held;
use crate::interrupt::Interrupt;
use crate::pool::Key;
use crate::protocol::{Answered, Ask, What};
use crate::request::CheckTimes;
use crate::surroundings::Surroundings;
use crate::workers::{Place, TRIES, Workers};
use crate::zygote::StartError;

pub use requests::Requests;
pub use words::message;

/// How long a session waits for another to give up the place of a zygote. Sessions last, so there is little hope.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client's session. One request at a time; many sessions, each in its thread, share [`Workers`].
pub struct Session {
    workers: Arc<Workers>,
    around: Arc<Surroundings>,
    /// Where the client works: its paths begin there.
    folder: String,
    times: CheckTimes,
    interrupt: Interrupt,
    cancel: CancelToken,
    routes: Routes,
    children: BTreeMap<ChildId, Served>,
    may_name_files: bool,
}

/// A child, and the zygote that must not be given away while it lives. Dropped in this order.
struct Served {
    child: Child,
    zygote: Held,
}

/// What came of asking a child.
enum Came {
    /// The answer.
    Text(String),
    /// The text of the header that another zygote must have.
    Header(String),
    /// The zygote has ended, and the child with it: in words.
    ZygoteGone(String),
}

impl Session {
    /// Nothing is started yet. `times` is what each request may take, without the import that it may need. Cancelling `cancel` ends the request
    /// that runs, and each one after it, at once.
    ///
    /// # Errors
    /// The system has no descriptor for it, or the folder's name is not UTF-8, which Lean needs.
    pub fn new(
        workers: Arc<Workers>,
        around: Arc<Surroundings>,
        folder: &Path,
        times: CheckTimes,
        cancel: CancelToken,
    ) -> std::io::Result<Self> {
        let folder = folder.to_str().ok_or_else(|| {
            std::io::Error::other(format!("{} is not UTF-8, which Lean needs: rename it", folder.display()))
        })?;
        Ok(Self {
            workers,
            around,
            folder: folder.to_owned(),
            times,
            interrupt: Interrupt::new()?,
            cancel,
            routes: Routes::new(),
            children: BTreeMap::new(),
            may_name_files: true,
        })
    }

    /// The same for a client that is to reach no file by its requests: those that name one (`path`, `pickleTo`, `unpickleEnvFrom`,
    /// `unpickleProofStateFrom`) are refused in words, and nothing is opened.
    #[must_use]
    pub fn without_files(self) -> Self {
        Self { may_name_files: false, ..self }
    }

    /// What asks the request that runs, or is on its way, to come back; for other threads.
    #[must_use]
    pub fn interrupt(&self) -> Interrupt {
        self.interrupt.clone()
    }

    /// Answers a request: text in, text out, in the layout of the REPL and without the blank line behind it. Whatever comes of it, there is an answer.
    pub fn answer(&mut self, request: &str) -> String {
        self.interrupt.begin();
        if request.len() > requests::LONGEST {
            self.interrupt.end();
            let most = requests::LONGEST >> 20;
            return words::message(&format!("Could not parse the request: it has more than {most} MiB"));
        }
        let answer = match serde_json::from_str::<Value>(request) {
            Ok(request) if request.is_object() => self.ask(&request),
            Ok(_) => Err("Could not parse the request: it is no JSON object".to_owned()),
            Err(error) => Err(format!("Could not parse the request: {error}")),
        };
        self.interrupt.end();
        answer.unwrap_or_else(|words| words::message(&words))
    }

    /// The answer, or why there is none.
    fn ask(&mut self, request: &Value) -> Result<String, String> {
        if let Some(words) = wants::refused(request) {
            return Err(words);
        }
        if let Some(key) = wants::file_key(request).filter(|_| !self.may_name_files) {
            return Err(format!(
                "Files can't be named in this session: leave `{key}` out, and send texts by `cmd`"
            ));
        }
        let Wants { needs, header } = Wants::of(request, Path::new(&self.folder));
        let mut route = self.routes.route(needs, header);
        let (mut tries, mut is_sure) = (0, false);
        loop {
            tries += 1;
            let id = match &route {
                Route::Refused(words) => return Err(words.clone()),
                Route::Child(id) => *id,
                // The last try is made alone, so that no other session can be what its zygote dies of.
                Route::Header(header) => self.child_behind(header, tries == TRIES)?,
            };
            match self.ask_child(id, request)? {
                Came::Text(text) => return Ok(text),
                Came::Header(text) if !is_sure => {
                    route = Route::Header(header::read("<input>", &text).header);
                    (tries, is_sure) = (0, true);
                }
                Came::Header(_) => {
                    return Err("the worker reads another header than its own zygote: build it again with \
                                `leanpool worker build`"
                        .to_owned());
                }
                // What needs nothing that was there begins again.
                Came::ZygoteGone(_) if needs == Needs::Nothing && tries < TRIES => {}
                Came::ZygoteGone(words) => return Err(words),
            }
        }
    }

    fn ask_child(&mut self, id: ChildId, request: &Value) -> Result<Came, String> {
        let Some(served) = self.children.get_mut(&id) else { return Err("Unknown process.".to_owned()) };
        if !served.child.is_quiet() {
            // Nobody has asked it anything. It has ended, or it is not to be believed.
            let end = match served.child.end_unasked() {
                Replied::Died(death) => death.in_words("served", "session"),
                Replied::ZygoteGone(gone) => gone.0,
                _ => "its process has ended".to_owned(),
            };
            return Err(self.ended(id, &end));
        }
        let ask = Ask { repl: request, next: self.routes.next(), pretty: true };
        let times = Times { timeout: self.times.timeout, grace: self.times.grace };
        let mut replied = served.child.reply(&ask, &self.folder, times, &self.interrupt, &self.cancel);
        if let Replied::Answered(answered) = &replied {
            if let Err(lie) = believe(&mut self.routes, id, answered) {
                replied = served.child.lied(lie.to_owned());
            }
        }
        let was_interrupted = self.interrupt.is_asked();
        let seconds = self.times.timeout.unwrap_or_default().as_secs_f64();
        let late = || {
            if was_interrupted { "Interrupted".to_owned() } else { format!("Timed out after {seconds} s") }
        };
        match replied {
            Replied::Answered(Answered { what: What::Text { text, .. }, .. }) => Ok(Came::Text(text)),
            Replied::Answered(Answered { what: What::Header(text), .. }) => Ok(Came::Header(text)),
            Replied::CameBack => Err(format!("{}: the request was cancelled. Nothing is lost.", late())),
            Replied::Killed => {
                let grace = self.times.grace.as_secs_f64();
                let words = format!("{}: the request did not come back within {grace} s more", late());
                Err(self.ended(id, &words))
            }
            Replied::Died(death) => Err(self.ended(id, &death.in_words("served", "request"))),
            Replied::ZygoteGone(gone) => Ok(Came::ZygoteGone(self.ended(id, &gone.0))),
            Replied::Cancelled => Err("Cancelled.".to_owned()),
        }
    }

    /// A child is gone: in words, with what is gone with it.
    fn ended(&mut self, id: ChildId, why: &str) -> String {
        self.children.remove(&id);
        self.workers.note_death();
        let lost = self.routes.ended(id, why);
        format!("{why}. {}.", words::lost(&lost))
    }

    /// The session's child behind `header`, forked if there is none, or none that has the imports as they are now. `alone`: of a zygote of its own.
    fn child_behind(&mut self, header: &Header, alone: bool) -> Result<ChildId, String> {
        let there = self.routes.child_behind(header);
        if let Some((id, served)) = there.and_then(|id| Some((id, self.children.get_mut(&id)?))) {
            if !alone && served.zygote.is_of_use() && served.child.is_quiet() {
                return Ok(id);
            }
        }
        let key = Key { around: self.around.clone(), header: Arc::new(header.clone()) };
        let place = if alone { Place::Alone } else { Place::Shared(Some(PATIENCE)) };
        let mut tries = 0;
        loop {
            tries += 1;
            let zygote = match self.workers.zygote(&key, place, &self.cancel) {
                Ok(zygote) => zygote,
                Err(StartError::Cancelled) if self.cancel.is_cancelled() => {
                    return Err("Cancelled.".to_owned());
                }
                // Another session started it, and has ended.
                Err(StartError::Cancelled) => {
                    tries -= 1;
                    continue;
                }
                Err(StartError::Died { .. }) if tries < TRIES => continue,
                Err(StartError::BadHeader(messages)) => {
                    let said: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
                    return Err(said.join("\n"));
                }
                Err(error) => return Err(error.to_string()),
            };
            match zygote.get().fork() {
                Ok(child) => {
                    let id = self.routes.forked(header.clone());
                    self.children.insert(id, Served { child, zygote: self.workers.hold(zygote) });
                    return Ok(id);
                }
                Err(_) if tries < TRIES => {}
                Err(gone) => return Err(gone.0),
            }
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("folder", &self.folder)
            .field("routes", &self.routes)
            .finish_non_exhaustive()
    }
}

/// Takes note of an answer, if it can be one: a child speaks of the numbers that it gave out, and gives out the next ones.
fn believe(routes: &mut Routes, id: ChildId, answered: &Answered) -> Result<(), &'static str> {
    let next = answered.next;
    let room = match &answered.what {
        What::Header(_) if next != routes.next() => return Err("a header, and new numbers"),
        What::Header(_) => 0,
        What::Text { text, numbers } => {
            let envs = numbers.env.map(Needs::Env);
            let mut all = envs.into_iter().chain(numbers.proofs().map(Needs::Proof));
            if !all.all(|number| routes.may_speak_of(id, number, next)) {
                return Err("an answer with a number that is another's");
            }
            text.len()
        }
    };
    routes.answered(id, next, room).map_err(|_| "numbers that no request leads to")
}
