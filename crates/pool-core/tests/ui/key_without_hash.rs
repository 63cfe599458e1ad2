use pool_core::Resource;
use pool_core::sync::Pool;

struct Solver;
impl Resource for Solver {
    type Error = ();
}

#[derive(Clone, PartialEq, Eq)]
struct Theory(String);

fn main() {
    let pool: Pool<Theory, Solver> = Pool::new(1);
    let _ = pool.acquire(&Theory("arrays".to_owned()), |_| Ok(Solver));
}
