use super::DeliveryPage;
use super::delivery_page::scope;
use crate::page::{BarRow, Bars, Chart, Distribution, Section};
use crate::{Scope, Unit, show};

/// How long changes and failures take: not one number, but how they spread.
pub(super) fn section(input: &DeliveryPage<'_, '_>) -> Section {
    let window = input.report.window;
    let whole = input.whole();
    let selection = input
        .delivery
        .select(&whole.map_or(Scope::Overall, scope), window);
    let mut section = Section::new("How long does it take?");
    if whole.is_none() && input.report.parts.len() > 1 {
        section = section
            .prose("Here all components are together: a spread is no average, and hides none of them.");
    }
    let lead_times = selection.lead_times();
    if !lead_times.is_empty() {
        section = section.part(
            Section::new("From commit to users")
                .chart(Chart::Distribution(Distribution::of("change", &lead_times))),
        );
    }
    let recoveries = selection.recoveries();
    let over: Vec<_> = recoveries.iter().filter_map(|spell| spell.ms).collect();
    if !over.is_empty() {
        let chart = Chart::Distribution(Distribution::of("failure", &over));
        let mut part = Section::new("From a failed deployment to recovery").chart(chart);
        if over.len() < recoveries.len() {
            part = part.prose(format!(
                "{} still open and not among these.",
                match recoveries.len() - over.len() {
                    1 => "One is".to_owned(),
                    open => format!("{} are", show::grouped(open as u64)),
                }
            ));
        }
        section = section.part(part);
    }
    let phases = selection.phases();
    let named = [
        ("coding", phases.coding),
        ("waiting for review", phases.pickup),
        ("review", phases.review),
        ("waiting for deployment", phases.deploy),
    ];
    let rows: Vec<_> = named
        .into_iter()
        .filter_map(|(name, time)| Some((name, time?)))
        .map(|(name, time)| BarRow {
            label: name.to_owned(),
            value: time.ms,
            text: show::number(Some(time.ms), Unit::Milliseconds),
            signal: false,
        })
        .collect();
    if rows.len() > 1 {
        section = section.part(
            Section::new("Where a change spends its time").chart(Chart::Bars(Bars {
                thing: "phase".to_owned(),
                measure: "time".to_owned(),
                rows,
            })),
        );
    }
    if section.parts.is_empty() {
        Section::new("")
    } else {
        section
    }
}
