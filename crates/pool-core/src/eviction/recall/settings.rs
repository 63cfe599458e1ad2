use super::fading::HALF_LIVES;

/// What [`Recall`](super::Recall) can be told to weigh otherwise. The defaults are those that were measured; each can be halved
/// or doubled for little.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How many half-lives are tried, 1 to 5: the longest so many. 5.
    pub half_lives: usize,
    /// The longest half-life, in requests for each entry that there is room for; each other is a quarter of the next
    /// longer one. 64.
    pub longest: f64,
    /// A half-life whose simulation was charged one in so many more than the cheapest counts half as much. 40; 0 lets
    /// all count, whatever they were charged.
    pub sharpness: f64,
    /// In how many requests a charge halves. 100.
    pub charge_half_life: f64,
    /// How much a half-life counts, if the next shorter one counts 1. 0.5.
    pub longer_counts: f64,
    /// How similar two lists must be, from 0 to 1, for the newer to take over from the older. 0.3; above 1, none are.
    pub similar: f64,
    /// With how much of the requests of the list most like it a new one begins, times how similar they are. 0.75.
    pub inherited: f64,
    /// How many requests it begins with at most. 3.
    pub most_inherited: f64,
    /// How fast trust in similarity is lost where it does not tell what will be asked for: how much of it at a request that
    /// was to be for a list that inherited. 0.001.
    pub learning_rate: f64,
    /// How many keys are expected after one. 8.
    pub successors: u64,
    /// What being expected counts, in requests. 0.25.
    pub expected: f64,
    /// Whether cost counts.
    pub by_cost: bool,
}

impl Settings {
    /// # Panics
    /// If a number is out of its range.
    pub(super) fn check(&self) {
        assert!((1..=HALF_LIVES).contains(&self.half_lives), "`half_lives` must be from 1 to {HALF_LIVES}");
        for (name, value) in [("longest", self.longest), ("charge_half_life", self.charge_half_life)] {
            assert!(value > 0.0 && value.is_finite(), "`{name}` must be a positive number");
        }
        for (name, value) in [
            ("sharpness", self.sharpness),
            ("longer_counts", self.longer_counts),
            ("similar", self.similar),
            ("inherited", self.inherited),
            ("most_inherited", self.most_inherited),
            ("learning_rate", self.learning_rate),
            ("expected", self.expected),
        ] {
            assert!(value >= 0.0, "`{name}` must not be negative");
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            half_lives: 5,
            longest: 64.0,
            sharpness: 40.0,
            charge_half_life: 100.0,
            longer_counts: 0.5,
            similar: 0.3,
            inherited: 0.75,
            most_inherited: 3.0,
            learning_rate: 0.001,
            successors: 8,
            expected: 0.25,
            by_cost: true,
        }
    }
}
