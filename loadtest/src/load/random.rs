//! Numbers that look random and are the same in every run.

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and random enough to choose what is asked.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to but without 1.
    pub(crate) const fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to but without `end`.
    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.part() * end as f64) as usize
    }

    /// How long until the next of many independent arrivals, when they are one unit apart on
    /// average.
    pub(crate) fn gap(&mut self) -> f64 {
        -(1.0 - self.part()).ln()
    }
}

/// `draws` places below `count`: place n comes as often as 1/(n+1)^`exponent` (Zipf's law).
pub(crate) fn zipf(count: usize, exponent: f64, draws: usize, seed: u64) -> Vec<u32> {
    let mut sum = 0.0;
    let mut below: Vec<f64> = Vec::with_capacity(count);
    for place in 1..=count {
        sum += (place as f64).powf(-exponent);
        below.push(sum);
    }
    let mut random = Random::seeded(seed);
    let mut draw = || {
        let at = random.part() * sum;
        let place = below.partition_point(|end| *end <= at).min(count.saturating_sub(1));
        u32::try_from(place).unwrap_or(u32::MAX)
    };
    (0..draws).map(|_| draw()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_popular_comes_as_often_as_the_law_says() {
        let draws = zipf(1000, 1.0, 100_000, 7);
        assert_eq!(draws, zipf(1000, 1.0, 100_000, 7));
        let share = |place| draws.iter().filter(|draw| **draw == place).count() as f64 / 1e5;
        // The sum of 1/n to 1000 is 7.4855.
        assert!((share(0) - 1.0 / 7.4855).abs() < 0.005, "{}", share(0));
        assert!((share(9) - 0.1 / 7.4855).abs() < 0.002, "{}", share(9));
        assert!(draws.iter().all(|draw| *draw < 1000));
    }

    #[test]
    fn gaps_are_one_on_average() {
        let mut random = Random::seeded(1);
        let all: f64 = (0..100_000).map(|_| random.gap()).sum();
        assert!((all / 1e5 - 1.0).abs() < 0.02, "{all}");
        assert!((0..1000).all(|_| random.below(3) < 3));
    }
}
