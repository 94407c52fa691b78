use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::intervals::Intervals;
use crate::spread::{Spread, ms};
use crate::{Cell, Figure, FigureItem, FigureOptions, Flow, Unit, Wait, WaitCause};

const DEFINITION: &str = "How long work stood still and for what, of the waits that ended in the window. One item may wait for \
     several things at once: then each has its time, and the sum over all counts it once.";

const WORST: usize = 10;

/// A wait with its two ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended<'f> {
    pub(super) wait: &'f Wait,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
}

/// The waits that ended in the window. What is counted and what is not goes to the figure.
pub(super) fn ended<'f>(
    flow: &'f Flow,
    options: &FigureOptions,
    figure: &mut Figure,
    wanted: impl Fn(&Wait) -> bool,
) -> Vec<Ended<'f>> {
    let mut ended = Vec::new();
    let mut open = Vec::new();
    for wait in flow.waits() {
        if !options.shows(wait.component.as_deref()) || !wanted(wait) {
            continue;
        }
        let item = FigureItem::new("wait", &wait.id, &wait.origin);
        match (wait.since, wait.until) {
            (Some(since), Some(until)) if until < options.horizon() => {
                if !options.window.contains(until) {
                    continue;
                }
                if until < since {
                    figure.leave_out(item, "ended before it began");
                } else {
                    figure.count(item);
                    ended.push(Ended { wait, since, until });
                }
            }
            (Some(since), _) if since < options.horizon() => {
                figure.leave_out(item, "not over yet");
                open.push(since);
            }
            (None, Some(until)) if options.window.contains(until) => {
                figure.leave_out(item, "its beginning is not known");
            }
            _ => {}
        }
    }
    if let Some(first) = open.iter().min() {
        figure.notes.push(format!(
            "Not over at {}: {} of the waits, the longest since {first}. They are in no number yet.",
            options.horizon(),
            open.len(),
        ));
    }
    ended
}

/// Waiting by cause.
pub(super) fn waiting(flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("waiting", "Waiting by cause", DEFINITION);
    figure.options.push(options.time.to_string());
    let ended = ended(flow, options, &mut figure, |_| true);
    let length = |one: &Ended<'_>| options.time.between(one.since, one.until);

    let mut items: BTreeMap<_, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
    let mut causes: BTreeMap<&WaitCause, Vec<SignedDuration>> = BTreeMap::new();
    let mut whom: BTreeMap<(&WaitCause, &str), Vec<SignedDuration>> = BTreeMap::new();
    for one in &ended {
        let wait = one.wait;
        let item = wait.item.as_deref().unwrap_or(&wait.id);
        let spans = items.entry((wait.component.as_deref(), item)).or_default();
        spans.push((one.since, one.until));
        causes.entry(&wait.cause).or_default().push(length(one));
        if let Some(on) = &wait.on {
            whom.entry((&wait.cause, on)).or_default().push(length(one));
        }
    }
    let totals: Vec<_> = items
        .into_values()
        .map(|spans| Intervals::of(spans).total(&options.time))
        .collect();
    let total = (!totals.is_empty()).then(|| totals.iter().map(|time| ms(*time)).sum());
    figure.add_value("waited", Unit::Milliseconds, total);
    figure.add_value(
        "median per item",
        Unit::Milliseconds,
        Spread::of_times(totals).median,
    );
    let approvals = causes.get(&WaitCause::Approval).cloned();
    let approvals = Spread::of_times(approvals.unwrap_or_default());
    figure.add_value("median for an approval", Unit::Milliseconds, approvals.median);

    let (time, count) = (Some(Unit::Milliseconds), Some(Unit::Count));
    let numbers = [
        ("waits", count),
        ("waited", time),
        ("median", time),
        ("90th percentile", time),
        ("longest", time),
    ];
    let rows = causes
        .into_iter()
        .map(|(cause, times)| (vec![Cell::text(cause)], times));
    let columns: Vec<_> = [("cause", None)].into_iter().chain(numbers).collect();
    figure.add_table("By cause", &columns, rank(rows));
    let rows = whom
        .into_iter()
        .map(|((cause, on), times)| (vec![Cell::text(cause), Cell::text(on)], times));
    let columns: Vec<_> = [("cause", None), ("for", None)]
        .into_iter()
        .chain(numbers)
        .collect();
    figure.add_table("By whom", &columns, rank(rows));

    let mut worst: Vec<_> = ended.iter().collect();
    worst.sort_by(|one, other| (length(other), &one.wait.id).cmp(&(length(one), &other.wait.id)));
    let or_empty = |text: &Option<_>| text.as_ref().map_or(Cell::Empty, Cell::text);
    let rows = worst.into_iter().take(WORST).map(|one| {
        vec![
            or_empty(&one.wait.component),
            or_empty(&one.wait.item),
            or_empty(&one.wait.stage),
            Cell::text(&one.wait.cause),
            or_empty(&one.wait.on),
            Cell::Time(one.since),
            Cell::Number(Some(ms(length(one)))),
        ]
    });
    let columns = [
        ("component", None),
        ("item", None),
        ("stage", None),
        ("cause", None),
        ("for", None),
        ("since", None),
        ("waited", time),
    ];
    let rows = rows.collect();
    figure.add_table("The longest", &columns, rows);
    figure
}

/// Rows with the numbers of their waits, what took most time in all first.
fn rank(groups: impl Iterator<Item = (Vec<Cell>, Vec<SignedDuration>)>) -> Vec<Vec<Cell>> {
    let mut groups: Vec<_> = groups
        .map(|(names, times)| {
            let sum = times
                .iter()
                .fold(SignedDuration::ZERO, |sum, time| sum.saturating_add(*time));
            (sum, names, times)
        })
        .collect();
    // Stable: equal sums stay in the order of their names.
    groups.sort_by_key(|group| Reverse(group.0));
    let row = |(sum, mut row, times): (SignedDuration, Vec<Cell>, Vec<SignedDuration>)| {
        let count = times.len();
        let spread = Spread::of_times(times);
        row.extend([
            Cell::count(count),
            Cell::Number(Some(ms(sum))),
            Cell::Number(spread.median),
            Cell::Number(spread.p90),
            Cell::Number(spread.longest),
        ]);
        row
    };
    groups.into_iter().map(row).collect()
}
