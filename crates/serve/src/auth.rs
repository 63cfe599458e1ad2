//! Who may ask: whoever knows the key, where there is one. No input and output.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a request's key comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may ask.
    Granted,
    /// It has no key.
    Missing,
    /// It has another one.
    Wrong,
}

/// Compares what a request carries (`Authorization: Bearer KEY`, or the bare key) with the key that is demanded, in a time that depends on neither.
#[must_use]
pub fn access(demanded: Option<&str>, carried: Option<&[u8]>) -> Access {
    let Some(demanded) = demanded else { return Access::Granted };
    let Some(carried) =
        carried.map(|carried| carried.strip_prefix(b"Bearer ").unwrap_or(carried).trim_ascii())
    else {
        return Access::Missing;
    };
    // Of equal length, whatever was sent.
    let digest = |key: &[u8]| Sha256::digest(key);
    if digest(demanded.as_bytes()).ct_eq(&digest(carried)).into() { Access::Granted } else { Access::Wrong }
}

/// Whether a browser sends this for a page of another site, which could else have files checked on the machine of whoever looks at it. A page is
/// of this service if it comes from the host that is asked; and where no key is demanded, that host must be called as only this machine is, since
/// a name can be made to mean any address.
#[must_use]
pub fn is_foreign(origin: &str, host: Option<&str>, has_key: bool) -> bool {
    let Some(host) = host else { return true };
    let is_same = origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host));
    !is_same || !(has_key || names_this_machine(host))
}

/// Whether a `Host` is what only this machine is called. A browser names no `Origin` where a page reads from its own site, and a page's name can be made to mean
/// this machine: so what is to be read without a key is shown to whoever asks by such a name only.
#[must_use]
pub fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let ip: Option<std::net::IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    name.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback())
}

/// A key file: its first line that is not empty.
///
/// # Errors
/// There is none, or it can't be said in a header.
pub fn key_in(text: &str) -> Result<String, String> {
    let key = text.lines().map(str::trim).find(|line| !line.is_empty()).ok_or("there is no key in it")?;
    if key.len() < 16 {
        return Err("its key has fewer than 16 characters: `openssl rand -hex 32` makes one".to_owned());
    }
    if !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err("its key has characters that a header can't carry".to_owned());
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_is_granted() {
        let key = Some("0123456789abcdef");
        for carried in [&b"Bearer 0123456789abcdef"[..], b"0123456789abcdef", b"Bearer 0123456789abcdef "] {
            assert_eq!(access(key, Some(carried)), Access::Granted);
        }
        for carried in
            [&b""[..], b"Bearer ", b"0123456789abcde", b"0123456789abcdeff", b"0123456789abcdeF", b"\xff"]
        {
            assert_eq!(access(key, Some(carried)), Access::Wrong);
        }
        assert_eq!(access(key, None), Access::Missing);
        assert_eq!(access(None, None), Access::Granted);
    }

    #[test]
    fn page_of_another_site_is_foreign() {
        assert!(!is_foreign("http://127.0.0.1:8000", Some("127.0.0.1:8000"), false));
        assert!(!is_foreign("http://localhost:8000", Some("localhost:8000"), false));
        assert!(!is_foreign("http://[::1]:8000", Some("[::1]:8000"), false));
        assert!(!is_foreign("https://lean.example", Some("lean.example"), true));
        assert!(is_foreign("https://evil.example", Some("127.0.0.1:8000"), false));
        assert!(
            is_foreign("http://evil.example:8000", Some("evil.example:8000"), false),
            "a name for loopback"
        );
        assert!(is_foreign("http://127.0.0.1:9000", Some("127.0.0.1:8000"), true));
        assert!(is_foreign("null", Some("127.0.0.1:8000"), false));
        assert!(is_foreign("http://127.0.0.1:8000", None, false));
    }

    #[test]
    fn key_file_that_holds_no_good_key_is_refused() {
        assert_eq!(key_in("\n 0123456789abcdef \nx").unwrap(), "0123456789abcdef");
        for bad in ["", "\n\n", "short", "0123456789 abcdef", "0123456789abcdéf"] {
            assert!(key_in(bad).is_err(), "{bad}");
        }
    }
}
