//! Which of some values a quantile is.

/// The 1-based rank of the quantile `q` (0 to 1) among `count` values, by the nearest-rank
/// method: the smallest rank r with r / count ≥ q. `None` if there are no values.
#[must_use]
pub fn nearest_rank(q: f64, count: u64) -> Option<u64> {
    if count == 0 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts stay far below 2^52, and q lies between 0 and 1"
    )]
    let rank = (q * count as f64).ceil() as u64;
    Some(rank.clamp(1, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank_is_the_smallest_that_covers_the_share() {
        let ranks = [
            (0.5, 4),
            (0.5, 5),
            (0.99, 100),
            (0.99, 101),
            (0.0, 7),
            (1.0, 7),
        ];
        assert_eq!(
            ranks.map(|(q, n)| nearest_rank(q, n)),
            [Some(2), Some(3), Some(99), Some(100), Some(1), Some(7)]
        );
        assert_eq!(nearest_rank(0.5, 0), None);
    }
}
