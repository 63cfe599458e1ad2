//! Eviction policies by name, with their parameters: those of `pool-core`, and any of yours.
//!
//! ```
//! use leanpool::policy::Policy;
//! use leanpool::pool_core::eviction::Lru;
//!
//! let slow: Policy = "worth:half-life=0.3".parse()?;
//! let admission: Policy = "tiny-lfu:window=0.01:over=arc".parse()?;
//! let yours = Policy::new("Mine", Lru::new);
//! assert_eq!([slow.name(), admission.name(), yours.name()], ["Worth:half-life=0.3", "TinyLfu:window=0.01:over=Arc", "Mine"]);
//! # Ok::<(), String>(())
//! ```

mod parameters;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use pool_core::eviction::{self, Camp, Hyperbolic, LeCaR, Lhd, Recall, RecallSettings, TinyLfu, Worth};
use pool_core::{Eviction, Names as Imports};

use crate::nearest::no_such;
use crate::replay::DEFAULT_POLICY;
use parameters::Parameters;

/// The name of the policy that a pool uses which is told no other: [`DEFAULT_POLICY`], in comparisons.
pub const DEFAULT: &str = "default";

/// What a policy is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// Whether the pool is bounded in bytes.
    pub by_weight: bool,
    /// Whether keys are import lists, of which some are like others, rather than any texts.
    pub lists: bool,
}

type Make = dyn Fn(Circumstances) -> Box<dyn Eviction<Imports>> + Send + Sync;

/// What all at once can be said of a policy, at every capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    Lru,
    RejectIncoming,
}

/// A policy that can be made as often as it is wanted, and its name.
#[derive(Clone)]
pub struct Policy {
    name: Arc<str>,
    make: Arc<Make>,
    stack: Option<Stack>,
}

impl Policy {
    /// One of yours, under a name that is no other's.
    pub fn new<E: Eviction<Imports> + 'static>(
        name: &str,
        make: impl Fn() -> E + Send + Sync + 'static,
    ) -> Self {
        Self::with_circumstances(name, move |_| Box::new(make()))
    }

    /// The same, for one that is made differently for pools that are bounded in bytes, or keys that are no lists.
    pub fn with_circumstances(
        name: &str,
        make: impl Fn(Circumstances) -> Box<dyn Eviction<Imports>> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), make: Arc::new(make), stack: None }
    }

    /// The policy that a pool uses which is told no other, under the name [`DEFAULT`].
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the default policy has its name")]
    pub fn default_policy() -> Self {
        let policy: Self = DEFAULT_POLICY.parse().expect("the default policy has its name");
        Self { name: DEFAULT.into(), ..policy }
    }

    /// All that `pool-core` has, each once: the default one under the name [`DEFAULT`], first.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "every published name is a policy's")]
    pub fn all() -> Vec<Self> {
        let others = eviction::NAMES.iter().filter(|name| **name != DEFAULT_POLICY);
        let named = |name: &&str| name.parse().expect("every published name is a policy's");
        [Self::default_policy()].into_iter().chain(others.map(named)).collect()
    }

    /// What it is called in tables: its published name, and the parameters that were given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new one.
    #[must_use]
    pub fn make(&self, circumstances: Circumstances) -> Box<dyn Eviction<Imports>> {
        (self.make)(circumstances)
    }

    pub(crate) fn stack(&self) -> Option<Stack> {
        self.stack
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Policy").field(&self.name).finish()
    }
}

/// The parameters that there are, for `--help`.
pub const HELP: &str = "\
Policies with parameters, NAME:PARAMETER=VALUE, all separated by colons; names as published, in any case,
with or without dashes:
  recall      similar= longest= sharpness= half-lives= successors= expected= learning-rate=
              inherited= most-inherited= charge-half-life= longer-counts= by-cost=true|false
  worth       half-life=0.2 (in known keys)   similar=0.5 (share of names)
  camp        precision=5 (bits)
  lecar, hyperbolic, lhd   seed=1
  tiny-lfu    window=0.01 (share of the pool)
              over=POLICY (the rest of the text: any policy, with its parameters)
                  tiny-lfu:window=0.01:over=worth:half-life=0.3 is W-TinyLFU over Worth";

impl FromStr for Policy {
    type Err = String;

    /// Reads `NAME`, or `NAME:PARAMETER=VALUE…`: at most 4096 bytes, and 8 policies that are over each other and another.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a policy of {} bytes: at most {LONGEST} are read", text.len()));
        }
        Self::nested(text, 0)
    }
}

/// Bytes of a policy's text.
const LONGEST: usize = 4096;
/// How many policies one may be over that are over each other.
const DEEPEST: usize = 8;

impl Policy {
    /// Reads one that so many others are over.
    fn nested(text: &str, above: usize) -> Result<Self, String> {
        if above > DEEPEST {
            return Err(format!(
                "a policy is over {above} others here: at most {DEEPEST} may lie over each other"
            ));
        }
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        if name.eq_ignore_ascii_case(DEFAULT) && parameters.is_empty() {
            return Ok(Self::default_policy());
        }
        let known = if name.eq_ignore_ascii_case(DEFAULT) {
            Some(DEFAULT_POLICY)
        } else {
            eviction::published_name(name)
        };
        let names: Vec<&str> = [DEFAULT].into_iter().chain(eviction::NAMES.iter().copied()).collect();
        let name = known.ok_or_else(|| no_such("policy", name, &names))?;
        let mut given = Parameters::new(name, parameters, above)?;
        let (make, stack) = maker(name, &mut given)?;
        given.end()?;
        Ok(Self { name: given.canonical.into(), make, stack })
    }
}

/// What makes the policy of a published name.
fn maker(name: &'static str, given: &mut Parameters<'_>) -> Result<(Arc<Make>, Option<Stack>), String> {
    let make: Arc<Make> = match name {
        "Recall" => {
            let settings = recall_settings(given)?;
            Arc::new(move |now| recall(settings, now))
        }
        "Worth" => {
            let half_life = given.number("half-life", |value| value > 0.0)?;
            let similar = given.number("similar", |value| value >= 0.0)?;
            Arc::new(move |now| worth(half_life, similar, now))
        }
        "Camp" => {
            match given.number("precision", |bits| (1.0..=52.0).contains(&bits) && bits.fract() == 0.0)? {
                Some(bits) => Arc::new(move |_| Box::new(Camp::with_precision(bits as u32))),
                None => by_name(name),
            }
        }
        "LeCaR" | "Hyperbolic" | "Lhd" => match given.whole("seed")? {
            Some(seed) => Arc::new(move |_| match name {
                "LeCaR" => Box::new(LeCaR::with_seed(seed)),
                "Hyperbolic" => Box::new(Hyperbolic::with_seed(seed)),
                _ => Box::new(Lhd::with_seed(seed)),
            }),
            None => by_name(name),
        },
        "TinyLfu" => {
            let window = given.number("window", |share| (0.0..=1.0).contains(&share))?.unwrap_or(0.0);
            let inner: Policy =
                given.policy("over")?.unwrap_or(Policy { make: by_name("Lru"), ..Policy::default_policy() });
            Arc::new(move |now| Box::new(TinyLfu::with_window(window, inner.make(now))))
        }
        name => by_name(name),
    };
    let stack = match name {
        "Lru" => Some(Stack::Lru),
        "RejectIncoming" => Some(Stack::RejectIncoming),
        _ => None,
    };
    Ok((make, stack))
}

fn by_name(name: &'static str) -> Arc<Make> {
    Arc::new(move |_| eviction::named::<Imports>(name).expect("a published name is a policy's"))
}

fn recall(settings: RecallSettings, now: Circumstances) -> Box<dyn Eviction<Imports>> {
    match (now.lists, now.by_weight) {
        (true, true) => Box::new(Recall::of_names().settings(settings).per_byte()),
        (true, false) => Box::new(Recall::of_names().settings(settings)),
        (false, true) => Box::new(Recall::new().settings(settings).per_byte()),
        (false, false) => Box::new(Recall::new().settings(settings)),
    }
}

fn worth(half_life: Option<f64>, similar: Option<f64>, now: Circumstances) -> Box<dyn Eviction<Imports>> {
    fn set<N>(worth: Worth<N>, half_life: Option<f64>, similar: Option<f64>, by_weight: bool) -> Worth<N> {
        let worth = if let Some(half_life) = half_life { worth.half_life(half_life) } else { worth };
        let worth = if let Some(similar) = similar { worth.similar(similar) } else { worth };
        if by_weight { worth.per_byte() } else { worth }
    }
    if now.lists {
        Box::new(set(Worth::of_names(), half_life, similar, now.by_weight))
    } else {
        Box::new(set(Worth::new(), half_life, similar, now.by_weight))
    }
}

fn recall_settings(given: &mut Parameters<'_>) -> Result<RecallSettings, String> {
    let mut settings = RecallSettings::default();
    let RecallSettings {
        longest,
        sharpness,
        charge_half_life,
        longer_counts,
        similar,
        inherited,
        most_inherited,
        learning_rate,
        expected,
        ..
    } = &mut settings;
    let positive = [("longest", longest), ("charge-half-life", charge_half_life)];
    let others = [
        ("sharpness", sharpness),
        ("longer-counts", longer_counts),
        ("similar", similar),
        ("inherited", inherited),
        ("most-inherited", most_inherited),
        ("learning-rate", learning_rate),
        ("expected", expected),
    ];
    for (name, setting) in positive {
        *setting = given.number(name, |value| value > 0.0)?.unwrap_or(*setting);
    }
    for (name, setting) in others {
        *setting = given.number(name, |value| value >= 0.0)?.unwrap_or(*setting);
    }
    let half_lives =
        given.number("half-lives", |count| (1.0..=5.0).contains(&count) && count.fract() == 0.0)?;
    settings.half_lives = half_lives.map_or(settings.half_lives, |count| count as usize);
    settings.successors = given.whole("successors")?.unwrap_or(settings.successors);
    settings.by_cost = given.flag("by-cost")?.unwrap_or(settings.by_cost);
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Result<String, String> {
        text.parse().map(|policy: Policy| policy.name().to_owned())
    }

    #[test]
    fn names_and_parameters_are_read_and_written_in_one_form() {
        for (text, name) in [
            ("lru", "Lru"),
            ("DEFAULT", "default"),
            ("reject_incoming", "RejectIncoming"),
            ("worth:similar=0.25:half-life=0.30", "Worth:half-life=0.3:similar=0.25"),
            ("default:by-cost=false", "Recall:by-cost=false"),
            ("recall:half-lives=3:successors=0", "Recall:half-lives=3:successors=0"),
            ("camp:precision=7", "Camp:precision=7"),
            ("lhd:seed=18446744073709551615", "Lhd:seed=18446744073709551615"),
            ("tinylfu:over=tiny-lfu:window=0.5:over=arc", "TinyLfu:over=TinyLfu:window=0.5:over=Arc"),
        ] {
            assert_eq!(named(text).as_deref(), Ok(name));
            assert_eq!(named(name).as_deref(), Ok(name), "what is written is read");
        }
    }

    #[test]
    fn what_there_is_not_is_answered_with_the_nearest_that_there_is() {
        for (text, says) in [
            ("recal", "no policy has the name 'recal': did you mean Recall?"),
            ("worth:halflife=1", "no parameter of Worth has the name 'halflife': did you mean half-life?"),
            ("lru:size=1", "Lru has no parameters; 'size' can't be given"),
            ("worth:half-life=0", "'0' can't be half-life of Worth: expected a number in its range"),
            ("worth:half-life", "'half-life': expected PARAMETER=VALUE"),
            ("lhd:seed=x", "'x' can't be seed of Lhd: expected a whole number"),
            ("camp:precision=1.5", "'1.5' can't be precision of Camp"),
            ("tiny-lfu:over=sive", "no policy has the name 'sive': did you mean Sieve?"),
            ("worth:similar=1:similar=2", "'similar=2': similar is given twice"),
        ] {
            let error = named(text).unwrap_err();
            assert!(error.starts_with(says), "{text}: {error}");
        }
    }

    #[test]
    fn text_that_nests_policies_without_end_is_an_error_that_names_the_limit() {
        let over = |depth: usize| format!("{}lru", "tiny-lfu:over=".repeat(depth));
        assert!(named(&over(8)).is_ok());
        let error = named(&over(9)).unwrap_err();
        assert!(error.contains("at most 8 may lie over each other"), "{error}");
        let error = named(&over(10_000)).unwrap_err();
        assert!(error.contains("at most 4096 are read"), "{error}");
    }

    #[test]
    fn help_names_every_parameter_that_a_policy_takes() {
        for name in eviction::NAMES {
            let mut given = Parameters::new(name, "", 0).unwrap();
            assert!(maker(name, &mut given).is_ok());
            for parameter in given.known {
                assert!(HELP.contains(&format!("{parameter}=")), "{name}: {parameter}");
            }
        }
    }
}
