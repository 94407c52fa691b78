use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::delivered::{Arrival, Delivered};
use crate::spread::{Spread, ms};
use crate::{Cell, Figure, FigureItem, FigureOptions, Flow, Unit};

const DEFINITION: &str = "What is live where at the end of the window, by deployments, rollbacks and removals. The age of a \
     version is the time since it first went live anywhere; how far it is behind is the number of versions of \
     the component that first went live after it.";

/// What is live in one place.
#[derive(Debug, Clone, Copy)]
struct Live<'d> {
    arrival: &'d Arrival,
    since: Timestamp,
}

/// Something that changes what is live, by time; at one moment a deployment comes after what went before it.
#[derive(Clone, Copy)]
enum Step<'d> {
    Removal,
    Return(&'d str),
    Arrival(&'d Arrival),
}

/// Versions in the estate and their age.
pub(super) fn versions(delivered: &Delivered, flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("versions", "Versions in the estate", DEFINITION);
    let at = options.horizon();
    figure.options.push(format!("As of {at}."));
    let live = live(delivered, flow, options, at);
    let mut first: BTreeMap<(&str, &str), Timestamp> = BTreeMap::new();
    for arrival in &delivered.arrivals {
        if let Some(release) = arrival.release.as_deref().filter(|_| arrival.at < at) {
            let seen = first.entry((&arrival.component, release)).or_insert(arrival.at);
            *seen = arrival.at.min(*seen);
        }
    }
    let mut components: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut ages = Vec::new();
    let mut rows = Vec::new();
    for ((component, environment), Live { arrival, since }) in live {
        let item = FigureItem::new("deployment", &arrival.id, &arrival.origin);
        let Some(release) = arrival.release.as_deref() else {
            figure.leave_out(item, "names no release");
            continue;
        };
        let born = first.get(&(component, release)).copied().unwrap_or(since);
        let newer = first
            .range((component, "")..)
            .take_while(|((of, _), _)| *of == component)
            .filter(|(_, first)| **first > born);
        let age = at.duration_since(born);
        figure.count(item);
        components.entry(component).or_default().insert(release);
        ages.push(age);
        rows.push(vec![
            Cell::text(component),
            Cell::text(environment),
            Cell::text(if arrival.production { "yes" } else { "no" }),
            Cell::text(release),
            Cell::Time(since),
            Cell::Number(Some(ms(age))),
            Cell::count(newer.count()),
        ]);
    }
    let count = components.values().map(BTreeSet::len).sum::<usize>();
    let most = components.values().map(BTreeSet::len).max();
    let spread = Spread::of_times(ages);
    figure.add_value("versions", Unit::Count, (count > 0).then_some(count as f64));
    figure.add_value("most of one component", Unit::Count, most.map(|most| most as f64));
    figure.add_value("median age", Unit::Milliseconds, spread.median);
    figure.add_value("oldest", Unit::Milliseconds, spread.longest);
    let columns = [
        ("component", None),
        ("environment", None),
        ("production", None),
        ("version", None),
        ("live since", None),
        ("age", Some(Unit::Milliseconds)),
        ("versions behind", Some(Unit::Count)),
    ];
    figure.add_table("What is live", &columns, rows);
    figure
}

fn live<'d>(
    delivered: &'d Delivered,
    flow: &'d Flow,
    options: &FigureOptions,
    at: Timestamp,
) -> BTreeMap<(&'d str, &'d str), Live<'d>> {
    type Steps<'d> = Vec<(Timestamp, u8, &'d str, Step<'d>)>;
    let mut places: BTreeMap<(&str, &str), Steps<'_>> = BTreeMap::new();
    let mut add = |component: &'d str, environment: &'d str, time: Timestamp, order, id: &'d str, step| {
        if time < at && options.shows(Some(component)) {
            let steps = places.entry((component, environment)).or_default();
            steps.push((time, order, id, step));
        }
    };
    for removal in flow.removals() {
        add(
            &removal.component,
            &removal.environment,
            removal.at,
            0,
            "",
            Step::Removal,
        );
    }
    for back in &delivered.returns {
        add(
            &back.component,
            &back.environment,
            back.at,
            1,
            &back.from,
            Step::Return(&back.from),
        );
    }
    for arrival in &delivered.arrivals {
        let step = Step::Arrival(arrival);
        add(
            &arrival.component,
            &arrival.environment,
            arrival.at,
            2,
            &arrival.id,
            step,
        );
    }
    let mut live = BTreeMap::new();
    for (place, mut steps) in places {
        steps.sort_by_key(|(time, order, id, _)| (*time, *order, *id));
        let mut stack: Vec<&Arrival> = Vec::new();
        let mut since = None;
        for (time, _, _, step) in steps {
            match step {
                Step::Removal => {
                    stack.clear();
                    since = None;
                }
                // To what was live before it; a rollback from something else says nothing about this.
                Step::Return(from) => {
                    let bad = |arrival: &&Arrival| arrival.digest.as_deref() == Some(from);
                    if stack.last().is_some_and(bad) {
                        while stack.pop_if(|arrival| bad(&&**arrival)).is_some() {}
                        since = Some(time);
                    }
                }
                Step::Arrival(arrival) => {
                    // The same version once more has been live since it came first.
                    if stack.last().is_none_or(|top| top.release != arrival.release) {
                        since = Some(time);
                    }
                    stack.push(arrival);
                }
            }
        }
        if let (Some(arrival), Some(since)) = (stack.pop(), since) {
            live.insert(place, Live { arrival, since });
        }
    }
    live
}
