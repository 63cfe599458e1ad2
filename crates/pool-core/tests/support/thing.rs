//! A resource that only weighs, and one that is shared.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::sync::Arc;

use pool_core::Resource;
use pool_core::capacity::MaxIdle;
use pool_core::sync::Pool;

#[derive(Debug)]
pub(crate) struct Thing {
    weight: u64,
}

impl Resource for Thing {
    type Error = &'static str;

    fn weight(&self) -> u64 {
        self.weight
    }
}

pub(crate) fn thing(weight: u64) -> Result<Thing, &'static str> {
    Ok(Thing { weight })
}

#[derive(Clone)]
pub(crate) struct Handle(pub(crate) Arc<u64>);

impl Resource for Handle {
    type Error = &'static str;
}

pub(crate) fn handle(number: u64) -> Result<Handle, &'static str> {
    Ok(Handle(Arc::new(number)))
}

pub(crate) fn sharing(max_idle: u64) -> Pool<u32, Handle> {
    Pool::builder().capacity(MaxIdle(max_idle)).shared().build()
}
