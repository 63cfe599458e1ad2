//! When each request came, in as little memory as it takes.

use std::borrow::Cow;

/// Nanoseconds in a second.
pub(super) const SECOND: u64 = 1_000_000_000;
/// Far more than any project's history, and little enough to be counted in nanoseconds.
pub(super) const MOST_SECONDS: u64 = u32::MAX as u64;

/// The times of a trace.
#[derive(Clone, Debug)]
pub(super) enum Times {
    /// A second for each request.
    Steps,
    /// Seconds.
    Whole(Vec<u32>),
    /// Nanoseconds.
    Nanos(Vec<u64>),
}

impl Times {
    pub(super) fn nanos(&self, place: usize) -> u64 {
        match self {
            Self::Steps => place as u64 * SECOND,
            Self::Whole(seconds) => u64::from(seconds[place]) * SECOND,
            Self::Nanos(nanos) => nanos[place],
        }
    }

    /// Adds a time, at most [`MOST_SECONDS`].
    pub(super) fn push(&mut self, nanos: u64) {
        match self {
            Self::Steps => {}
            Self::Whole(seconds) if nanos % SECOND == 0 => seconds.push((nanos / SECOND) as u32),
            Self::Whole(seconds) => {
                let before = seconds.iter().map(|&second| u64::from(second) * SECOND);
                *self = Self::Nanos(before.chain([nanos]).collect());
            }
            Self::Nanos(all) => all.push(nanos),
        }
    }

    /// The times at those places alone.
    pub(super) fn only(&self, places: &[usize]) -> Self {
        let is_run = || places.windows(2).all(|pair| pair[0] + 1 == pair[1]);
        match self {
            Self::Steps if places.first() == Some(&0) && is_run() => Self::Steps,
            _ => {
                let mut times = Self::Whole(Vec::with_capacity(places.len()));
                places.iter().for_each(|&place| times.push(self.nanos(place)));
                times
            }
        }
    }
}

/// The nanoseconds of a text such as `12` or `12.5`, or what is wrong with it. What is less than a nanosecond is cut off.
pub(super) fn nanos_of(text: &str) -> Result<u64, Cow<'static, str>> {
    // Nearly all are like this, and there are millions.
    if (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(SECOND * text.bytes().fold(0, |seconds, digit| 10 * seconds + u64::from(digit - b'0')));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return Err("is not a number of seconds".into());
    }
    match whole.parse::<u64>() {
        Ok(seconds) if seconds <= MOST_SECONDS => {
            let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
            let fraction = digits.fold(0, |nanos, digit| 10 * nanos + u64::from(digit - b'0'));
            Ok(seconds * SECOND + fraction)
        }
        _ => Err(format!("is more than {MOST_SECONDS} seconds (136 years)").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_the_nanosecond_whichever_comes_first() {
        let mut times = Times::Whole(Vec::new());
        let given = [0, 3 * SECOND, 3 * SECOND + 1, 7 * SECOND, MOST_SECONDS * SECOND];
        given.into_iter().for_each(|nanos| times.push(nanos));
        assert_eq!([0, 1, 2, 3, 4].map(|place| times.nanos(place)), given);
        let part = times.only(&[2, 4]);
        assert_eq!((part.nanos(0), part.nanos(1)), (3 * SECOND + 1, MOST_SECONDS * SECOND));
    }

    #[test]
    fn decimals_are_read_exactly() {
        let nanos = |text| nanos_of(text).map_err(Cow::into_owned);
        assert_eq!(nanos("12"), Ok(12 * SECOND));
        assert_eq!(nanos("999999999"), Ok(999_999_999 * SECOND));
        assert_eq!(nanos("1000000000"), Ok(1_000_000_000 * SECOND));
        assert_eq!(nanos("0.1"), Ok(SECOND / 10));
        assert_eq!(nanos("1.0000000019"), Ok(SECOND + 1));
        for wrong in ["", ".", "1.", ".5", "-1", "+1", "1e3", "0x1", "1.5.2", " 1"] {
            assert_eq!(nanos(wrong), Err("is not a number of seconds".to_owned()), "{wrong}");
        }
        for much in ["4294967296", "99999999999999999999999"] {
            assert_eq!(nanos(much), Err("is more than 4294967295 seconds (136 years)".to_owned()));
        }
    }
}
