//! The least that a user has: a pool with the default policies. `benches/size` weighs it beside `nothing.rs`.

use std::convert::Infallible;

use pool_core::Resource;
use pool_core::local::Pool;

struct Text(String);

impl Resource for Text {
    type Error = Infallible;
}

fn open(key: &str) -> Result<Text, Infallible> {
    Ok(Text(key.to_owned()))
}

fn main() {
    let pool: Pool<String, Text> = Pool::with_max_idle(8);
    for key in std::env::args() {
        let Ok(resource) = pool.acquire(&key, |key| open(key)) else { continue };
        println!("{}", resource.0);
    }
}
