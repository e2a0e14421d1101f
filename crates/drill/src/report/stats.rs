//! Statistics that a verdict rests on: Kendall's tau between two orders, and percentiles.
//!
//! Must never sample: a tau over ten million people compares all fifty trillion pairs, which a
//! merge sort counts in n log n. Start at [`kendall_tau`].

use hdrhistogram::Histogram;

/// Normalised Kendall tau-b of two orders of the same people: `pairs[i]` is person i's position in
/// the first order (arrival) and in the second (admission).
///
/// With n0 = n(n-1)/2 pairs of people, C of them in the same order in both, D in opposite orders,
/// and n1, n2 the pairs that are tied in the first and in the second order:
///
/// tau = (C - D) / sqrt((n0 - n1) (n0 - n2))
///
/// 1 means the same order, -1 the reverse, and values near 0 mean that the first order says
/// nothing about the second, as after a fair draw. `None` when fewer than two people, or when all
/// are tied in one of the orders. Takes O(n log n) by W. R. Knight's method (1966): sorted by the
/// first order, D is the number of exchanges a merge sort needs to sort by the second.
pub fn kendall_tau(pairs: &[(u64, u64)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let all = pairs_of(sorted.len() as u64);
    let tied_first = tied_pairs(&sorted, |a, b| a.0 == b.0);
    let tied_both = tied_pairs(&sorted, |a, b| a == b);
    let mut second: Vec<u64> = sorted.iter().map(|pair| pair.1).collect();
    let discordant = sort_counting_inversions(&mut second);
    let tied_second = tied_pairs(&second, |a, b| a == b);
    let untied_first = all - tied_first;
    let untied_second = all - tied_second;
    if untied_first == 0 || untied_second == 0 {
        return None;
    }
    let concordant = all + tied_both - tied_first - tied_second - discordant;
    let difference = concordant as f64 - discordant as f64;
    // One root of each: the product of two large counts would lose digits sooner.
    Some(difference / (untied_first as f64).sqrt() / (untied_second as f64).sqrt())
}

/// How many pairs `n` things make.
fn pairs_of(n: u64) -> u64 {
    n * n.saturating_sub(1) / 2
}

/// Pairs within runs of neighbours that are the same.
fn tied_pairs<T>(sorted: &[T], same: impl Fn(&T, &T) -> bool) -> u64 {
    sorted.chunk_by(same).map(|run| pairs_of(run.len() as u64)).sum()
}

/// Sorts `values` and answers how many pairs stood in strictly the wrong order.
fn sort_counting_inversions(values: &mut Vec<u64>) -> u64 {
    let length = values.len();
    let mut from = std::mem::take(values);
    let mut into = vec![0; length];
    let mut inversions = 0;
    let mut width = 1;
    while width < length {
        for start in (0..length).step_by(2 * width) {
            let middle = (start + width).min(length);
            let end = (start + 2 * width).min(length);
            inversions += merge(&from[start..middle], &from[middle..end], &mut into[start..end]);
        }
        std::mem::swap(&mut from, &mut into);
        width *= 2;
    }
    *values = from;
    inversions
}

/// Merges two sorted runs and answers how many pairs were exchanged; equal values are not.
fn merge(left: &[u64], right: &[u64], into: &mut [u64]) -> u64 {
    let (mut at_left, mut at_right, mut inversions) = (0, 0, 0);
    for slot in into {
        let take_right = at_right < right.len() && (at_left == left.len() || right[at_right] < left[at_left]);
        if take_right {
            *slot = right[at_right];
            at_right += 1;
            inversions += (left.len() - at_left) as u64;
        } else {
            *slot = left[at_left];
            at_left += 1;
        }
    }
    inversions
}

/// The usual points of a distribution, in the unit that was recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentiles {
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The lowest.
    pub min: u64,
    /// Half are not above it.
    pub p50: u64,
    /// Nine of ten are not above it.
    pub p90: u64,
    /// 99 of 100 are not above it.
    pub p99: u64,
    /// 999 of 1,000 are not above it.
    pub p999: u64,
    /// The highest.
    pub max: u64,
}

impl Percentiles {
    /// The points of `histogram`, to its precision; all zero when it is empty.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            count: histogram.len(),
            mean: histogram.mean(),
            min: histogram.min(),
            p50: histogram.value_at_quantile(0.5),
            p90: histogram.value_at_quantile(0.9),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, pair by pair.
    fn naive(pairs: &[(u64, u64)]) -> Option<f64> {
        let (mut score, mut untied_first, mut untied_second) = (0_i64, 0_u64, 0_u64);
        for (index, a) in pairs.iter().enumerate() {
            for b in &pairs[index + 1..] {
                let (first, second) = (a.0.cmp(&b.0) as i64, a.1.cmp(&b.1) as i64);
                score += first * second;
                untied_first += u64::from(first != 0);
                untied_second += u64::from(second != 0);
            }
        }
        let scale = (untied_first as f64).sqrt() * (untied_second as f64).sqrt();
        (scale > 0.0).then(|| score as f64 / scale)
    }

    /// Numbers below `bound` from a fixed linear congruence; only their variety matters.
    fn numbers(seed: u64, bound: u64) -> impl FnMut() -> u64 {
        let mut state = seed;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        }
    }

    #[test]
    fn tau_agrees_with_the_definition_on_many_orders_with_and_without_ties() {
        for seed in 0..300 {
            let length = seed as usize % 41;
            let mut first = numbers(seed, 1 + seed % 37);
            let mut second = numbers(seed + 1000, 1 + seed % 23);
            let pairs: Vec<_> = (0..length).map(|_| (first(), second())).collect();
            match (kendall_tau(&pairs), naive(&pairs)) {
                (Some(fast), Some(slow)) => {
                    assert!((fast - slow).abs() < 1e-12, "seed {seed}: {fast} {slow}")
                }
                (fast, slow) => assert_eq!(fast, slow, "seed {seed}"),
            }
        }
    }

    #[test]
    fn the_same_order_gives_one_and_the_reverse_minus_one() {
        let same: Vec<_> = (0..1000).map(|i| (i, i * 3)).collect();
        let reverse: Vec<_> = (0..1000).map(|i| (i, 5000 - i)).collect();
        assert!((kendall_tau(&same).unwrap() - 1.0).abs() < 1e-12);
        assert!((kendall_tau(&reverse).unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_shuffled_order_says_nothing_about_the_first() {
        let mut next = numbers(7, 1 << 30);
        let pairs: Vec<_> = (0..20_000).map(|i| (i, next())).collect();
        assert!(kendall_tau(&pairs).unwrap().abs() < 0.02);
    }

    #[test]
    fn an_order_of_one_or_of_equals_has_no_tau() {
        assert_eq!(kendall_tau(&[]), None);
        assert_eq!(kendall_tau(&[(1, 1)]), None);
        assert_eq!(kendall_tau(&[(1, 1), (1, 2), (1, 3)]), None);
    }

    #[test]
    fn percentiles_are_those_of_the_histogram() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in 1..=1000 {
            histogram.record(value).unwrap();
        }
        let summary = Percentiles::of(&histogram);
        assert_eq!((summary.count, summary.min, summary.p50), (1000, 1, 500));
        assert_eq!((summary.p90, summary.p99, summary.p999, summary.max), (900, 990, 999, 1000));
        assert!((summary.mean - 500.5).abs() < 0.5);
    }
}
