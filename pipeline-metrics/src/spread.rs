use jiff::SignedDuration;

/// How some values lie: none of it without values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Spread {
    pub(crate) median: Option<f64>,
    pub(crate) mean: Option<f64>,
    /// Nine in ten are at most this.
    pub(crate) p90: Option<f64>,
    pub(crate) longest: Option<f64>,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let Some(&longest) = values.last() else {
            return Self::default();
        };
        Self {
            median: quantile(&values, 0.5),
            mean: Some(values.iter().sum::<f64>() / values.len() as f64),
            p90: quantile(&values, 0.9),
            longest: Some(longest),
        }
    }

    pub(crate) fn of_times(times: impl IntoIterator<Item = SignedDuration>) -> Self {
        Self::of(times.into_iter().map(ms).collect())
    }
}

/// Linear between the two values around it, as `PERCENTILE_CONT` of SQL.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

/// Milliseconds.
pub(crate) fn ms(time: SignedDuration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
