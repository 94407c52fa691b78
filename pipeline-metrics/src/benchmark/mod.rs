//! What DORA published about others: clusters of survey answers by year, and the scores of its quick check.
//!
//! Clusters describe what groups of people answered in one year. They are not a scale: they have holes, and in some
//! years the higher level has the worse value. So a value may lie in no cluster or in several, and is never rounded
//! into one. DORA itself has published none since 2024.

mod answer;
mod cluster;
mod quick_check;
mod table;

pub use answer::{Answer, DAY_MS, HOUR_MS, MONTH_MS, WEEK_MS};
pub use cluster::{Benchmark, Cluster, FailRate, Level, Placement};
pub use quick_check::{INDUSTRY, IndustryMeans, QuickCheck, categorical_score, percentage_score};
pub use table::BENCHMARKS;
