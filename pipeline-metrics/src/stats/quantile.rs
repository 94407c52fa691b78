/// The quantile of sorted values at a share of 0 to 1: between two values in proportion.
///
/// `PERCENTILE_CONT` of SQL:2003; definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages",
/// The American Statistician 50 (1996), 361-365; what numpy and spreadsheets compute. `None` of nothing and
/// outside of 0 to 1.
///
/// ```
/// use pipeline_metrics::stats::{interpolated_quantile, lower_quantile};
///
/// let hours = [1.0, 2.0, 4.0, 8.0];
/// assert_eq!(interpolated_quantile(&hours, 0.5), Some(3.0));
/// assert_eq!(lower_quantile(&hours, 0.5), Some(2.0));
/// ```
pub fn interpolated_quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let position = position(sorted, share)?;
    let lower = *sorted.get(position as usize)?;
    let rest = position.fract();
    match sorted.get(position as usize + 1) {
        // Rounding may leave the range, also between equal values.
        Some(upper) if rest > 0.0 => Some((lower * (1.0 - rest) + upper * rest).max(lower).min(*upper)),
        _ => Some(lower),
    }
}

/// The quantile of sorted values at a share of 0 to 1: always one of the values, the lower of two.
///
/// The largest value whose `PERCENT_RANK` is not above the share, as databases without `PERCENTILE_CONT` are made
/// to compute it. `None` of nothing and outside of 0 to 1.
pub fn lower_quantile(sorted: &[f64], share: f64) -> Option<f64> {
    sorted.get(position(sorted, share)? as usize).copied()
}

fn position(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    (0.0..=1.0).contains(&share).then_some(share * last as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_equal_values_there_is_none_other() {
        let values = [-938_269.780_276_945_9; 7];
        for share in [0.025, 0.1, 0.3, 0.45, 0.975] {
            assert_eq!(interpolated_quantile(&values, share), Some(values[0]));
        }
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy, `quantile(values, share)`, `quantile(values, share, method="lower")`.
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (share, interpolated, lower) in [
            (0.0, 1.0, 1.0),
            (0.25, 2.0, 2.0),
            (0.5, 4.0, 4.0),
            (0.9, 12.8, 8.0),
            (1.0, 16.0, 16.0),
        ] {
            let found = interpolated_quantile(&values, share).unwrap();
            assert!((found - interpolated).abs() < 1e-12, "{share}: {found}");
            assert_eq!(lower_quantile(&values, share), Some(lower));
        }
    }

    #[test]
    fn of_nothing_there_is_no_quantile() {
        assert_eq!(interpolated_quantile(&[], 0.5), None);
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert_eq!(interpolated_quantile(&[1.0], wrong), None);
            assert_eq!(lower_quantile(&[1.0], wrong), None);
        }
    }
}
