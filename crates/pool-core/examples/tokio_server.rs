//! A server of tasks: thousands of connections share eight solvers, on one thread, and a deadline is tokio's.
//!
//! `cargo run -p pool-core --example tokio_server`

use std::time::Duration;

use pool_core::Resource;
use pool_core::sync::Pool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

struct Solver;

impl Resource for Solver {
    type Error = std::io::Error;
}

impl Solver {
    async fn solve(&mut self, question: &[u8]) -> Vec<u8> {
        tokio::task::yield_now().await; // seconds, really
        question.iter().rev().copied().collect()
    }
}

async fn serve(pool: Pool<String, Solver>, mut stream: TcpStream) -> std::io::Result<()> {
    let mut question = [0; 4];
    stream.read_exact(&mut question).await?;
    let solver = pool.acquire_async("arrays", async |_: &String| Ok(Solver)); // the open may await
    match tokio::time::timeout(Duration::from_secs(30), solver).await {
        Ok(Ok(mut solver)) => stream.write_all(&solver.solve(&question).await).await,
        Ok(Err(error)) => stream.write_all(error.to_string().as_bytes()).await,
        Err(_) => stream.write_all(b"busy").await, // it has left the queue, and nothing is lost
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::new(8);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let clients: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(b"abcd").await?;
                let mut answer = [0; 4];
                stream.read_exact(&mut answer).await.map(|_| answer)
            })
        })
        .collect();
    for _ in 0..clients.len() {
        tokio::spawn(serve(pool.clone(), listener.accept().await?.0));
    }
    for client in clients {
        assert_eq!(&client.await??, b"dcba");
    }
    println!("{} acquires, {} opens", pool.stats().acquired(), pool.stats().opened());
    Ok(())
}
