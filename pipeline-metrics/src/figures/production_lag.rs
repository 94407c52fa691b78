use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::delivered::{Arrival, Delivered};
use crate::spread::Spread;
use crate::{Cell, Figure, FigureItem, FigureOptions, Flow, LagBy, Unit};

const DEFINITION: &str = "Of the releases that arrived in their last production environment in the window: the time from the \
     first arrival in a production environment to the first arrival in the last one. A release has to arrive in \
     every production environment that had the component when the release first arrived. Calendar time, for \
     users wait at night too.";

const ONE: &str = "its component has one production environment";
const NAMELESS: &str = "names no release";
const OVERTAKEN: &str = "overtaken before it arrived everywhere";
const UNDERWAY: &str = "not everywhere yet";

/// The first arrivals of one release.
struct Spreading<'d> {
    name: &'d str,
    /// By environment.
    arrivals: BTreeMap<&'d str, &'d Arrival>,
}

impl<'d> Spreading<'d> {
    fn start(&self) -> Option<&'d Arrival> {
        self.arrivals
            .values()
            .copied()
            .min_by_key(|arrival| (arrival.at, &arrival.id))
    }

    fn end(&self) -> Option<&'d Arrival> {
        self.arrivals
            .values()
            .copied()
            .max_by_key(|arrival| (arrival.at, &arrival.id))
    }
}

#[derive(Default)]
struct Tallied {
    lags: Vec<SignedDuration>,
    /// By environment: how long after the first one, and how often it was the last.
    environments: BTreeMap<String, (Vec<SignedDuration>, usize)>,
}

/// The lag from the first to the last production system.
pub(super) fn production_lag(delivered: &Delivered, flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new(
        "production-lag",
        "Lag from the first to the last production system",
        DEFINITION,
    );
    figure.options.push(
        match options.lag_by {
            LagBy::Release => "A release is told by its version, or by its digest where there is no version.",
            LagBy::Change => "The lag is that of source changes, in place of releases.",
        }
        .to_owned(),
    );
    let known = |arrival: &&Arrival| {
        arrival.production && arrival.at < options.horizon() && options.shows(Some(&arrival.component))
    };
    let mut components: BTreeMap<&str, Vec<&Arrival>> = BTreeMap::new();
    for arrival in delivered.arrivals.iter().filter(known) {
        components.entry(&arrival.component).or_default().push(arrival);
    }
    let mut all = Vec::new();
    let mut rows = Vec::new();
    let mut environments = Vec::new();
    for (component, arrivals) in components {
        let tallied = tally(component, &arrivals, flow, options, &mut figure);
        if tallied.lags.is_empty() {
            continue;
        }
        let spread = Spread::of_times(tallied.lags.iter().copied());
        rows.push(vec![
            Cell::text(component),
            Cell::count(tallied.lags.len()),
            Cell::Number(spread.median),
            Cell::Number(spread.p90),
            Cell::Number(spread.longest),
        ]);
        for (environment, (after, last)) in tallied.environments {
            environments.push(vec![
                Cell::text(component),
                Cell::text(environment),
                Cell::Number(Spread::of_times(after).median),
                Cell::count(last),
            ]);
        }
        all.extend(tallied.lags);
    }
    let spread = Spread::of_times(all.iter().copied());
    figure.add_value("median", Unit::Milliseconds, spread.median);
    figure.add_value("90th percentile", Unit::Milliseconds, spread.p90);
    figure.add_value("longest", Unit::Milliseconds, spread.longest);
    figure.add_value(
        "releases",
        Unit::Count,
        (!all.is_empty()).then_some(all.len() as f64),
    );
    let time = Some(Unit::Milliseconds);
    let columns = [
        ("component", None),
        ("releases", Some(Unit::Count)),
        ("median", time),
        ("90th percentile", time),
        ("longest", time),
    ];
    figure.add_table("By component", &columns, rows);
    let columns = [
        ("component", None),
        ("environment", None),
        ("median after the first", time),
        ("times last", Some(Unit::Count)),
    ];
    figure.add_table("By environment", &columns, environments);
    figure
}

fn tally(
    component: &str,
    arrivals: &[&Arrival],
    flow: &Flow,
    options: &FigureOptions,
    figure: &mut Figure,
) -> Tallied {
    let mut tallied = Tallied::default();
    let all = spreading(arrivals, options, figure);
    for one in &all {
        let (Some(start), Some(end)) = (one.start(), one.end()) else {
            continue;
        };
        let item = FigureItem::new(
            "release",
            &format_args!("{component} {}", one.name),
            &start.origin,
        );
        let missing: Vec<_> = in_use(component, arrivals, flow, start.at)
            .filter(|environment| !one.arrivals.contains_key(environment))
            .collect();
        if !missing.is_empty() {
            if options.window.contains(start.at) {
                let overtaken = missing
                    .iter()
                    .all(|environment| is_overtaken(&all, environment, start));
                figure.leave_out(item, if overtaken { OVERTAKEN } else { UNDERWAY });
            }
            continue;
        }
        if !options.window.contains(end.at) {
            continue;
        }
        if one.arrivals.len() == 1 {
            figure.leave_out(item, ONE);
            continue;
        }
        figure.count(item);
        tallied.lags.push(end.at.duration_since(start.at));
        for (environment, arrival) in &one.arrivals {
            let (after, last) = tallied.environments.entry((*environment).to_owned()).or_default();
            after.push(arrival.at.duration_since(start.at));
            *last += usize::from(arrival.id == end.id);
        }
    }
    tallied
}

/// The first arrivals of each release, or change, by the release's first.
fn spreading<'d>(
    arrivals: &[&'d Arrival],
    options: &FigureOptions,
    figure: &mut Figure,
) -> Vec<Spreading<'d>> {
    let mut releases: BTreeMap<&str, Spreading<'d>> = BTreeMap::new();
    for &arrival in arrivals {
        let names: Vec<&'d str> = match options.lag_by {
            LagBy::Release => arrival.release.iter().map(|name| &**name).collect(),
            LagBy::Change => arrival.changes.iter().map(|sha| &**sha).collect(),
        };
        if names.is_empty() && options.window.contains(arrival.at) {
            figure.leave_out(arrival.item(), NAMELESS);
        }
        for name in names {
            let one = releases.entry(name).or_insert_with(|| Spreading {
                name,
                arrivals: BTreeMap::new(),
            });
            one.arrivals.entry(&arrival.environment).or_insert(arrival);
        }
    }
    let mut releases: Vec<_> = releases.into_values().collect();
    releases.sort_by_key(|one| (one.start().map(|start| start.at), one.name));
    releases
}

/// The production environments that have the component at a moment.
fn in_use<'d>(
    component: &str,
    arrivals: &[&'d Arrival],
    flow: &Flow,
    at: Timestamp,
) -> impl Iterator<Item = &'d str> {
    let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for arrival in arrivals.iter().take_while(|arrival| arrival.at <= at) {
        last.insert(&arrival.environment, arrival.at);
    }
    for removal in flow
        .removals()
        .filter(|one| *one.component == *component && one.at <= at)
    {
        if last
            .get(&*removal.environment)
            .is_some_and(|arrived| *arrived <= removal.at)
        {
            last.remove(&*removal.environment);
        }
    }
    last.into_keys()
}

/// Whether something that first arrived anywhere later than this release is in the environment by now.
fn is_overtaken(all: &[Spreading<'_>], environment: &str, start: &Arrival) -> bool {
    let newer = |one: &&Spreading<'_>| one.start().is_some_and(|first| first.at > start.at);
    all.iter()
        .filter(newer)
        .any(|one| one.arrivals.contains_key(environment))
}
