//! Risk: under random deaths of zygotes and children a session gives a number out twice, finds another's text behind it, or has no answer.
#![cfg(target_os = "linux")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lean_worker::{CheckTimes, Limits};
use serde_json::{Value, json};
use support::{Own, kill, session, until, watchdog, workers};

const SESSIONS: usize = 8;
const REQUESTS: usize = 400;

/// One who plays, until it is dropped: also by a panic, which is to be seen and not waited for.
struct Leaves<'p>(&'p AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of the requests of a session.
#[derive(Default)]
struct Counts {
    right: usize,
    refused: usize,
    gone: usize,
}

/// Asks at random, and looks at each answer.
fn play(number: usize, ask: &mut dyn FnMut(&Value) -> Value) -> Counts {
    let mut random = fastrand::Rng::with_seed(number as u64);
    let mut counts = Counts::default();
    // The texts that lead to each command state, by its number; none once it was said to be gone.
    let mut envs: Vec<Option<Vec<String>>> = Vec::new();
    for request in 0..REQUESTS {
        let mark = format!("s{number}r{request}");
        let before = (!envs.is_empty() && random.bool()).then(|| random.usize(0..envs.len()));
        let text = match before {
            Some(_) => format!("-- mark {mark}\n-- tell texts"),
            None => format!("import H{}\n-- mark {mark}\n-- tell texts", random.u32(0..3)),
        };
        let answer = match before {
            Some(env) => ask(&json!({"cmd": text, "env": env})),
            None => ask(&json!({"cmd": text})),
        };
        if let Some(words) = answer["message"].as_str() {
            assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
            if words.starts_with("Unknown environment. It is gone") {
                envs[before.unwrap()] = None;
                counts.gone += 1;
            } else {
                assert!(
                    words.contains("Gone with it")
                        || words.contains("lost")
                        || words.contains("worker ended"),
                    "{words}"
                );
                counts.refused += 1;
            }
            continue;
        }
        assert_eq!(answer["env"], envs.len(), "numbers go on as in one REPL");
        let mut texts = match before {
            Some(env) => {
                envs[env].clone().unwrap_or_else(|| panic!("{env} was gone, and is there: {answer}"))
            }
            None => Vec::new(),
        };
        texts.push(text);
        let told: Vec<String> =
            serde_json::from_str(answer["messages"][0]["data"].as_str().unwrap()).unwrap();
        assert_eq!(told, texts, "what is behind a number is what was put there");
        envs.push(Some(texts));
        counts.right += 1;
    }
    counts
}

#[test]
fn each_number_is_given_out_once_and_holds_what_its_session_put_there() {
    let _watchdog = watchdog();
    let own = Own::new();
    let workers = Arc::new(workers(Limits::default()));
    let playing = AtomicUsize::new(SESSIONS);
    let kills = AtomicUsize::new(0);
    let begun = AtomicBool::new(false);
    let counts: Vec<Counts> = std::thread::scope(|scope| {
        let sessions: Vec<_> = (0..SESSIONS)
            .map(|number| {
                let (workers, own, playing, begun) = (&workers, &own, &playing, &begun);
                scope.spawn(move || {
                    let _leaves = Leaves(playing);
                    let mut session = session(workers, &own.around(), Path::new("/"), CheckTimes::default());
                    play(number, &mut |request| {
                        let answer = serde_json::from_str(&session.answer(&request.to_string())).unwrap();
                        begun.store(true, Ordering::Relaxed);
                        answer
                    })
                })
            })
            .collect();
        scope.spawn(|| {
            let me = std::process::id().to_string();
            let mut random = fastrand::Rng::with_seed(16);
            until(|| begun.load(Ordering::Relaxed) || playing.load(Ordering::Relaxed) == 0);
            while playing.load(Ordering::Relaxed) > 0 {
                let is_zygote = random.u32(0..10) == 0;
                let processes = own.processes();
                let of_kind: Vec<_> =
                    processes.iter().filter(|(_, parent)| (*parent == me) == is_zygote).collect();
                if let Some((pid, _)) = random.choice(of_kind) {
                    kill(pid, "-KILL");
                    kills.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(random.u64(0..15)));
            }
        });
        sessions.into_iter().map(|session| session.join().unwrap()).collect()
    });
    let sum = |of: fn(&Counts) -> usize| counts.iter().map(of).sum::<usize>();
    let (right, refused, gone) = (sum(|c| c.right), sum(|c| c.refused), sum(|c| c.gone));
    let kills = kills.into_inner();
    println!("{right} right, {refused} refused, {gone} gone; {kills} kills");
    assert_eq!(right + refused + gone, SESSIONS * REQUESTS);
    assert!(right > 0 && refused > 0 && gone > 0 && kills > 0, "else nothing was tried");
    drop(workers);
    until(|| own.processes().is_empty());
}
