//! Risk: a session of the REPL over a WebSocket answers another's requests, outlives its client, or keeps the service from ending.
#![cfg(target_os = "linux")]

mod support;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use support::{Service, service, watchdog};
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
    let service = service(|_| ()).await;
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
