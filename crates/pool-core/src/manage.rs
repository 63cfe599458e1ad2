//! Whom a pool asks about its resources: themselves, or hooks.

use std::fmt;
use std::marker::PhantomData;

use crate::resource::{Health, Resource};

/// Who answers what a pool asks about its resources. Sealed: for a type of your own implement [`Resource`], which is asked by
/// [`Own`]; for another's type give the builder [`Hooks`].
///
/// All methods are called outside the pool's borrow or lock; a panic of one is contained, and ends that one resource.
pub trait Manage<R>: sealed::Sealed<R> {
    /// Why an open failed.
    type Error;

    /// Bytes that dropping it gives back, now.
    fn weight(&self, resource: &R) -> u64;

    /// Bytes that opening it took for good.
    fn residue(&self, resource: &R) -> u64;

    /// Whether it may be used again.
    fn health(&self, resource: &mut R) -> Health;

    /// Makes it ready for the next one who asks, and says whether it is.
    fn reset(&self, resource: &mut R) -> Health;

    /// Whether a lease that is dropped by a panic may give it back all the same.
    fn survives_panic(&self, resource: &R) -> bool;
}

mod sealed {
    pub trait Sealed<R> {}
    impl<R: super::Resource> Sealed<R> for super::Own {}
    impl<R, X> Sealed<R> for super::Hooks<R, X> {}
}

/// The resources answer themselves: by [`Resource`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Own;

impl<R: Resource> Manage<R> for Own {
    type Error = R::Error;

    #[inline]
    fn weight(&self, resource: &R) -> u64 {
        resource.weight()
    }

    #[inline]
    fn residue(&self, resource: &R) -> u64 {
        resource.residue()
    }

    #[inline]
    fn health(&self, resource: &mut R) -> Health {
        resource.health()
    }

    #[inline]
    fn reset(&self, resource: &mut R) -> Health {
        resource.reset()
    }

    #[inline]
    fn survives_panic(&self, resource: &R) -> bool {
        resource.survives_panic()
    }
}

type Asks<R> = Option<Box<dyn Fn(&mut R) -> Health + Send + Sync>>;
type Tells<R> = Option<Box<dyn Fn(&R) -> u64 + Send + Sync>>;

/// Closures answer for resources whose type is another's. What is not given is as in [`Resource`]. `X` is what an open fails with.
///
/// ```
/// use pool_core::{Health, Hooks, sync::Pool};
/// use std::net::{TcpListener, TcpStream};
///
/// let hooks = Hooks::new().health(|stream: &mut TcpStream| match stream.take_error() {
///     Ok(None) => Health::Reusable,
///     _ => Health::Broken,
/// });
/// let pool: Pool<String, TcpStream, Hooks<TcpStream, std::io::Error>> = Pool::hooks_builder(hooks).build();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let stream = pool.acquire(&listener.local_addr()?.to_string(), |address| TcpStream::connect(address))?;
/// # drop(stream);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hooks<R, X> {
    health: Asks<R>,
    reset: Asks<R>,
    weight: Tells<R>,
    residue: Tells<R>,
    survives_panic: bool,
    error: PhantomData<fn() -> X>,
}

impl<R, X> Hooks<R, X> {
    /// Resources that are always good, and weigh nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            health: None,
            reset: None,
            weight: None,
            residue: None,
            survives_panic: false,
            error: PhantomData,
        }
    }

    /// As [`Resource::health`].
    #[must_use]
    pub fn health(self, health: impl Fn(&mut R) -> Health + Send + Sync + 'static) -> Self {
        Self { health: Some(Box::new(health)), ..self }
    }

    /// As [`Resource::reset`].
    #[must_use]
    pub fn reset(self, reset: impl Fn(&mut R) -> Health + Send + Sync + 'static) -> Self {
        Self { reset: Some(Box::new(reset)), ..self }
    }

    /// As [`Resource::weight`].
    #[must_use]
    pub fn weight(self, weight: impl Fn(&R) -> u64 + Send + Sync + 'static) -> Self {
        Self { weight: Some(Box::new(weight)), ..self }
    }

    /// As [`Resource::residue`].
    #[must_use]
    pub fn residue(self, residue: impl Fn(&R) -> u64 + Send + Sync + 'static) -> Self {
        Self { residue: Some(Box::new(residue)), ..self }
    }

    /// As [`Resource::survives_panic`], for all of them.
    #[must_use]
    pub fn survives_panic(self) -> Self {
        Self { survives_panic: true, ..self }
    }
}

impl<R, X> Default for Hooks<R, X> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R, X> Manage<R> for Hooks<R, X> {
    type Error = X;

    fn weight(&self, resource: &R) -> u64 {
        self.weight.as_ref().map_or(0, |weight| weight(resource))
    }

    fn residue(&self, resource: &R) -> u64 {
        self.residue.as_ref().map_or(0, |residue| residue(resource))
    }

    fn health(&self, resource: &mut R) -> Health {
        self.health.as_ref().map_or(Health::Reusable, |health| health(resource))
    }

    fn reset(&self, resource: &mut R) -> Health {
        self.reset.as_ref().map_or(Health::Reusable, |reset| reset(resource))
    }

    fn survives_panic(&self, _: &R) -> bool {
        self.survives_panic
    }
}

impl<R, X> fmt::Debug for Hooks<R, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut hooks = f.debug_struct("Hooks");
        hooks.field("health", &self.health.is_some()).field("reset", &self.reset.is_some());
        hooks.field("weight", &self.weight.is_some()).field("residue", &self.residue.is_some());
        hooks.field("survives_panic", &self.survives_panic).finish()
    }
}
