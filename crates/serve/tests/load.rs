//! Risk: a client keeps others waiting, leaves its checks behind, or is not told when there is no room; or the service can't be stopped.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use support::{Start, read, said, service, service_with, until, watchdog};

fn snippets(count: usize, code: &str) -> Value {
    let all: Vec<Value> = (0..count).map(|id| json!({"id": id.to_string(), "code": code})).collect();
    json!({"snippets": all, "timeout": 600})
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_of_ten_thousand_keeps_no_other_check_waiting() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let batch = service.begin("/api/check", &snippets(10_000, "-- wait 2"));
    until(|| service.engine.load().waiting > 9_000).await;
    for _ in 0..20 {
        let before = service.engine.live_checks();
        let result = service.check(&["-- say mine"]).await.remove(0);
        assert_eq!(said(&result), ["mine"]);
        let between = service.engine.live_checks() - before - 1;
        // Those that ran when it came, one a job; and what the other job does while it runs itself.
        assert!(between <= 20, "{between} others were checked first or meanwhile");
    }
    assert!(service.engine.load().waiting > 1_000, "else nothing was shown");
    batch.abort();
    service.until_load(0, 0).await;
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_leaves_has_its_checks_cancelled() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let left = service.begin("/api/check", &snippets(50, "-- ignore-cancel"));
    service.until_load(48, 2).await;
    left.abort();
    service.until_load(0, 0).await;
    assert_eq!(said(&service.check(&["-- say next"]).await[0]), ["next"]);
    assert!(service.get("/metrics").await.1.contains("leanpool_checks_given_up_total 48"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn full_queue_is_said_and_when_to_come_again() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.bounds.queue = 10).await;
    let held = service.begin("/api/check", &snippets(8, "-- until-cancelled"));
    service.until_load(6, 2).await;
    let body = serde_json::to_vec(&snippets(5, "-- say x")).unwrap();
    let response = service.send(service.request(Method::POST, "/api/check", &body)).await;
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    let (status, text) = read(response).await;
    assert_eq!(status, 429);
    assert!(text.contains("--max-queue"), "{text}");
    let fits = service.begin("/api/check", &snippets(4, "-- say x"));
    service.until_load(10, 2).await;
    held.abort();
    assert_eq!(fits.await.unwrap().0, 200, "what was accepted is answered");
    // More than ever fits is no matter of waiting.
    assert_eq!(service.post("/api/check", &snippets(11, "-- say x")).await.0, 422);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn timed_out_check_costs_its_child_and_the_next_one_is_warm() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    service.check(&["import A\n"]).await;
    let zygotes = service.engine.worker_stats().zygotes;
    for listens in ["until-cancelled", "ignore-cancel"] {
        let text = format!("import A\n-- say before\n-- {listens}");
        let (_, answer) = service.post("/v1/check", &json!({"text": text, "timeout": 0.2})).await;
        let result = &answer["results"][0];
        assert_eq!((&result["ending"], said(result)), (&json!("timed-out"), vec!["before"]));
        assert_eq!(said(&service.check(&["import A\n-- say next"]).await[0]), ["next"]);
    }
    assert_eq!(service.engine.worker_stats().zygotes, zygotes, "nothing was imported again");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn graceful_stop_answers_all_that_was_accepted_and_refuses_what_comes() {
    let _watchdog = watchdog();
    let mut service = service(|_| ()).await;
    let accepted = service.begin("/api/check", &snippets(300, "-- wait 2\n-- say x"));
    until(|| service.engine.load().waiting > 100).await;
    service.tell_to_stop();
    until(|| service.engine.stage() == leanpool_serve::engine::Stage::Stopping).await;
    let body = serde_json::to_vec(&snippets(1, "")).unwrap();
    let response = service.send(service.request(Method::POST, "/api/check", &body)).await;
    assert_eq!((response.status().as_u16(), response.headers().contains_key("retry-after")), (503, true));
    assert_eq!(service.get("/health").await.0, 503);
    let (status, answer) = accepted.await.unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!((status, results.len()), (200, 300));
    assert!(results.iter().all(|result| result["response"]["messages"][0]["data"] == "x"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_with_a_short_grace_answers_what_it_cancels() {
    let _watchdog = watchdog();
    let start = Start { grace: Duration::from_millis(100), ..Start::default() };
    let mut service = service_with(start, |_| ()).await;
    let accepted = service.begin("/api/check", &snippets(20, "-- ignore-cancel"));
    service.until_load(18, 2).await;
    service.tell_to_stop();
    let (status, answer) = accepted.await.unwrap();
    let results = answer["results"].as_array().unwrap();
    assert_eq!((status, results.len()), (200, 20));
    assert!(
        results.iter().all(|result| result["error"].as_str().unwrap().contains("stopped")),
        "{results:?}"
    );
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_client_is_told_or_cut_off_and_holds_up_nobody() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let _watchdog = watchdog();
    let service = service(|settings| {
        settings.bounds.slow = Duration::from_millis(200);
        settings.bounds.connections = 3;
    })
    .await;
    let address = service.url.trim_start_matches("http://").to_owned();
    let say = |text: &'static str| {
        let address = address.clone();
        async move {
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer).await;
            answer
        }
    };
    // More of them than there may be connections, and one that asks in time.
    let half_body = "POST /v1/check HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    let half_head = "POST /v1/check HTTP/1.1\r\nho";
    let (body, head, nothing, other, mine) = tokio::join!(
        say(half_body),
        say(half_head),
        say(""),
        say(half_body),
        service.check(&["-- say mine"])
    );
    for answer in [body, other] {
        assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("--slow-client"), "{answer}");
    }
    assert!(!head.contains("200") && !nothing.contains("200"));
    assert_eq!(said(&mine[0]), ["mine"]);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_apart_by_the_header_that_a_trusted_proxy_sets() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.client_header = Some("x-client".to_owned())).await;
    let mut waiting = Vec::new();
    for client in ["a", "b"] {
        let body = serde_json::to_vec(&snippets(5, "-- until-cancelled")).unwrap();
        let mut request = service.request(Method::POST, "/api/check", &body);
        request.headers_mut().insert("x-client", client.parse().unwrap());
        waiting.push(service.begin_request(request));
    }
    service.until_load(8, 2).await;
    assert_eq!(service.engine.load().clients, 2);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    service.until_load(0, 0).await;
    assert_eq!(service.engine.load().clients, 0, "nothing is kept of who has left");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_all_requests_that_wait_are_bounded_and_their_room_comes_back() {
    let _watchdog = watchdog();
    let start = Start { jobs: 1, ..Start::default() };
    let service = service_with(start, |settings| {
        (settings.bounds.body, settings.bounds.bodies) = (40_000, 100_000);
    })
    .await;
    let filler = "x".repeat(30_000);
    let body = |script: &str| json!({"text": format!("import A\n-- {script}\n--{filler}")});
    let stream = json!({"text": body("until-cancelled")["text"], "stream": true});
    let mut held =
        vec![service.begin("/v1/check", &body("until-cancelled")), service.begin("/v1/check", &stream)];
    held.push(service.begin("/v1/check", &body("until-cancelled")));
    service.until_load(2, 1).await;
    let (status, answer) = service.post("/v1/check", &body("say x")).await;
    assert!(status == 429 && answer.to_string().contains("--max-bodies"), "{answer}");
    // Their clients leave, and others have room.
    held.iter().for_each(tokio::task::JoinHandle::abort);
    service.until_load(0, 0).await;
    while service.post("/v1/check", &body("say x")).await.0 != 200 {}
    service.end().await;
}
