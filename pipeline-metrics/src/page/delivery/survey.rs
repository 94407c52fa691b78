use super::DeliveryPage;
use crate::benchmark::{Benchmark, INDUSTRY, QuickCheck};
use crate::export::value;
use crate::page::{Section, Table};
use crate::{Metric, show};

/// The numbers beside what others answered in DORA's survey.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let title = "Beside DORA's survey";
    let (Some(part), Some(benchmark), Some(means)) = (input.whole(), Benchmark::newest(), INDUSTRY.last())
    else {
        return Section::new(title);
    };
    let measures = &part.measures;
    if measures.deployments == 0 {
        return Section::new(title);
    }
    let per_day = measures.deployment_frequency.map(|frequency| frequency.per_day);
    let of = |metric| measures.value(metric);
    let check = QuickCheck::of_measured(
        per_day,
        of(Metric::LeadTime),
        of(Metric::ChangeFailRate),
        of(Metric::RecoveryTime),
        of(Metric::ReworkRate),
    );
    let others = means.scores();
    let rows = [
        (
            Metric::DeploymentFrequency,
            check.deployment_frequency,
            others.deployment_frequency,
        ),
        (Metric::LeadTime, check.lead_time, others.lead_time),
        (
            Metric::ChangeFailRate,
            check.change_fail_rate,
            others.change_fail_rate,
        ),
        (Metric::RecoveryTime, check.recovery_time, others.recovery_time),
        (Metric::ReworkRate, check.rework_rate, others.rework_rate),
    ];
    let mut table = Table::new(format!(
        "Clusters of {}, scores of the quick check of {}",
        benchmark.year, means.year
    ))
    .column("number")
    .numbers("measured")
    .column(format!("cluster of {}", benchmark.year))
    .numbers("score, 0 to 10")
    .numbers("mean of all industries");
    let score =
        |score: Option<f64>| score.map_or_else(|| show::NOTHING.to_owned(), |score| format!("{score:.1}"));
    for (metric, ours, theirs) in rows {
        let cluster = match metric {
            Metric::DeploymentFrequency => per_day.map(|rate| benchmark.deployment_frequency(rate)),
            Metric::LeadTime => of(metric).map(|time| benchmark.lead_time(time)),
            Metric::ChangeFailRate => of(metric).map(|share| benchmark.change_fail_rate(share)),
            Metric::RecoveryTime => of(metric).map(|time| benchmark.recovery_time(time)),
            Metric::ReworkRate => None,
        };
        table.push([
            super::numbers::capitalised(metric.name()),
            value(part, metric),
            cluster.map_or_else(|| show::NOTHING.to_owned(), |cluster| cluster.to_string()),
            score(ours),
            score(theirs),
        ]);
    }
    Section::new(title)
        .prose(format!(
            "What groups of people answered about themselves; measured numbers are not answers. Clusters have holes, and \
             the higher level may have the worse value, so a number may be in none or in several: {}.",
            benchmark.source
        ))
        .prose("To be better than last quarter tells more than to be in a cluster.")
        .table(table)
}
