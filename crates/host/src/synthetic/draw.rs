//! Random numbers that are the same everywhere.

/// Ranks from 0, each as likely as `1 / (rank + 1)^exponent` says.
pub(super) struct Zipf {
    /// The weights of each rank and those before it.
    sums: Vec<f64>,
}

impl Zipf {
    pub(super) fn new(ranks: u64, exponent: f64) -> Self {
        let weights = (1..=ranks).map(|rank| 1.0 / power(rank as f64, exponent));
        let add = |sum: &mut f64, weight| {
            *sum += weight;
            Some(*sum)
        };
        Self { sums: weights.scan(0.0, add).collect() }
    }

    pub(super) fn draw(&self, random: &mut SplitMix64) -> u64 {
        let last = self.sums.len() - 1;
        let point = random.unit() * self.sums[last];
        self.sums.partition_point(|&sum| sum <= point).min(last) as u64
    }
}

/// `base` to the power of `exponent`, from products and square roots: IEEE 754 says what these give, to the last bit,
/// while `powf` differs between platforms.
fn power(base: f64, exponent: f64) -> f64 {
    let whole = (0..exponent as u32).fold(1.0, |product, _| product * base);
    let (mut result, mut root, mut rest) = (whole, base, exponent.fract());
    // Each bit after the point stands for the square root of what the bit before it stands for.
    while rest > 0.0 {
        (root, rest) = (root.sqrt(), rest * 2.0);
        if rest >= 1.0 {
            (result, rest) = (result * root, rest - 1.0);
        }
    }
    result
}

/// The generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators" (2014): small enough to be
/// kept here, where no new version of a crate changes what a seed gives.
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0, less than `end`. Not quite even, by less than one in 2^40 for the ends there are.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// From 0, less than 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut random = SplitMix64(1_234_567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn powers_are_right_without_powf() {
        for exponent in [0.0, 1e-9, 0.1, 0.5, 0.9, 1.0, 3.3, 10.0] {
            for base in [1.0, 2.0, 3.0, 500.0, 1e7] {
                let (found, expected) = (power(base, exponent), f64::powf(base, exponent));
                assert!((found / expected - 1.0).abs() < 1e-13, "{base}^{exponent}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn frequencies_are_as_zipf_says() {
        for exponent in [0.0, 0.5, 0.9, 1.0, 2.25] {
            let (zipf, mut random) = (Zipf::new(8, exponent), SplitMix64(1));
            let ranks: Vec<u64> = (0..200_000).map(|_| zipf.draw(&mut random)).collect();
            let weight = |rank: u64| (rank as f64 + 1.0).powf(-exponent);
            let all: f64 = (0..8).map(weight).sum();
            for rank in 0..8 {
                let found = ranks.iter().filter(|&&drawn| drawn == rank).count() as f64;
                let expected = 200_000.0 * weight(rank) / all;
                assert!((found - expected).abs() < 5.0 * expected.sqrt(), "{exponent}, {rank}: {found}");
            }
        }
    }
}
