use std::collections::BTreeMap;

use super::DeliveryPage;
use super::numbers::capitalised;
use crate::page::{Section, Table};
use crate::{Metric, show};

/// How many of what could not be read are listed.
const LISTED: usize = 50;

/// What the numbers are, what they leave out, and what could not be read.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let report = input.report;
    let mut definitions = Table::new("Definitions, by the options that were used")
        .column("number")
        .column("what it is");
    let parts = input.parts();
    if let Some(part) = parts.first() {
        for (metric, definition) in Metric::ALL.into_iter().zip(&part.definitions) {
            definitions.push([capitalised(metric.name()), capitalised(definition)]);
        }
    }
    // The whole counts what its components do.
    let mut counts: BTreeMap<(Metric, &str, String), usize> = BTreeMap::new();
    for left in report.parts.iter().flat_map(|part| &part.left_out) {
        *counts
            .entry((left.metric, left.kind, left.reason.to_string()))
            .or_default() += left.count;
    }
    let mut left_out = Table::new("Facts that are in no number, by reason")
        .column("number")
        .column("facts")
        .column("reason")
        .numbers("how many");
    for ((metric, kind, reason), count) in counts {
        left_out.push([
            capitalised(metric.name()),
            format!("{kind}s"),
            reason,
            show::grouped(count as u64),
        ]);
    }
    for left in &report.unplaced {
        left_out.push([
            "none".to_owned(),
            left.fact.to_string(),
            left.reason.to_string(),
            "1".to_owned(),
        ]);
    }
    let mut problems = Table::new("What could not be read").column("where").column("why");
    for problem in report.problems.iter().take(LISTED) {
        problems.push([problem.source.to_string(), problem.reason.to_string()]);
    }
    let mut retold = Table::new("Deployments told in different ways under one id").column("counted as");
    for fact in report.retold.iter().take(LISTED) {
        retold.push([fact.to_string()]);
    }
    let mut section = Section::new("What is counted, and what is not")
        .part(Section::new("Definitions").table(definitions))
        .part(Section::new("Left out").table(left_out))
        .part(Section::new("Not read").table(problems));
    if !report.retold.is_empty() {
        section = section.part(
            Section::new("Told in different ways")
                .prose(format!(
                    "{} told more than once, not always in the same way: an update, or two sources that chose the same \
                     ids. Each counts once, as the one that ended first.",
                    match report.retold.len() {
                        1 => "1 deployment was".to_owned(),
                        count => format!("{} deployments were", show::grouped(count as u64)),
                    }
                ))
                .table(retold),
        );
    }
    if report.problems.len() > LISTED {
        section = section.prose(format!(
            "{} lines or events could not be read; the first {LISTED} are listed.",
            show::grouped(report.problems.len() as u64)
        ));
    }
    section
}
