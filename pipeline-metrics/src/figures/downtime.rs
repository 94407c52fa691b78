use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::delivered::{Delivered, Outage};
use super::intervals::Intervals;
use crate::spread::{Spread, ms};
use crate::{Cell, Figure, FigureOptions, Flow, Unit, WorkingTime};

const DEFINITION: &str = "How long users did not get what they should, by the kind of infrastructure change that caused it: \
     from the opening of an incident to its end or, for a deployment that was rolled back without an incident, \
     from its finish to the rollback; as far as it lies in the window. What overlaps for one component and \
     environment counts once for each kind. Calendar time.";

const UNKNOWN: &str = "not known";
const NO_DEPLOYMENT: &str = "no deployment";

/// Downtime by kind of infrastructure change.
pub(super) fn downtime(delivered: &Delivered, flow: &Flow, options: &FigureOptions) -> Figure {
    type Spans<'d> = BTreeMap<(&'d str, Option<&'d str>), Vec<(Timestamp, Timestamp)>>;
    let mut figure = Figure::new(
        "downtime",
        "Downtime by kind of infrastructure change",
        DEFINITION,
    );
    let mut kinds: BTreeMap<&str, (Spans<'_>, usize)> = BTreeMap::new();
    let mut all: Spans<'_> = BTreeMap::new();
    let mut open = 0;
    for outage in &delivered.outages {
        if !options.shows(Some(&outage.component)) {
            continue;
        }
        let end = outage.until.unwrap_or(options.horizon());
        let (from, to) = (
            outage.from.max(options.window.start()),
            end.min(options.horizon()),
        );
        if end < outage.from {
            if options.window.contains(outage.from) && outage.until.is_some() {
                figure.leave_out(outage.item.clone(), "ended before it began");
            }
            continue;
        }
        if from >= to {
            continue;
        }
        open += usize::from(outage.until.is_none_or(|until| until > options.horizon()));
        figure.count(outage.item.clone());
        let place = (&*outage.component, outage.environment.as_deref());
        let (spans, outages) = kinds.entry(kind(outage, flow)).or_default();
        *outages += 1;
        spans.entry(place).or_default().push((from, to));
        all.entry(place).or_default().push((from, to));
    }
    let total = |spans: &Spans<'_>| {
        let each = spans.values().map(|spans| Intervals::of(spans.iter().copied()));
        each.fold(SignedDuration::ZERO, |sum, set| {
            sum + set.total(&WorkingTime::Calendar)
        })
    };
    let seen = !figure.counted.is_empty();
    figure.add_value("downtime", Unit::Milliseconds, seen.then(|| ms(total(&all))));
    figure.add_value(
        "outages",
        Unit::Count,
        seen.then_some(figure.counted.len() as f64),
    );
    let mut rows: Vec<_> = kinds
        .iter()
        .map(|(kind, (spans, outages))| {
            let lengths = spans
                .values()
                .flatten()
                .map(|(from, to)| to.duration_since(*from));
            let spread = Spread::of_times(lengths);
            (total(spans), *kind, *outages, spread)
        })
        .collect();
    rows.sort_by(|one, other| (other.0, one.1).cmp(&(one.0, other.1)));
    let rows = rows.into_iter().map(|(total, kind, outages, spread)| {
        vec![
            Cell::text(kind),
            Cell::count(outages),
            Cell::Number(Some(ms(total))),
            Cell::Number(spread.median),
            Cell::Number(spread.longest),
        ]
    });
    let time = Some(Unit::Milliseconds);
    let columns = [
        ("kind", None),
        ("outages", Some(Unit::Count)),
        ("downtime", time),
        ("median", time),
        ("longest", time),
    ];
    let rows = rows.collect();
    figure.add_table("By kind", &columns, rows);
    if open > 0 {
        figure.notes.push(format!(
            "Not over at {}: {open} of the outages. Downtime is at least this.",
            options.horizon()
        ));
    }
    figure
}

fn kind<'d>(outage: &'d Outage, flow: &'d Flow) -> &'d str {
    match &outage.deployment {
        Some(deployment) => flow.change_kind(deployment).map_or(UNKNOWN, |kind| &kind.kind),
        None => NO_DEPLOYMENT,
    }
}
