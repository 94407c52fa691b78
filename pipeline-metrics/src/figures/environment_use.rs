use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::intervals::Intervals;
use crate::spread::{Spread, ms};
use crate::{Cell, EnvironmentChange, Figure, FigureItem, FigureOptions, Flow, Hold, Unit};

const DEFINITION: &str = "The share of the window in which somebody had the exclusive use of an environment, and who. An \
     environment counts from when it was created until it was deleted, where that is known; one that was never \
     held is told only if it is known otherwise.";

/// Use of environments. What they belong to is no component, so none is chosen here.
pub(super) fn environment_use(flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("environment-use", "Use of environments", DEFINITION);
    figure.options.push(options.time.to_string());
    let mut held: BTreeMap<&str, Vec<(&Hold, Timestamp, Timestamp)>> = BTreeMap::new();
    for fact in flow.environments() {
        held.entry(&fact.environment).or_default();
    }
    let mut open = 0;
    for hold in flow.holds() {
        let item = FigureItem::new("hold", &hold.id, &hold.origin);
        let Some(from) = hold.from else {
            if hold.until.is_some_and(|until| options.window.contains(until)) {
                figure.leave_out(item, "its beginning is not known");
            }
            continue;
        };
        let end = hold.until.unwrap_or(options.horizon());
        if hold.until.is_some_and(|until| until < from) {
            if options.window.contains(from) {
                figure.leave_out(item, "ended before it began");
            }
            continue;
        }
        let (from, to) = (from.max(options.window.start()), end.min(options.horizon()));
        if from < to {
            open += usize::from(hold.until.is_none_or(|until| until > options.horizon()));
            figure.count(item);
            held.entry(&hold.environment).or_default().push((hold, from, to));
        }
    }
    let mut rows = Vec::new();
    let mut by = Vec::new();
    let mut totals = (SignedDuration::ZERO, SignedDuration::ZERO);
    for (environment, holds) in &held {
        let Some((from, to)) = lifetime(flow, environment, options) else {
            continue;
        };
        let there = options.time.between(from, to);
        // What was held while it was there.
        let inside: Vec<_> = holds
            .iter()
            .map(|(hold, start, end)| (*hold, from.max(*start), to.min(*end)))
            .filter(|(_, start, end)| start < end)
            .collect();
        let spans = inside.iter().map(|(_, start, end)| (*start, *end));
        let used = Intervals::of(spans).total(&options.time);
        let share = |time: SignedDuration| {
            (there > SignedDuration::ZERO).then(|| time.as_secs_f64() / there.as_secs_f64())
        };
        totals = (totals.0 + used, totals.1 + there);
        let lengths = inside
            .iter()
            .map(|(_, from, to)| options.time.between(*from, *to));
        let spread = Spread::of_times(lengths);
        rows.push(vec![
            Cell::text(environment),
            Cell::Number(share(used)),
            Cell::Number(Some(ms(used))),
            Cell::count(inside.len()),
            Cell::Number(spread.median),
            Cell::Number(spread.longest),
        ]);
        let mut users: BTreeMap<Option<&str>, Vec<(Timestamp, Timestamp)>> = BTreeMap::new();
        for (hold, from, to) in &inside {
            users.entry(hold.by.as_deref()).or_default().push((*from, *to));
        }
        for (user, spans) in users {
            let count = spans.len();
            let time = Intervals::of(spans).total(&options.time);
            by.push(vec![
                Cell::text(environment),
                Cell::text(user.unwrap_or("not known")),
                Cell::Number(share(time)),
                Cell::Number(Some(ms(time))),
                Cell::count(count),
            ]);
        }
    }
    let seen = !figure.counted.is_empty() && totals.1 > SignedDuration::ZERO;
    let share = seen.then(|| totals.0.as_secs_f64() / totals.1.as_secs_f64());
    figure.add_value("use", Unit::Share, share);
    figure.add_value(
        "environments",
        Unit::Count,
        (!held.is_empty()).then_some(held.len() as f64),
    );
    let (share, time, count) = (Some(Unit::Share), Some(Unit::Milliseconds), Some(Unit::Count));
    let columns = [
        ("environment", None),
        ("use", share),
        ("held", time),
        ("holds", count),
        ("median hold", time),
        ("longest hold", time),
    ];
    if seen {
        figure.add_table("By environment", &columns, rows);
    }
    let columns = [
        ("environment", None),
        ("by", None),
        ("use", share),
        ("held", time),
        ("holds", count),
    ];
    figure.add_table("By whom", &columns, by);
    if open > 0 {
        figure
            .notes
            .push(format!("Not over at {}: {open} of the holds.", options.horizon()));
    }
    figure
}

/// When the environment was there, within the window.
fn lifetime(flow: &Flow, environment: &str, options: &FigureOptions) -> Option<(Timestamp, Timestamp)> {
    let (mut from, mut to) = (options.window.start(), options.horizon());
    let facts = flow
        .environments()
        .filter(|fact| *fact.environment == *environment);
    let mut gone = None;
    for fact in facts {
        match fact.change {
            EnvironmentChange::Created if gone.is_none() => from = from.max(fact.at),
            // It came again: what lies between counts as there, which makes the share smaller, never larger.
            EnvironmentChange::Created => gone = None,
            EnvironmentChange::Deleted => gone = Some(fact.at),
            EnvironmentChange::Modified => {}
        }
    }
    if let Some(gone) = gone {
        to = to.min(gone);
    }
    (from < to).then_some((from, to))
}
