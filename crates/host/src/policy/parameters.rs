//! Reading what is said after a policy's name: each parameter is taken by whoever knows it, and nothing may be left.

use std::fmt::Display;
use std::str::FromStr;

use super::Policy;
use crate::nearest::no_such;

/// What is said after a policy's name.
pub(super) struct Parameters<'t> {
    policy: &'static str,
    rest: Vec<(&'t str, &'t str)>,
    /// What was asked for.
    pub(super) known: Vec<&'static str>,
    /// The name with what was taken.
    pub(super) canonical: String,
    /// How many policies are over this one.
    above: usize,
}

impl<'t> Parameters<'t> {
    /// `above`: how many policies are over this one.
    pub(super) fn new(policy: &'static str, text: &'t str, above: usize) -> Result<Self, String> {
        let (mut rest, mut text) = (Vec::new(), text);
        while !text.is_empty() {
            // What another policy is over is the rest, with parameters of its own.
            let part = if text.starts_with("over=") { text } else { text.split(':').next().unwrap_or(text) };
            text = text[part.len()..].trim_start_matches(':');
            let (name, value) = part.split_once('=').ok_or_else(|| {
                format!("'{}': expected PARAMETER=VALUE, such as worth:half-life=0.3", part.escape_debug())
            })?;
            if rest.iter().any(|(before, _)| *before == name) {
                let (part, name) = (part.escape_debug(), name.escape_debug());
                return Err(format!("'{part}': {name} is given twice"));
            }
            rest.push((name, value));
        }
        Ok(Self { policy, rest, known: Vec::new(), canonical: policy.to_owned(), above })
    }

    fn take(&mut self, name: &'static str) -> Option<&'t str> {
        self.known.push(name);
        let place = self.rest.iter().position(|(given, _)| *given == name)?;
        Some(self.rest.remove(place).1)
    }

    fn accept(&mut self, name: &str, value: impl Display) {
        self.canonical += &format!(":{name}={value}");
    }

    fn wrong<T>(&self, name: &str, value: &str, expected: &str) -> Result<T, String> {
        Err(format!("'{}' can't be {name} of {}: expected {expected}", value.escape_debug(), self.policy))
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        is_right: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, String> {
        let is_right = |value: &f64| value.is_finite() && is_right(*value);
        self.parsed(name, is_right, "a number in its range; --help has an example")
    }

    pub(super) fn whole(&mut self, name: &'static str) -> Result<Option<u64>, String> {
        self.parsed(name, |_| true, "a whole number")
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, String> {
        self.parsed(name, |_| true, "true or false")
    }

    fn parsed<T: FromStr + Display>(
        &mut self,
        name: &'static str,
        is_right: impl Fn(&T) -> bool,
        wanted: &str,
    ) -> Result<Option<T>, String> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match text.parse().ok().filter(is_right) {
            Some(value) => {
                self.accept(name, &value);
                Ok(Some(value))
            }
            None => self.wrong(name, text, wanted),
        }
    }

    pub(super) fn policy(&mut self, name: &'static str) -> Result<Option<Policy>, String> {
        let Some(text) = self.take(name) else { return Ok(None) };
        let policy = Policy::nested(text, self.above + 1)?;
        self.accept(name, policy.name());
        Ok(Some(policy))
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), String> {
        let Some((name, _)) = self.rest.first() else { return Ok(()) };
        if self.known.is_empty() {
            return Err(format!(
                "{} has no parameters; '{}' can't be given",
                self.policy,
                name.escape_debug()
            ));
        }
        Err(no_such(&format!("parameter of {}", self.policy), name, &self.known))
    }
}
