//! Requests of the REPL: numbers, headers and pickles as a worker has them; what else happens the lines of a text say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Child, take_output};

/// What a child keeps of a session.
pub(super) struct Session {
    header: String,
    /// The texts that lead to each command state.
    envs: BTreeMap<u64, Vec<String>>,
    proofs: BTreeMap<u64, String>,
    next: [u64; 2],
}

/// What is said instead of an answer.
enum Refusal {
    Message(String),
    Header(String),
}

/// An answer that is being made.
#[derive(Default)]
struct Making {
    messages: Vec<Value>,
    sorries: Vec<Value>,
    cancelled: bool,
    /// What is answered in place of the truth.
    lie: Option<Value>,
    lied_next: Option<Value>,
    twice: bool,
    more: Value,
}

fn refuse<T>(words: &str) -> Result<T, Refusal> {
    Err(Refusal::Message(words.to_owned()))
}

/// The import header of a text, in its plainest form; none if it is wrong.
fn header_of(text: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("/-"));
    let imports: Vec<&str> = lines.take_while(|line| line.starts_with("import")).collect();
    let is_good = |line: &&str| {
        line.split_whitespace().nth(1).is_some_and(|name| name.starts_with(char::is_alphabetic))
    };
    imports.iter().all(is_good).then(|| imports.iter().map(|line| format!("{line}\n")).collect())
}

impl Session {
    pub(super) fn new(header: &str) -> Self {
        Self { header: header.to_owned(), envs: BTreeMap::new(), proofs: BTreeMap::new(), next: [0, 0] }
    }

    pub(super) fn answer(&mut self, child: &mut Child, line: &Value) {
        child.checks += 1;
        if let Ok(next) = serde_json::from_value(line["next"].clone()) {
            self.next = next;
        }
        let before = self.next;
        let mut making = Making::default();
        let outcome = self.run(child, &line["repl"], &mut making);
        let output = take_output();
        if !output.is_empty() {
            child.say(&json!({"record": "output", "text": output}));
        }
        let mut value = match outcome {
            Ok(value) => value,
            Err(Refusal::Message(words)) => json!({"message": words}),
            Err(Refusal::Header(header)) => {
                child.say(&json!({"record": "repl", "header": header, "next": before, "cancelled": false, "micros": 1}));
                return;
            }
        };
        if making.cancelled {
            self.next = before;
            value = json!({"message": "Cancelled."});
        }
        let text = match making.lie.unwrap_or(value) {
            Value::String(text) => text,
            value => format!("{value:#}"),
        };
        let next = making.lied_next.unwrap_or_else(|| json!(self.next));
        let answer =
            json!({"record": "repl", "text": text, "next": next, "cancelled": making.cancelled, "micros": 1});
        child.write(format!("{answer}\n").repeat(1 + usize::from(making.twice)).as_bytes());
    }

    fn run(&mut self, child: &mut Child, request: &Value, making: &mut Making) -> Result<Value, Refusal> {
        let text = |key: &str| request[key].as_str().map(str::to_owned);
        let number = |key: &str| request[key].as_u64();
        if let Some(tactic) = text("tactic") {
            let Some(known) = number("proofState").and_then(|number| self.proofs.get(&number)).cloned()
            else {
                return refuse("Unknown proof state.");
            };
            child.script(&tactic, making);
            let state = self.add_proof(format!("{known}; {tactic}"));
            Ok(json!({"proofState": state, "proofStatus": "Completed", "goals": [], "traces": [known]}))
        } else if let Some(file) = text("pickleTo") {
            let Some(texts) = number("env").and_then(|number| self.envs.get(&number)) else {
                return refuse("Unknown environment.");
            };
            std::fs::write(file, json!(texts).to_string())
                .map_err(|error| Refusal::Message(error.to_string()))?;
            Ok(json!({"env": request["env"]}))
        } else if let Some(file) = text("unpickleEnvFrom") {
            let pickle = std::fs::read_to_string(&file).unwrap_or_default();
            let Ok(texts) = serde_json::from_str::<Vec<String>>(&pickle) else {
                return refuse(&format!("{file} holds no such state that was pickled here."));
            };
            self.compare(header_of(&texts[0]))?;
            Ok(json!({"env": self.add_env(texts)}))
        } else if let Some(file) = text("path") {
            let text = std::fs::read_to_string(file).map_err(|error| Refusal::Message(error.to_string()))?;
            self.command(child, request, &text, making)
        } else if let Some(text) = text("cmd") {
            self.command(child, request, &text, making)
        } else {
            refuse("Neither cmd, path nor tactic.")
        }
    }

    fn compare(&self, header: Option<String>) -> Result<(), Refusal> {
        match header {
            Some(header) if header != self.header => Err(Refusal::Header(header)),
            _ => Ok(()),
        }
    }

    fn command(
        &mut self,
        child: &mut Child,
        request: &Value,
        text: &str,
        making: &mut Making,
    ) -> Result<Value, Refusal> {
        let mut texts = Vec::new();
        match &request["env"] {
            Value::Null => {
                if text.contains("-- other-header") {
                    return Err(Refusal::Header("import Another\n".to_owned()));
                }
                let header = header_of(text);
                if header.is_none() {
                    making.messages.push(message("error", "bad import"));
                }
                self.compare(header)?;
            }
            env => match env.as_u64().and_then(|env| self.envs.get(&env)) {
                Some(known) => texts.clone_from(known),
                None => return refuse("Unknown environment."),
            },
        }
        texts.push(text.to_owned());
        making.more = json!({"texts": texts, "header": self.header, "checks": child.checks, "folder": std::env::current_dir().unwrap_or_default()});
        child.script(text, making);
        for sorry in &mut making.sorries {
            let state = self.add_proof(sorry["goal"].to_string());
            sorry["proofState"] = state.into();
        }
        let env = self.add_env(texts);
        let mut answer = json!({"env": env});
        for (key, all) in [("messages", &making.messages), ("sorries", &making.sorries)] {
            if !all.is_empty() {
                answer[key] = json!(all);
            }
        }
        Ok(answer)
    }

    fn add_env(&mut self, texts: Vec<String>) -> u64 {
        let number = self.next[0];
        self.envs.insert(number, texts);
        self.next[0] += 1;
        number
    }

    fn add_proof(&mut self, how: String) -> u64 {
        let number = self.next[1];
        self.proofs.insert(number, how);
        self.next[1] += 1;
        number
    }
}

fn message(severity: &str, text: &str) -> Value {
    json!({"severity": severity, "pos": {"line": 1, "column": 0}, "endPos": {"line": 1, "column": 1}, "data": text})
}

impl Child {
    /// Does what the lines of a text say.
    fn script(&mut self, text: &str, making: &mut Making) {
        for line in text.lines() {
            let Some(script) = line.strip_prefix("-- ") else { continue };
            let (word, rest) = script.split_once(' ').unwrap_or((script, ""));
            match word {
                "say" => making.messages.push(message("info", rest)),
                "error" => making.messages.push(message("error", rest)),
                "pid" => making.messages.push(message("info", &std::process::id().to_string())),
                // What the session knows: `texts`, `header`, `folder`, or how many requests there were.
                "tell" => making.messages.push(message("info", &making.more[rest].to_string())),
                "sorry" => making.sorries.push(json!({"goal": rest, "pos": {"line": 1, "column": 0},
                    "endPos": {"line": 1, "column": 5}})),
                "print" => print!("{rest}"),
                // So that others see how far it is.
                "touch" => drop(std::fs::write(rest, "")),
                "until-cancelled" => {
                    while self.lines.recv().unwrap_or_else(|_| std::process::exit(0)) != "cancel" {}
                    making.cancelled = true;
                }
                "flood" => loop {
                    self.say(&json!({"record": "output", "text": "x".repeat(10_000)}));
                },
                "output-of-a-file" => self.say(&json!({"record": "output", "file": "a.lean", "text": "x"})),
                "lie" => making.lie = serde_json::from_str(rest).ok(),
                "lie-next" => making.lied_next = serde_json::from_str(rest).ok(),
                "unasked" => self.write(b"{\"record\":\"output\",\"text\":\"early\"}\n"),
                // Once more, when nothing is asked.
                "late" => making.twice = true,
                _ => self.misbehave(word, rest),
            }
        }
    }
}
