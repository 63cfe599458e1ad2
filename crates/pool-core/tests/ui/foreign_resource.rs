use pool_core::sync::Pool;
use std::net::TcpStream;

fn main() {
    let pool: Pool<String, TcpStream> = Pool::new(1);
    let _ = pool.acquire("localhost:1", |address| TcpStream::connect(address));
}
