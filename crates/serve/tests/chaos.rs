//! Risk: under random deaths, disconnects, slow clients, wrong bodies and a full queue a request is lost, answered with another's words, or something grows.
#![cfg(target_os = "linux")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use support::{Service, Start, kill, read, service_with, watchdog};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 16;

/// What the clients have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    done: AtomicUsize,
    refused: AtomicUsize,
    malformed: AtomicUsize,
    left: AtomicUsize,
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Files of one request, some of which end badly by themselves.
fn texts(number: usize) -> Vec<String> {
    (0..1 + number % 4)
        .map(|at| {
            let end = match (number + at) % 40 {
                7 => "-- exit 0",
                17 => "-- half",
                27 => "-- bytes",
                37 => "-- kill-me",
                _ => "",
            };
            format!("import H{}\n-- say {number}.{at}\n{end}\n-- say end\n", number % 3)
        })
        .collect()
}

/// A request that has to be answered: its results are its own.
async fn whole(service: &Service, number: usize, seen: &Seen) {
    let texts = texts(number);
    let files: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    loop {
        let (status, answer) = service.post("/v1/check", &json!({"files": files})).await;
        if status == 429 {
            seen.refused.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            continue;
        }
        assert_eq!(status, 200, "{answer}");
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), texts.len());
        for (at, result) in results.iter().enumerate() {
            let said = support::said(result);
            let all = [format!("{number}.{at}"), "end".to_owned()];
            assert!(
                all.iter().take(said.len()).eq(said.iter()),
                "{number}.{at} has another's words: {said:?}"
            );
            match result["ending"].as_str().unwrap() {
                "done" => {
                    assert_eq!(said.len(), 2);
                    seen.done.fetch_add(1, Ordering::Relaxed);
                }
                "died" | "failed" => assert!(result["reason"].is_string(), "{result}"),
                other => panic!("{other}: {result}"),
            }
        }
        seen.answered.fetch_add(1, Ordering::Relaxed);
        return;
    }
}

/// A request whose client leaves: while it is sent, or while it is checked.
async fn leaves(service: &Service, number: usize, seen: &Seen) {
    let body = json!({"text": "import H0\n-- wait 5\n-- say x"}).to_string();
    let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = if number % 2 == 0 { body.len() } else { body.len() / 2 };
    stream.write_all(&body.as_bytes()[..sent]).await.unwrap();
    drop(stream);
    seen.left.fetch_add(1, Ordering::Relaxed);
}

async fn malformed(service: &Service, number: usize, seen: &Seen) {
    let bodies = [
        &b"{"[..],
        b"",
        b"\xff\xff",
        b"{\"files\": 1}",
        b"[]",
        b"{\"text\": \"\", \"timeout\": -1}",
        b"null",
    ];
    let request = service.request(Method::POST, "/v1/check", bodies[number % bodies.len()]);
    assert_eq!(read(service.send(request).await).await.0, 422);
    seen.malformed.fetch_add(1, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_are_each_answered_once_whatever_dies() {
    let _watchdog = watchdog();
    let start = Start { jobs: 4, ..Start::default() };
    let service = service_with(start, |settings| {
        // Fuller than many requests like it.
        settings.bounds.queue = 20;
        settings.bounds.slow = Duration::from_secs(2);
    })
    .await;
    let service = Arc::new(service);
    let seen = Arc::new(Seen::default());
    let next = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));

    let killer = {
        let (service, is_over) = (service.clone(), is_over.clone());
        std::thread::spawn(move || {
            let mut random = fastrand::Rng::with_seed(18);
            let (me, mut killed) = (std::process::id().to_string(), [0, 0]);
            while !is_over.load(Ordering::Relaxed) {
                let is_zygote = random.u32(0..8) == 0;
                let processes = service.processes();
                let of_kind: Vec<_> =
                    processes.iter().filter(|(_, parent)| (*parent == me) == is_zygote).collect();
                if let Some((pid, _)) = random.choice(of_kind) {
                    kill(pid);
                    killed[usize::from(is_zygote)] += 1;
                }
                std::thread::sleep(Duration::from_millis(random.u64(0..10)));
            }
            killed
        })
    };
    // Clients that send a little and nothing more: they are cut off, and hold up nobody.
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).await.unwrap();
        stream.write_all(b"POST /v1/check HTTP/1.1\r\ncontent-le").await.unwrap();
        slow.push(stream);
    }
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (service, seen, next) = (service.clone(), seen.clone(), next.clone());
            tokio::spawn(async move {
                let mut after_a_third = 0;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number == REQUESTS / 3 {
                        after_a_third = resident();
                    }
                    if number >= REQUESTS {
                        return after_a_third;
                    }
                    match number % 20 {
                        3 => leaves(&service, number / 20, &seen).await,
                        11 => malformed(&service, number / 20, &seen).await,
                        _ => whole(&service, number, &seen).await,
                    }
                }
            })
        })
        .collect();
    let mut after_a_third = 0;
    for client in clients {
        after_a_third = after_a_third.max(client.await.unwrap());
    }
    let at_the_end = resident();
    is_over.store(true, Ordering::Relaxed);
    let [children, zygotes] = tokio::task::spawn_blocking(move || killer.join().unwrap()).await.unwrap();
    for mut stream in slow {
        // It was told so, or cut off; in any case it has ended.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
    service.until_load(0, 0).await;

    let of = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    println!(
        "{} answered ({} files done), {} malformed, {} left, {} refusals for a full queue; {children} children and {zygotes} zygotes killed; \
         {} MB after a third, {} MB at the end",
        of(&seen.answered),
        of(&seen.done),
        of(&seen.malformed),
        of(&seen.left),
        of(&seen.refused),
        after_a_third >> 20,
        at_the_end >> 20,
    );
    assert_eq!(of(&seen.answered) + of(&seen.malformed) + of(&seen.left), REQUESTS, "each once");
    assert!(children > 0 && zygotes > 0 && of(&seen.refused) > 0, "else nothing was tried");
    assert!(of(&seen.done) > REQUESTS, "most are fine");
    assert!(at_the_end < after_a_third + (16 << 20), "memory is flat");
    assert_eq!(support::said(&service.check(&["import H0\n-- say still here"]).await[0]), ["still here"]);
    Arc::into_inner(service).unwrap().end().await;
}
