//! Other pools, each in its best fair setting. None of them knows keys.

use std::convert::Infallible;

use benches::Free;

/// How many each pool holds.
pub(crate) const SLOTS: usize = 8;

/// What setting each has, for the output.
pub(crate) const SETTINGS: &str = "Settings. *r2d2*: 8 of 8 idle, not tested on check-out, no idle timeout, no maximal \
    lifetime. *bb8*: the same, in one `block_on` of a current-thread tokio for a whole turn, so that entering the runtime is not counted. \
    *deadpool managed*: recycling that checks nothing, no timeouts, blocking through pollster. *deadpool unmanaged*: `try_get`. \
    *object-pool*: `try_pull`. *opool*: the thread-safe `Pool`, prefilled, `get`, no reset. *HashMap of object-pools*: \
    `HashMap<Vec<String>, object_pool::Pool>` with foldhash (std's SipHash takes twice as long), looked up by `&[String]` that is at \
    hand, so without allocating. *keyed floor*: one probe of a `HashMap<Imports, _>` with foldhash, and a pop and push of a \
    `RefCell<Vec>`; *locked*: the same behind one `parking_lot::Mutex`, which is taken twice. *reference design*: see `benches/src/reference.rs`.";

/// Nothing is ever wrong with it.
#[derive(Debug)]
pub(crate) struct Manager;

impl r2d2::ManageConnection for Manager {
    type Connection = Free;
    type Error = Infallible;

    fn connect(&self) -> Result<Free, Infallible> {
        Ok(Free(0))
    }

    fn is_valid(&self, _: &mut Free) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Free) -> bool {
        false
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Free;
    type Error = Infallible;

    async fn connect(&self) -> Result<Free, Infallible> {
        Ok(Free(0))
    }

    async fn is_valid(&self, _: &mut Free) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Free) -> bool {
        false
    }
}

impl deadpool::managed::Manager for Manager {
    type Type = Free;
    type Error = Infallible;

    async fn create(&self) -> Result<Free, Infallible> {
        Ok(Free(0))
    }

    async fn recycle(
        &self,
        _: &mut Free,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl opool::PoolAllocator<Free> for Manager {
    fn allocate(&self) -> Free {
        Free(0)
    }
}

pub(crate) fn r2d2() -> r2d2::Pool<Manager> {
    let size = SLOTS as u32;
    let pool = r2d2::Pool::builder().max_size(size).min_idle(Some(size)).test_on_check_out(false);
    pool.idle_timeout(None).max_lifetime(None).build(Manager).expect("nothing can go wrong")
}

pub(crate) async fn bb8() -> bb8::Pool<Manager> {
    let size = SLOTS as u32;
    let pool = bb8::Pool::builder().max_size(size).min_idle(size).test_on_check_out(false);
    pool.idle_timeout(None).max_lifetime(None).build(Manager).await.expect("nothing can go wrong")
}

pub(crate) fn deadpool() -> deadpool::managed::Pool<Manager> {
    let pool =
        deadpool::managed::Pool::builder(Manager).max_size(SLOTS).build().expect("no timeouts are set");
    let all: Vec<_> = (0..SLOTS).map(|_| pollster::block_on(pool.get())).collect();
    drop(all);
    pool
}

pub(crate) fn deadpool_unmanaged() -> deadpool::unmanaged::Pool<Free> {
    deadpool::unmanaged::Pool::from((0..SLOTS as u64).map(Free).collect::<Vec<_>>())
}

pub(crate) fn object_pool() -> object_pool::Pool<Free> {
    object_pool::Pool::new(SLOTS, || Free(0))
}

pub(crate) fn opool() -> opool::Pool<Manager, Free> {
    opool::Pool::new_prefilled(SLOTS, Manager)
}
