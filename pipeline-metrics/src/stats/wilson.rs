use crate::stats::{Confidence, Interval};

/// The interval of a rate: `part` of `whole` were seen; in which range does the true rate plausibly lie?
///
/// The score interval without continuity correction: Wilson, "Probable Inference, the Law of Succession, and
/// Statistical Inference", JASA 22 (1927), 209-212; recommended over the textbook one by Brown, Cai and `DasGupta`,
/// "Interval Estimation for a Binomial Proportion", Statistical Science 16 (2001), 101-133. It never leaves 0 to 1,
/// and says something even of 0 of 10.
///
/// `None` of nothing, and when the part is larger than the whole.
///
/// ```
/// use pipeline_metrics::stats::{Confidence, wilson};
///
/// // No failure in ten deployments: anything up to 28 % would often look like this.
/// let rate = wilson(0, 10, Confidence::P95).ok_or("nothing was seen")?;
/// assert_eq!((rate.low, (rate.high * 1000.0).round()), (0.0, 278.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wilson(part: usize, whole: usize, confidence: Confidence) -> Option<Interval> {
    if whole == 0 || part > whole {
        return None;
    }
    let (seen, n) = (part as f64 / whole as f64, whole as f64);
    let z = confidence.deviations();
    let scale = 1.0 + z * z / n;
    let centre = (seen + z * z / (2.0 * n)) / scale;
    let reach = z / scale * (seen * (1.0 - seen) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Interval {
        // At the ends both terms are equal but for rounding.
        low: if part == 0 { 0.0 } else { (centre - reach).max(0.0) },
        high: if part == whole {
            1.0
        } else {
            (centre + reach).min(1.0)
        },
        confidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Part, whole, confidence, low, high.
    type Case = (usize, usize, f64, f64, f64);

    /// scipy 1.17.1, `binomtest(part, whole).proportion_ci(confidence, method="wilson")`. The last two rows are
    /// those of Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
    /// (1998), table I, method 3, which prints 0.0624 to 0.1605 and 0.0000 to 0.1611.
    const CASES: [Case; 7] = [
        (0, 10, 0.95, 0.0, 0.277_532_799_862_889_26),
        (10, 10, 0.95, 0.722_467_200_137_110_7, 1.0),
        (1, 10, 0.95, 0.017_876_213_095_072_896, 0.404_150_026_795_238_5),
        (90, 841, 0.95, 0.087_880_712_020_333_4, 0.129_723_972_150_015_7),
        (3, 4, 0.9, 0.356_168_008_598_506_4, 0.942_092_678_800_141_4),
        (15, 148, 0.95, 0.062_386_399_530_736_29, 0.160_487_241_723_308_03),
        (0, 20, 0.95, 0.0, 0.161_125_158_052_819_35),
    ];

    #[test]
    fn the_interval_is_that_of_scipy_and_newcombe() {
        for (part, whole, confidence, low, high) in CASES {
            let interval = wilson(part, whole, Confidence::new(confidence).unwrap()).unwrap();
            let near = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
            assert!(
                near(interval.low, low) && near(interval.high, high),
                "{part} of {whole}: {interval:?}"
            );
        }
    }

    #[test]
    fn of_nothing_there_is_no_interval() {
        assert_eq!(wilson(0, 0, Confidence::P95), None);
        assert_eq!(wilson(2, 1, Confidence::P95), None);
    }
}
