//! Fewer points that draw the same curve.
//!
//! The method is M4 (U. Jugel, Z. Jerzak, G. Hackenbroich, V. Markl: «M4: A Visualization-Oriented Time Series Data
//! Aggregation», PVLDB 7(10), 2014): of all points that fall into one column of pixels, the first, the lowest, the
//! highest and the last draw the same line as all of them. The first one that is not finite is kept as well.

/// The columns of pixels for which a curve is thinned.
const BUCKETS: u128 = 1000;

/// The most points that are kept; up to as many are not thinned at all.
const MOST_POINTS: usize = 5 * BUCKETS as usize;

/// At most 5,000 of `costs`, in their order: iteration, ascending, and cost.
pub(super) fn thin(costs: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let (Some(&(first, _)), Some(&(last, _))) = (costs.first(), costs.last()) else {
        return Vec::new();
    };
    if costs.len() <= MOST_POINTS {
        return costs.to_vec();
    }
    let span = u128::from(last.saturating_sub(first)) + 1;
    let bucket = |point: &(u64, f64)| u128::from(point.0.saturating_sub(first)) * BUCKETS / span;
    costs
        .chunk_by(|left, right| bucket(left) == bucket(right))
        .flat_map(telling)
        .collect()
}

/// First, lowest, highest, first not finite and last of one bucket's points, each once and in their order.
fn telling(points: &[(u64, f64)]) -> impl Iterator<Item = (u64, f64)> {
    let finite = || (0..points.len()).filter(|&at| points[at].1.is_finite());
    let by_cost = |left: &usize, right: &usize| points[*left].1.total_cmp(&points[*right].1);
    let mut kept = vec![0, points.len() - 1];
    kept.extend(finite().min_by(by_cost));
    kept.extend(finite().max_by(by_cost));
    kept.extend(points.iter().position(|point| !point.1.is_finite()));
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(|at| points[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A falling curve with one peak, one trough and one cost that is not finite; its ends are no extremes.
    fn million() -> Vec<(u64, f64)> {
        let mut costs: Vec<_> = (0..1_000_000).map(|t| (t, 1.0 / (1.0 + t as f64 / 1e5))).collect();
        costs[0].1 = costs[500].1;
        costs[999_999].1 = costs[999_500].1;
        costs[123_457].1 = 9.0;
        costs[234_568].1 = -9.0;
        costs[765_433].1 = f64::NAN;
        costs
    }

    #[test]
    fn thinning_keeps_first_last_lowest_highest_and_the_first_that_is_not_finite() {
        let costs = million();
        let thinned = thin(&costs);
        assert!(thinned.len() <= MOST_POINTS, "{} points", thinned.len());
        assert_eq!(thinned.first(), costs.first());
        assert_eq!(thinned.last(), costs.last());
        assert!(thinned.contains(&(123_457, 9.0)));
        assert!(thinned.contains(&(234_568, -9.0)));
        assert!(thinned.iter().any(|&(t, cost)| t == 765_433 && cost.is_nan()));
    }

    #[test]
    fn thinned_points_keep_their_order_and_come_once() {
        let thinned = thin(&million());
        assert!(thinned.is_sorted_by(|left, right| left.0 < right.0));
    }

    #[test]
    fn every_bucket_keeps_its_own_extremes() {
        // A zigzag whose every bucket reaches from −1 to 1.
        let costs: Vec<_> = (0..50_000).map(|t| (t, if t % 2 == 0 { -1.0 } else { 1.0 })).collect();
        for bucket in thin(&costs).chunk_by(|left, right| left.0 / 50 == right.0 / 50) {
            assert!(bucket.iter().any(|point| point.1 == -1.0));
            assert!(bucket.iter().any(|point| point.1 == 1.0));
        }
    }

    #[test]
    fn a_short_curve_stays_whole() {
        let costs: Vec<_> = (0..MOST_POINTS as u64).map(|t| (t, t as f64)).collect();
        assert_eq!(thin(&costs), costs);
        assert_eq!(thin(&[]), []);
    }

    #[test]
    fn iterations_at_the_end_of_their_range_do_not_overflow() {
        let costs: Vec<_> = (0..10_000).map(|t| (u64::MAX - 9_999 + t, t as f64)).collect();
        assert_eq!(thin(&costs).last(), costs.last());
        let mut wide = costs;
        wide[0].0 = 0;
        assert_eq!(thin(&wide).first(), Some(&(0, 0.0)));
    }
}
