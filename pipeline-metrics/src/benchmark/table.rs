use std::ops::RangeInclusive;

use super::cluster::{Benchmark, Cluster, FailRate, Level};
use FailRate::{Band, Typical};
use Level::{Elite, High, Low, Medium};

/// The clusters that were published, by year.
///
/// A cell of a report names one or two of the survey's [answers](super::Answer), and is kept as these. "Less than
/// one day" also holds what took less than an hour, where no other cluster of that year has "less than one hour" to
/// itself.
pub const BENCHMARKS: &[Benchmark] = &[
    Benchmark {
        year: 2019,
        source: "Accelerate State of DevOps 2019, page 18",
        primary: true,
        clusters: &[
            cluster(Elite, 20, 6..=6, 5..=6, Band(0, 15), 6..=6),
            cluster(High, 23, 4..=4, 4..=4, Band(0, 15), 5..=5),
            cluster(Medium, 44, 3..=3, 3..=3, Band(0, 15), 5..=5),
            cluster(Low, 12, 2..=2, 2..=2, Band(46, 60), 3..=3),
        ],
    },
    Benchmark {
        year: 2021,
        source: "Accelerate State of DevOps 2021, pages 9 and 11",
        primary: true,
        clusters: &[
            cluster(Elite, 26, 6..=6, 6..=6, Band(0, 15), 6..=6),
            cluster(High, 40, 3..=3, 4..=4, Band(16, 30), 5..=5),
            cluster(Medium, 28, 2..=2, 2..=2, Band(16, 30), 4..=4),
            cluster(Low, 7, 1..=1, 1..=1, Band(16, 30), 1..=1),
        ],
    },
    Benchmark {
        year: 2022,
        source: "Octopus Deploy blog, \"New DevOps performance clusters\", October 2022, on the report of 2022",
        primary: false,
        clusters: &[
            cluster(High, 11, 6..=6, 4..=4, Band(0, 15), 5..=6),
            cluster(Medium, 69, 3..=3, 3..=3, Band(16, 30), 4..=4),
            cluster(Low, 19, 2..=2, 2..=2, Band(46, 60), 3..=3),
        ],
    },
    Benchmark {
        year: 2023,
        source: "Octopus Deploy blog, \"Software delivery performance clusters 2023\", October 2023, on the report of 2023",
        primary: false,
        clusters: &[
            cluster(Elite, 18, 6..=6, 5..=6, Typical(5), 6..=6),
            cluster(High, 31, 4..=4, 4..=4, Typical(10), 5..=5),
            cluster(Medium, 33, 3..=3, 3..=3, Typical(15), 4..=4),
            cluster(Low, 18, 3..=3, 3..=3, Typical(64), 2..=2),
        ],
    },
    Benchmark {
        year: 2024,
        source: "Accelerate State of DevOps 2024, performance levels",
        primary: true,
        clusters: &[
            cluster(Elite, 19, 6..=6, 5..=6, Typical(5), 6..=6),
            cluster(High, 22, 4..=4, 4..=4, Typical(20), 5..=5),
            cluster(Medium, 35, 3..=3, 3..=3, Typical(10), 5..=5),
            cluster(Low, 25, 2..=2, 2..=2, Typical(40), 3..=3),
        ],
    },
];

const fn cluster(
    level: Level,
    share: u8,
    frequency: RangeInclusive<u8>,
    lead_time: RangeInclusive<u8>,
    fail_rate: FailRate,
    recovery_time: RangeInclusive<u8>,
) -> Cluster {
    Cluster {
        level,
        share,
        frequency,
        lead_time,
        fail_rate,
        recovery_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::{DAY_MS, HOUR_MS, MONTH_MS, Placement, WEEK_MS};

    fn of(year: i16) -> &'static Benchmark {
        Benchmark::of(year).unwrap()
    }

    #[test]
    fn holes_are_holes() {
        // 2021: nothing between "on demand" and once per week, nothing between one week and one month.
        assert_eq!(of(2021).deployment_frequency(0.5), Placement::NoCluster);
        assert_eq!(of(2021).lead_time(2.0 * WEEK_MS), Placement::NoCluster);
        assert_eq!(of(2021).recovery_time(2.0 * MONTH_MS), Placement::NoCluster);
        assert_eq!(of(2021).change_fail_rate(0.5), Placement::NoCluster);
        // 2022 has no elite, and nobody there is described by a lead time of hours.
        assert_eq!(of(2022).lead_time(HOUR_MS), Placement::NoCluster);
        // Between typical answers nobody is described.
        assert_eq!(of(2024).change_fail_rate(0.07), Placement::NoCluster);
        assert_eq!((Benchmark::of(2020), Benchmark::of(2025)), (None, None));
    }

    #[test]
    fn what_is_not_monotone_stays_so() {
        assert_eq!(of(2024).change_fail_rate(0.20), Placement::Within(vec![High]));
        assert_eq!(of(2024).change_fail_rate(0.10), Placement::Within(vec![Medium]));
        assert_eq!(
            of(2019).change_fail_rate(0.154),
            Placement::Within(vec![Elite, High, Medium])
        );
        assert_eq!(
            of(2019).recovery_time(5.0 * HOUR_MS),
            Placement::Within(vec![High, Medium])
        );
        assert_eq!(
            of(2019).recovery_time(0.5 * HOUR_MS),
            Placement::Within(vec![Elite])
        );
        assert_eq!(
            of(2023).lead_time(10.0 * DAY_MS),
            Placement::Within(vec![Medium, Low])
        );
        assert_eq!(of(2024).deployment_frequency(0.3).to_string(), "high");
    }

    #[test]
    fn years_are_in_order_and_shares_add_up_but_for_rounding() {
        assert!(BENCHMARKS.is_sorted_by_key(|benchmark| benchmark.year));
        assert_eq!(Benchmark::newest().unwrap().year, 2024);
        for benchmark in BENCHMARKS {
            let sum: u8 = benchmark.clusters.iter().map(|cluster| cluster.share).sum();
            assert!((99..=101).contains(&sum), "{}: {sum}", benchmark.year);
            assert!(benchmark.clusters.is_sorted_by_key(|cluster| cluster.level));
        }
    }

    #[test]
    fn what_is_no_number_is_in_no_cluster() {
        for benchmark in BENCHMARKS {
            assert_eq!(benchmark.lead_time(f64::NAN), Placement::NoCluster);
            assert_eq!(benchmark.deployment_frequency(-1.0), Placement::NoCluster);
            assert_eq!(benchmark.change_fail_rate(f64::NAN), Placement::NoCluster);
        }
    }
}
