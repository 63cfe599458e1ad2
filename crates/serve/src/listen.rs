//! Where a service listens, and its connections: how many, how slow they may be, how they end.

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::queue::Client;
use crate::settings::Bounds;

/// How long connections may take to end once all is answered.
const TO_CLOSE: Duration = Duration::from_secs(5);

/// What all clients are called that ask by a socket in the file system.
pub(crate) const UNIX: &str = "unix";

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port; port 0 is a free one.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("unix: needs a path".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| "expected an address with a port, such as 127.0.0.1:8000, or unix:PATH".to_owned())
    }
}

impl Listen {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => match address.ip() {
                IpAddr::V4(ip) => ip.is_loopback(),
                IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
            },
            Self::Unix(_) => true,
        }
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn bind(&self) -> std::io::Result<Listener> {
        match self {
            Self::Tcp(address) => TcpListener::bind(address).await.map(Listener::Tcp),
            Self::Unix(path) => {
                // What an earlier one has left that was killed; whoever still listens there is not disturbed.
                let is_socket =
                    std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
                let is_dead = || {
                    let tried = std::os::unix::net::UnixStream::connect(path);
                    tried.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
                };
                if is_socket && is_dead() {
                    std::fs::remove_file(path)?;
                }
                UnixListener::bind(path).map(|listener| Listener::Unix(listener, path.clone()))
            }
        }
    }
}

/// Something that listens.
#[derive(Debug)]
pub enum Listener {
    /// On a port.
    Tcp(TcpListener),
    /// On a path, which goes with it.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// How to reach it.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<String> {
        Ok(match self {
            Self::Tcp(listener) => format!("http://{}", listener.local_addr()?),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        })
    }

    /// Answers by `app` until `stopped` is over, then lets the connections end.
    pub async fn serve(self, app: Router, bounds: &Bounds, stopped: impl Future<Output = ()>) {
        let connections = Arc::new(Semaphore::new(bounds.connections.clamp(1, Semaphore::MAX_PERMITS)));
        // Each connection holds one: all have ended when none is left.
        let (tell, ending) = watch::channel(false);
        tokio::pin!(stopped);
        loop {
            let room = tokio::select! {
                room = connections.clone().acquire_owned() => room,
                () = &mut stopped => break,
            };
            let Ok(room) = room else { break };
            macro_rules! accepted {
                ($accepted:expr, $client:expr) => {
                    match $accepted {
                        Ok((stream, peer)) => {
                            let client: Client = $client(&peer).into();
                            let task = connection(stream, client, app.clone(), bounds.slow, ending.clone());
                            tokio::spawn(async move {
                                task.await;
                                drop(room);
                            });
                        }
                        // As long as there are too many files open, the next try would fail at once.
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                };
            }
            match &self {
                Self::Tcp(listener) => tokio::select! {
                    accepted = listener.accept() => accepted!(accepted, |peer: &SocketAddr| client_at(peer.ip())),
                    () = &mut stopped => break,
                },
                Self::Unix(listener, _) => tokio::select! {
                    accepted = listener.accept() => accepted!(accepted, |_: &tokio::net::unix::SocketAddr| UNIX),
                    () = &mut stopped => break,
                },
            }
        }
        drop(self);
        drop(ending);
        let _ = tell.send(true);
        let _ = tokio::time::timeout(TO_CLOSE, tell.closed()).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What the client at an address is called. Whoever has one address of IPv6 has 2^64 of them, which differ in the last half: they are one client.
fn client_at(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => {
            format!("{}/64", Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)))
        }
        ip => ip.to_string(),
    }
}

/// Serves one connection until it ends.
fn connection<S>(
    stream: S,
    client: Client,
    app: Router,
    slow: Duration,
    mut ending: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + 'static
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    // Whoever takes nothing of its answer is cut off; whoever waits for one may be silent.
    stream.set_write_timeout(Some(slow));
    let app = app.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(client.clone());
        request.map(axum::body::Body::new)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(slow)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(app))
        .with_upgrades();
    async move {
        tokio::pin!(served);
        let is_over = async {
            let _ = ending.wait_for(|is_over| *is_over).await;
        };
        // What goes wrong with a connection is its client's matter.
        tokio::select! {
            _ = served.as_mut() => {}
            () = is_over => {
                served.as_mut().graceful_shutdown();
                let _ = served.await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_client_may_have_are_one_client() {
        let client = |text: &str| client_at(text.parse().unwrap());
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1:2:3"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("2001:db8::1"), "2001:db8::/64");
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("::ffff:10.0.0.1"), "10.0.0.1");
        assert_eq!(client("::1"), "::1");
    }

    #[test]
    fn only_loopback_and_sockets_in_the_file_system_are_local() {
        let is_local = |text: &str| text.parse::<Listen>().unwrap().is_local();
        for text in ["127.0.0.1:0", "127.9.9.9:8000", "[::1]:8000", "[::ffff:127.0.0.1]:1", "unix:/tmp/x"] {
            assert!(is_local(text), "{text}");
        }
        for text in ["0.0.0.0:8000", "[::]:8000", "10.0.0.1:8000", "[::ffff:10.0.0.1]:1"] {
            assert!(!is_local(text), "{text}");
        }
        for text in ["localhost", "8000", "unix:", "", "127.0.0.1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }
}
