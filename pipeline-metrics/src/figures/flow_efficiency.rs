use std::collections::BTreeMap;

use super::intervals::Intervals;
use crate::spread::{Spread, ms};
use crate::value_stream::{Journey, journeys};
use crate::{Cell, Figure, FigureOptions, Flow, Unit};

const DEFINITION: &str = "The share of its time in which an item was worked at: the time with at least one stage at work and not \
     waiting, over the time from when the first stage could begin until the last was finished; of the \
     items that were finished in the window. The number is that of all items together, time over time.";

/// Flow efficiency.
pub(super) fn flow_efficiency(flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("flow-efficiency", "Flow efficiency", DEFINITION);
    figure.options.push(options.time.to_string());
    let mut components: BTreeMap<Option<&str>, Vec<(f64, f64)>> = BTreeMap::new();
    for journey in journeys(flow, options, &mut figure) {
        let times = components.entry(journey.component).or_default();
        times.extend(times_of(flow, &journey, options));
    }
    let all: Vec<_> = components.values().flatten().copied().collect();
    figure.add_value("flow efficiency", Unit::Share, share(&all));
    figure.add_value("median of the items", Unit::Share, median(&all));
    let rows = components.into_iter().filter(|(_, times)| !times.is_empty());
    let rows = rows.map(|(component, times)| {
        vec![
            Cell::text(component.unwrap_or("not known")),
            Cell::count(times.len()),
            Cell::Number(share(&times)),
            Cell::Number(median(&times)),
        ]
    });
    let columns = [
        ("component", None),
        ("items", Some(Unit::Count)),
        ("flow efficiency", Some(Unit::Share)),
        ("median of the items", Some(Unit::Share)),
    ];
    let rows = rows.collect();
    figure.add_table("By component", &columns, rows);
    figure
}

/// Active and whole time of an item; nothing when it took none.
fn times_of(flow: &Flow, journey: &Journey<'_>, options: &FigureOptions) -> Option<(f64, f64)> {
    let whole = ms(options.time.between(journey.start()?, journey.end()?));
    let work = journey.visits.iter().flat_map(|visit| {
        let passes = visit.passes.iter().map(|pass| (pass.started, pass.finished));
        // While one stage waits, another one may work: only its own waits make it idle.
        let waits = flow.waits_of(journey.item);
        let own = waits.filter(|wait| wait.stage.as_deref() == Some(visit.stage));
        let waited = own.filter_map(|wait| Some((wait.since?, wait.until?)));
        Intervals::of(passes).without(&Intervals::of(waited)).into_spans()
    });
    let active = ms(Intervals::of(work).total(&options.time));
    (whole > 0.0).then_some((active, whole))
}

fn share(times: &[(f64, f64)]) -> Option<f64> {
    let (active, whole) = times
        .iter()
        .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (whole > 0.0).then(|| active / whole)
}

fn median(times: &[(f64, f64)]) -> Option<f64> {
    Spread::of(times.iter().map(|(active, whole)| active / whole).collect()).median
}
