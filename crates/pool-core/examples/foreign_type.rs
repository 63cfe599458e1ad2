//! A type that is another's: no newtype, no `impl`, only hooks. Here std's `TcpStream`; a database handle goes the same way.
//!
//! `cargo run -p pool-core --example foreign_type`

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use pool_core::sync::{Lease, Pool};
use pool_core::{Health, Hooks};

type Streams = Pool<SocketAddr, TcpStream, Hooks<TcpStream, std::io::Error>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked on each hit and at each return: whether the other side has closed the connection.
    let is_open = |stream: &mut TcpStream| {
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        let back = stream.set_nonblocking(false);
        match (peeked, back) {
            (Err(error), Ok(())) if error.kind() == std::io::ErrorKind::WouldBlock => Health::Reusable,
            _ => Health::Broken, // closed, or something is left to read
        }
    };
    let pool: Streams = Pool::hooks_builder(Hooks::new().health(is_open)).build();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut byte = [0];
        for _ in 0..2 {
            stream.read_exact(&mut byte)?;
            stream.write_all(&byte)?;
        }
        Ok(())
    });
    for question in [b'a', b'b'] {
        let mut stream = pool.acquire(&address, |address| TcpStream::connect(address))?;
        stream.write_all(&[question])?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, [question]);
        println!(
            "{}: {}",
            char::from(question),
            if Lease::was_hit(&stream) { "reused" } else { "connected" }
        );
    }
    server.join().expect("no panic")?;
    assert_eq!((pool.stats().opened(), pool.stats().reused), (1, 1));
    Ok(())
}
