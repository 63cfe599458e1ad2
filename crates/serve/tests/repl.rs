//! Risk: a session of the REPL over a WebSocket answers another's requests, outlives its client, or keeps the service from ending.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use support::{Service, Start, service, service_with, until, watchdog};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(service: &Service, query: &str) -> Result<Socket, u16> {
    let url = format!("{}/v1/repl{query}", service.url.replace("http://", "ws://"));
    match connect_async(url).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn say(socket: &mut Socket, text: &str) {
    socket.send(Message::text(text)).await.unwrap();
}

async fn heard(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
            Message::Close(_) => panic!("it was closed"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_in_order_and_sessions_know_nothing_of_each_other() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let (mut one, mut two) =
        (connect(&service, "").await.unwrap(), connect(&service, "?project=two").await.unwrap());
    say(&mut one, r#"{"cmd": "-- say first"}"#).await;
    say(&mut one, r#"{"cmd": "-- say second", "env": 0}"#).await;
    assert_eq!(heard(&mut one).await["env"], 0);
    assert_eq!(heard(&mut one).await["env"], 1);
    say(&mut two, r#"{"cmd": "-- say other", "env": 0}"#).await;
    assert_eq!(heard(&mut two).await["message"], "Unknown environment.", "its numbers are its own");
    say(&mut two, "no json").await;
    assert!(heard(&mut two).await["message"].as_str().unwrap().contains("Could not parse"));
    assert_eq!(connect(&service, "?project=nowhere").await.err(), Some(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_more_sessions_than_may_be_and_one_that_ends_makes_room() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(connect(&service, "").await.unwrap());
    }
    assert_eq!(connect(&service, "").await.err(), Some(429));
    drop(all.pop());
    // It is seen to have gone.
    while connect(&service, "").await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_is_demanded_of_sessions_too() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.api_key = Some("secret".to_owned())).await;
    assert_eq!(connect(&service, "").await.err(), Some(401));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_that_never_ends_keeps_neither_the_service_nor_a_process_alive() {
    let _watchdog = watchdog();
    let start = Start { grace: Duration::ZERO, ..Start::default() };
    let service = service_with(start, |_| ()).await;
    let mut socket = connect(&service, "").await.unwrap();
    say(&mut socket, r#"{"cmd": "-- say begun"}"#).await;
    heard(&mut socket).await;
    say(&mut socket, r#"{"cmd": "-- ignore-cancel"}"#).await;
    service.end().await;
    let mut last = None;
    while let Some(Ok(message)) = socket.next().await {
        last = Some(message);
    }
    assert!(matches!(last, None | Some(Message::Close(_))), "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_of_a_session_reaches_a_file() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let folder = tempfile::tempdir().unwrap();
    let (there, new) = (folder.path().join("there"), folder.path().join("new"));
    std::fs::write(&there, r#"["-- say read"]"#).unwrap();
    let mut socket = connect(&service, "").await.unwrap();
    say(&mut socket, r#"{"cmd": "-- sorry x"}"#).await;
    assert_eq!(heard(&mut socket).await["env"], 0);
    for request in [
        json!({"path": there}),
        json!({"path": "there", "env": 0}),
        json!({"path": "/etc/passwd", "cmd": "-- say x"}),
        json!({"path": null, "cmd": "-- say x"}),
        json!({"pickleTo": new, "env": 0}),
        json!({"pickleTo": new, "proofState": 0}),
        json!({"unpickleEnvFrom": there}),
        json!({"unpickleProofStateFrom": there, "tactic": "rfl", "proofState": 0}),
    ] {
        say(&mut socket, &request.to_string()).await;
        let answer = heard(&mut socket).await;
        let words = answer["message"].as_str().unwrap_or_else(|| panic!("{request}: {answer}"));
        assert!(words.contains("Files can't be named"), "{request}: {answer}");
    }
    assert!(!new.exists());
    say(&mut socket, r#"{"cmd": "-- say still here", "env": 0}"#).await;
    assert_eq!(heard(&mut socket).await["env"], 1);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_of_a_session_that_names_a_path_is_refused_before_lean_sees_it() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let mut socket = connect(&service, "").await.unwrap();
    for text in ["import «../../x»", "import A.«/etc/x»\n"] {
        say(&mut socket, &json!({"cmd": text}).to_string()).await;
        let answer = heard(&mut socket).await;
        assert!(
            answer["message"].as_str().unwrap().contains("is refused as the name of a module"),
            "{answer}"
        );
    }
    assert!(service.processes().is_empty());
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn place_of_a_session_is_free_only_once_its_processes_are_gone() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    for _ in 0..6 {
        let mut socket = connect(&service, "").await;
        while socket.is_err() {
            tokio::task::yield_now().await;
            socket = connect(&service, "").await;
        }
        let mut socket = socket.unwrap();
        say(&mut socket, r#"{"cmd": "-- say begun"}"#).await;
        heard(&mut socket).await;
        say(&mut socket, r#"{"cmd": "-- ignore-cancel", "env": 0}"#).await;
        drop(socket);
        let children = service.processes().len();
        // A zygote, and a child for each of three.
        assert!(children <= 4, "{children} processes");
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flood_of_requests_ends_the_session_and_is_not_kept() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.bounds.body = 100_000).await;
    let mut socket = connect(&service, "").await.unwrap();
    say(&mut socket, r#"{"cmd": "-- say begun"}"#).await;
    heard(&mut socket).await;
    say(&mut socket, r#"{"cmd": "-- ignore-cancel", "env": 0}"#).await;
    let request = json!({"cmd": "x".repeat(30_000), "env": 0}).to_string();
    // Some of these wait; then it is closed, and sending fails.
    while socket.send(Message::text(request.as_str())).await.is_ok() {}
    until(|| service.processes().len() <= 1).await;
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_ends_the_session_and_has_no_answer_that_is_taken_for_another_s() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let mut socket = connect(&service, "").await.unwrap();
    socket.send(Message::binary(&b"{}"[..])).await.unwrap();
    let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("it is not closed") };
    assert_eq!(frame.reason.as_str(), "requests are text");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_was_asked_is_answered_though_the_service_stops() {
    let _watchdog = watchdog();
    let mut service = service(|_| ()).await;
    let (mut busy, mut idle) = (connect(&service, "").await.unwrap(), connect(&service, "").await.unwrap());
    say(&mut idle, r#"{"cmd": "-- say x"}"#).await;
    heard(&mut idle).await;
    let begun = tempfile::tempdir().unwrap();
    let touched = begun.path().join("begun");
    let text = format!("-- touch {}\n-- wait 300\n-- say first", touched.display());
    say(&mut busy, &json!({"cmd": text}).to_string()).await;
    say(&mut busy, r#"{"cmd": "-- say second", "env": 0}"#).await;
    // Behind both: so it has read them when it answers this.
    busy.send(Message::Ping(Default::default())).await.unwrap();
    until(|| touched.exists()).await;
    let mut said = vec![busy.next().await.unwrap().unwrap()];
    while !said.contains(&Message::Pong(Default::default())) {
        said.push(busy.next().await.unwrap().unwrap());
    }
    service.tell_to_stop();
    // Whoever has asked nothing is told at once, and the other one once it has its answers.
    assert!(matches!(idle.next().await, Some(Ok(Message::Close(Some(_))))));
    while !matches!(said.last(), Some(Message::Close(Some(_)))) {
        said.push(busy.next().await.unwrap().unwrap());
    }
    let answers = said.iter().filter_map(|message| serde_json::from_str(message.to_text().ok()?).ok());
    let envs: Vec<Value> = answers.map(|answer: Value| answer["env"].clone()).collect();
    assert_eq!(envs, [0, 1], "{said:?}");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_takes_no_answer_holds_up_nobody_and_is_not_answered_without_end() {
    let _watchdog = watchdog();
    let start = Start { grace: Duration::ZERO, ..Start::default() };
    let service = service_with(start, |_| ()).await;
    let mut socket = connect(&service, "").await.unwrap();
    let text = format!("-- say {}", "x".repeat(2_000_000));
    let text = json!({"cmd": text}).to_string();
    // It sends as long as anybody reads that, and reads nothing.
    let never_reads =
        tokio::spawn(async move { while socket.send(Message::text(text.as_str())).await.is_ok() {} });
    let mut other = connect(&service, "").await.unwrap();
    say(&mut other, r#"{"cmd": "-- say here"}"#).await;
    assert_eq!(heard(&mut other).await["env"], 0);
    // It ends, though nobody reads.
    service.end().await;
    never_reads.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gets_no_session_is_told_when_to_come_again() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(connect(&service, "").await.unwrap());
    }
    let url = format!("{}/v1/repl", service.url.replace("http://", "ws://"));
    let Err(Error::Http(response)) = connect_async(url).await else { panic!("there was room") };
    assert!(response.headers().contains_key("retry-after"));
    drop(all);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_that_says_nothing_is_asked_whether_it_is_there() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.bounds.slow = Duration::from_millis(200)).await;
    let mut socket = connect(&service, "").await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
    // Whoever is there keeps its session.
    assert!(matches!(socket.next().await, Some(Ok(Message::Ping(_)))));
    say(&mut socket, r#"{"cmd": "-- say here"}"#).await;
    assert_eq!(heard(&mut socket).await["env"], 0);
    service.end().await;
}
