//! Messages as lines. What is none is answered as JSON-RPC says, and the next one is read: an agent's odd line costs no call that runs.

use std::future::Future;
use std::sync::Arc;

use rmcp::RoleServer;
use rmcp::model::JsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;

/// Reads from one stream, writes to another.
pub(super) struct Lines<R, W> {
    input: R,
    output: Arc<Mutex<W>>,
    /// What was read of a line so far: whoever waits for the rest may be dropped.
    line: Vec<u8>,
    /// Whether the line has more than [`LONGEST`] bytes, and is passed over.
    is_too_long: bool,
}

/// Bytes of a message, at most: a file of the largest size, each character written as six.
const LONGEST: usize = 32 << 20;

impl<R, W> Lines<R, W> {
    pub(super) fn new(input: R, output: W) -> Self {
        Self { input, output: Arc::new(Mutex::new(output)), line: Vec::new(), is_too_long: false }
    }
}

async fn write<W: AsyncWrite + Unpin>(output: &Mutex<W>, mut line: Vec<u8>) -> std::io::Result<()> {
    line.push(b'\n');
    let mut output = output.lock().await;
    output.write_all(&line).await?;
    output.flush().await
}

fn has_id(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|message| message.get("id").is_some())
}

/// What is answered to a line that is no message, if anything: nothing to a notification that is not known.
fn refusal(line: &[u8]) -> Option<Value> {
    let (code, words, id) = match serde_json::from_slice::<Value>(line) {
        Err(error) => (-32700, format!("no JSON: {error}"), Value::Null),
        Ok(message) => match (message.get("id"), message.get("method")) {
            (None | Some(Value::Null), Some(Value::String(_))) => return None,
            (Some(id @ (Value::String(_) | Value::Number(_))), Some(Value::String(_))) => {
                (-32601, "no such method, or other parameters than it has".to_owned(), id.clone())
            }
            _ => (-32600, "no message of the protocol".to_owned(), Value::Null),
        },
    };
    Some(error(code, &words, id))
}

fn error(code: i64, words: &str, id: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": words}})
}

impl<R: AsyncBufRead + Unpin, W> Lines<R, W> {
    /// Reads up to the end of a line, or of all. Whoever waits for it may be dropped, and go on later.
    async fn read(&mut self, longest: usize) -> std::io::Result<()> {
        loop {
            let more = self.input.fill_buf().await?;
            let end = more.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
            let piece = &more[..end.unwrap_or(more.len())];
            let (count, is_end) = (piece.len(), end.is_some() || more.is_empty());
            if self.is_too_long || self.line.len() + count > longest {
                (self.is_too_long, self.line) = (true, Vec::new());
            } else {
                self.line.extend_from_slice(piece);
            }
            self.input.consume(count);
            if is_end {
                return Ok(());
            }
        }
    }
}

impl<R, W> Transport<RoleServer> for Lines<R, W>
where
    R: AsyncBufRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let output = self.output.clone();
        async move { write(&output, serde_json::to_vec(&message)?).await }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            self.read(LONGEST).await.ok()?;
            let line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.is_too_long) {
                let words = format!("a message has at most {LONGEST} bytes here");
                let refusal = error(-32600, &words, Value::Null);
                write(&self.output, refusal.to_string().into_bytes()).await.ok()?;
                continue;
            }
            if line.is_empty() {
                return None;
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice(&line) {
                // Whatever is not known is taken for a notification.
                Ok(JsonRpcMessage::Notification(_)) if has_id(&line) => {}
                Ok(message) => return Some(message),
                Err(_) => {}
            }
            if let Some(refusal) = refusal(&line) {
                write(&self.output, refusal.to_string().into_bytes()).await.ok()?;
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.output.lock().await.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn line_that_is_no_message_is_answered_and_the_next_one_read() {
        let ping = r#"{"jsonrpc": "2.0", "id": 9, "method": "ping"}"#;
        type Answer = Option<(i64, Value)>;
        let odd: [(&[u8], Answer); 9] = [
            (b"garbage", Some((-32700, Value::Null))),
            (b"\xff", Some((-32700, Value::Null))),
            (b"[1, 2]", Some((-32600, Value::Null))),
            (b"{}", Some((-32600, Value::Null))),
            (b"  ", None),
            (br#"{"jsonrpc": "2.0", "id": 5, "method": "nope"}"#, Some((-32601, json!(5)))),
            (
                br#"{"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": 3}"#,
                Some((-32601, json!("a"))),
            ),
            (br#"{"jsonrpc": "2.0", "id": {}, "method": "ping"}"#, Some((-32600, Value::Null))),
            (br#"{"jsonrpc": "1.0", "method": "nope"}"#, None),
        ];
        for (line, expected) in odd {
            let mut output = Vec::new();
            let input = [line, b"\n", ping.as_bytes()].concat();
            let mut lines = Lines::new(std::io::Cursor::new(input), std::io::Cursor::new(Vec::new()));
            let message = lines.receive().await.expect("the next message");
            let message = serde_json::to_value(message).unwrap();
            assert_eq!(message["id"], 9, "{message} of {}", String::from_utf8_lossy(line));
            assert!(lines.receive().await.is_none(), "the end");
            output.append(lines.output.lock().await.get_mut());
            let said = serde_json::from_slice::<Value>(&output).ok();
            let said = said.map(|said| (said["error"]["code"].as_i64().unwrap(), said["id"].clone()));
            assert_eq!(said, expected, "{}", String::from_utf8_lossy(line));
        }
    }

    #[tokio::test]
    async fn line_that_does_not_end_is_not_kept_and_is_answered_with_the_limit() {
        let endless = std::iter::repeat_n(b'x', LONGEST + 2).chain(*b"\n").collect::<Vec<u8>>();
        let input = [&endless[..], br#"{"jsonrpc": "2.0", "id": 9, "method": "ping"}"#, b"\n"].concat();
        let mut lines = Lines::new(std::io::Cursor::new(input), std::io::Cursor::new(Vec::new()));
        let message = lines.receive().await.expect("the next message");
        assert_eq!(serde_json::to_value(message).unwrap()["id"], 9);
        let said: Value = serde_json::from_slice(lines.output.lock().await.get_ref()).unwrap();
        assert!(said["error"]["message"].as_str().unwrap().contains("at most 33554432 bytes"), "{said}");
        assert!(lines.receive().await.is_none() && lines.line.capacity() == 0);
    }

    // Risk: an agent's odd line ends the session, or is answered twice or not at all.
    fuzz::target!(
        mcp_lines,
        || {
            [
                r#"{"jsonrpc": "2.0", "id": 9, "method": "ping"}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"check","arguments":{"text":"x"}}}"#,
                r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
                "garbage\n{}\n[1]\n",
            ]
            .iter()
            .map(|line| line.as_bytes().to_vec())
            .collect()
        },
        &["\"id\":", "\"method\":", "\"params\":", "\"tools/call\"", "1e999", "\"jsonrpc\":\"2.0\","],
        4000,
        |bytes: &[u8]| {
            let (mut count, mut lines) =
                (0, Lines::new(std::io::Cursor::new(bytes.to_vec()), std::io::Cursor::new(Vec::new())));
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let output = runtime.block_on(async {
                while lines.receive().await.is_some() {
                    count += 1;
                }
                std::mem::take(lines.output.lock().await.get_mut())
            });
            let answers = output.split_inclusive(|&byte| byte == b'\n').map(|line| {
                let answer: Value = serde_json::from_slice(line).expect("an answer is JSON");
                assert!(answer["error"]["code"].is_i64() && line.len() < 1000 + bytes.len());
                answer["error"]["code"].to_string()
            });
            let answers: Vec<String> = answers.collect();
            let said =
                bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            assert!(count + answers.len() <= said, "a line is taken once");
            format!("{} {:?}", count.min(3), answers.first())
        }
    );
}
