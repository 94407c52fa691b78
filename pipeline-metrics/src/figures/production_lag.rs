use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::delivered::{Arrival, Delivered};
use crate::spread::Spread;
use crate::{Cell, Figure, FigureItem, FigureOptions, Flow, LagBy, Unit};

const DEFINITION: &str = "Of the releases that arrived in their last production environment in the window: the time from the \
     first arrival in a production environment to the first arrival in the last one. A release has to arrive in \
     every production environment that had the component when the release first arrived; one that gets the \
     component later is not waited for. Calendar time, for users wait at night too.";

const ONE: &str = "no other production environment had its component";
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
    let newest = newest(&all);
    let mut in_use = InUse::of(component, arrivals, flow);
    let kind = match options.lag_by {
        LagBy::Release => "release",
        LagBy::Change => "change",
    };
    for one in &all {
        let Some(start) = one.start() else { continue };
        let item = FigureItem::new(kind, &format_args!("{component} {}", one.name), &start.origin);
        let wanted = in_use.at(start.at);
        let arrived: Vec<&Arrival> = wanted
            .iter()
            .filter_map(|name| one.arrivals.get(name).copied())
            .collect();
        if arrived.len() < wanted.len() {
            if options.window.contains(start.at) {
                let mut missing = wanted.iter().filter(|name| !one.arrivals.contains_key(*name));
                let overtaken = missing.all(|name| newest.get(name).is_some_and(|first| *first > start.at));
                figure.leave_out(item, if overtaken { OVERTAKEN } else { UNDERWAY });
            }
            continue;
        }
        let Some(end) = arrived.iter().max_by_key(|arrival| (arrival.at, &arrival.id)) else {
            continue;
        };
        if !options.window.contains(end.at) {
            continue;
        }
        if arrived.len() == 1 {
            figure.leave_out(item, ONE);
            continue;
        }
        figure.count(item);
        tallied.lags.push(end.at.duration_since(start.at));
        for arrival in &arrived {
            let environment = arrival.environment.to_string();
            let (after, last) = tallied.environments.entry(environment).or_default();
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

/// For each environment, when the newest of the releases that came there first arrived anywhere: all that first
/// arrived before it are overtaken there.
fn newest<'d>(all: &[Spreading<'d>]) -> BTreeMap<&'d str, Timestamp> {
    let mut newest = BTreeMap::new();
    // By the first arrival, so the last one stays.
    for one in all {
        if let Some(start) = one.start() {
            newest.extend(one.arrivals.keys().map(|environment| (*environment, start.at)));
        }
    }
    newest
}

/// The production environments that have a component, as time goes on.
struct InUse<'d> {
    /// By time, at one moment a removal last: where the component comes, or whence it goes.
    steps: std::iter::Peekable<std::vec::IntoIter<(Timestamp, bool, &'d str)>>,
    now: BTreeSet<&'d str>,
}

impl<'d> InUse<'d> {
    fn of(component: &str, arrivals: &[&'d Arrival], flow: &'d Flow) -> Self {
        let come = arrivals.iter().map(|one| (one.at, false, &*one.environment));
        let gone = flow.removals().filter(|one| *one.component == *component);
        let gone = gone.map(|one| (one.at, true, &*one.environment));
        let mut steps: Vec<_> = come.chain(gone).collect();
        steps.sort_unstable();
        Self {
            steps: steps.into_iter().peekable(),
            now: BTreeSet::new(),
        }
    }

    /// Those at a moment; moments have to rise.
    fn at(&mut self, at: Timestamp) -> &BTreeSet<&'d str> {
        while let Some((_, gone, environment)) = self.steps.next_if(|(then, _, _)| *then <= at) {
            if gone {
                self.now.remove(environment);
            } else {
                self.now.insert(environment);
            }
        }
        &self.now
    }
}
