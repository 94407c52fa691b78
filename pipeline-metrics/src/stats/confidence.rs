use std::fmt;

use serde::{Serialize, Serializer};

/// How often intervals made like this one hold the truth: a share, more than 0 and less than 1.
///
/// ```
/// use pipeline_metrics::stats::Confidence;
///
/// assert_eq!(Confidence::default(), Confidence::P95);
/// assert_eq!(Confidence::new(0.9), Some(Confidence::P90));
/// assert_eq!(Confidence::new(95.0), None);
/// assert_eq!(Confidence::P95.to_string(), "95 %");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Confidence(f64);

impl Confidence {
    /// 90 %.
    pub const P90: Self = Self(0.9);
    /// 95 %, the default.
    pub const P95: Self = Self(0.95);
    /// 99 %.
    pub const P99: Self = Self(0.99);

    /// A share; `None` unless it lies between 0 and 1, without these two.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Self(share))
    }

    /// The share.
    pub fn share(self) -> f64 {
        self.0
    }

    /// What is left on each side of a two-sided interval.
    pub(crate) fn tail(self) -> f64 {
        (1.0 - self.0) / 2.0
    }

    /// Whether so many values can hold their median between them so surely: all of them lie on one side of it with a
    /// chance of 2 to the power of `1 - values`. With 95 % that takes six.
    pub(crate) fn is_reached_by(self, values: usize) -> bool {
        let values = i32::try_from(values).unwrap_or(i32::MAX);
        2.0 * 0.5_f64.powi(values) <= 1.0 - self.0
    }

    /// How many standard deviations of a normal distribution a two-sided interval reaches to each side.
    pub(crate) fn deviations(self) -> f64 {
        -normal_quantile(self.tail())
    }
}

impl Default for Confidence {
    fn default() -> Self {
        Self::P95
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", (self.0 * 1e8).round() / 1e6)
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A range in which the truth plausibly lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// How far it can be trusted.
    pub confidence: Confidence,
}

impl Interval {
    /// Whether the value lies in it, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether it shares a value with another one.
    ///
    /// Two intervals that overlap do not show that two numbers are equal, only that these data do not tell
    /// them apart clearly.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// The quantile of the standard normal distribution, for a share of more than 0 and at most one half.
///
/// Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics 37 (1988),
/// 477-484, routine PPND16: exact to about 1 part in 10^16.
fn normal_quantile(share: f64) -> f64 {
    let centred = share - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180_625 - centred * centred;
        return centred * fraction(&CENTRE, r);
    }
    let r = (-share.ln()).sqrt();
    -if r <= 5.0 {
        fraction(&MIDDLE, r - 1.6)
    } else {
        fraction(&TAIL, r - 5.0)
    }
}

/// Two polynomials of degree 7, from the constant upwards.
type Fraction = [[f64; 8]; 2];

fn fraction([above, below]: &Fraction, at: f64) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * at + term);
    polynomial(above) / polynomial(below)
}

const CENTRE: Fraction = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
];
const MIDDLE: Fraction = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const TAIL: Fraction = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_quantile_is_that_of_scipy() {
        // scipy 1.17.1, `scipy.stats.norm.ppf`.
        for (share, expected) in [
            (0.5, 0.0),
            (0.1, -1.281_551_565_544_600_4),
            (0.05, -1.644_853_626_951_472_2),
            (0.025, -1.959_963_984_540_054),
            (0.005, -2.575_829_303_548_900_4),
            (1e-10, -6.361_340_902_404_056),
        ] {
            let quantile = normal_quantile(share);
            assert!(
                (quantile - expected).abs() < 1e-14,
                "{share}: {quantile} is not {expected}"
            );
        }
    }

    #[test]
    fn a_confidence_is_a_share() {
        for wrong in [0.0, 1.0, -0.1, 1.1, f64::NAN] {
            assert_eq!(Confidence::new(wrong), None);
        }
        assert_eq!(
            Confidence::new(0.999).map(|c| c.to_string()).as_deref(),
            Some("99.9 %")
        );
    }
}
