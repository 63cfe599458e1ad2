//! A session of the REPL that is asked with values.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lean_worker::{CheckTimes, Limits, Session, Workers};
use serde_json::{Value, json};

use super::{around, session, workers};

/// A session, asked with values.
pub(crate) struct Repl(pub(crate) Session);

impl Repl {
    pub(crate) fn new(workers: &Arc<Workers>, times: CheckTimes) -> Self {
        Self(session(workers, &around(), Path::new("/"), times))
    }

    pub(crate) fn ask(&mut self, request: Value) -> Value {
        serde_json::from_str(&self.0.answer(&request.to_string())).unwrap()
    }

    pub(crate) fn cmd(&mut self, text: &str) -> Value {
        self.ask(json!({"cmd": text}))
    }

    pub(crate) fn on(&mut self, env: u64, text: &str) -> Value {
        self.ask(json!({"cmd": text, "env": env}))
    }

    /// The words of an answer that has nothing else.
    pub(crate) fn refused(&mut self, request: Value) -> String {
        let answer = self.ask(request);
        assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn shared() -> Arc<Workers> {
    Arc::new(workers(Limits::default()))
}

pub(crate) fn repl() -> Repl {
    Repl::new(&shared(), CheckTimes::default())
}

pub(crate) fn said(answer: &Value) -> Vec<&str> {
    answer["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|message| message["data"].as_str())
        .collect()
}

pub(crate) fn in_time(timeout: u64, grace: u64) -> CheckTimes {
    CheckTimes { timeout: Some(Duration::from_millis(timeout)), grace: Duration::from_millis(grace) }
}
