/// The median of some values, which get sorted: the middle one, or the mean of the two in the middle, as
/// `PERCENTILE_CONT(0.5)` of SQL does. `None` when there are no values.
pub(crate) fn median(values: &mut [i64]) -> Option<f64> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper as f64);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some((lower as f64 + upper as f64) / 2.0)
}

/// The mean of some values; `None` when there are none.
pub(crate) fn mean(values: &[i64]) -> Option<f64> {
    let sum: i128 = values.iter().copied().map(i128::from).sum();
    (!values.is_empty()).then(|| sum as f64 / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_interpolates() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [7]), Some(7.0));
        assert_eq!(median(&mut [4, 1]), Some(2.5));
        assert_eq!(median(&mut [9, 1, 2]), Some(2.0));
        assert_eq!(median(&mut [10, 1, 4, 2]), Some(3.0));
    }

    #[test]
    fn the_mean_of_nothing_is_nothing() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[1, 2]), Some(1.5));
        assert_eq!(mean(&[i64::MAX, i64::MAX]), Some(i64::MAX as f64));
    }
}
