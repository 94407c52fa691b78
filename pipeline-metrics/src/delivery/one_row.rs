use std::collections::{BTreeSet, HashMap};

use super::Selection;
use super::line::{Line, RawSpell, SpellOf};
use super::standing::Standing;
use crate::calendar::DAY;
use crate::facts::natural;
use crate::{RecoveryFrom, Several};

/// The deployments of several components that count, as if they were those of one.
///
/// The rules are those of `Merge-ReleaseMetricsIntoOnePseudoRepository` of RedGate.Metrics: from the newest back, a
/// component is broken from its last fix to the deployment before that was none. While one is broken, the fixes of
/// all are one failure.
#[derive(Debug)]
pub(crate) struct OneRow {
    /// By finish, then by id.
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    component: u32,
    row: u32,
    finished: i64,
    /// When the one before finished.
    before: Option<i64>,
    fix: bool,
    /// When the failure that it fixes began.
    broken_since: Option<i64>,
}

impl OneRow {
    /// The row of a selection; `None` where the options want none, or only one component went live.
    pub(crate) fn of(selection: &Selection<'_, '_>) -> Option<Self> {
        let delivery = selection.delivery;
        if delivery.options.deployments.several == Several::Apart {
            return None;
        }
        let live = |line: &&Line| {
            let mut runs = line.runs.iter();
            runs.any(|run| run.standing.is_live() && selection.has(run.row))
        };
        selection.lines().filter(live).nth(1)?;
        let lines = selection.lines();
        let mut places: Vec<_> = lines.flat_map(|line| Place::all(selection, line)).collect();
        let ids = &delivery.facts.deployments.ids;
        places.sort_by(|a, b| {
            let order = a.finished.cmp(&b.finished);
            order.then_with(|| natural(ids.get(a.row), ids.get(b.row)))
        });
        merge(&mut places);
        Some(Self { places })
    }

    fn within(&self, start: i64, end: i64) -> &[Place] {
        let before = |moment| self.places.partition_point(|place| place.finished < moment);
        &self.places[before(start)..before(end)]
    }

    /// How many failures were fixed in a span of time.
    pub(crate) fn fixes(&self, start: i64, end: i64) -> usize {
        let within = self.within(start, end).iter();
        within.filter(|place| place.fix).count()
    }

    /// The mean time from the deployment before, in days, of those in a span of time.
    pub(crate) fn mean_interval(&self, start: i64, end: i64) -> Option<f64> {
        let within = self.within(start, end).iter();
        let intervals: Vec<_> = within
            .filter_map(|place| Some((place.finished - place.before?) as f64 / DAY as f64))
            .collect();
        (!intervals.is_empty()).then(|| intervals.iter().sum::<f64>() / intervals.len() as f64)
    }

    /// From the last good deployment to the last fix, of the failures that were fixed in a span of time.
    pub(crate) fn spells(&self, start: i64, end: i64) -> impl Iterator<Item = (u32, RawSpell)> + '_ {
        let fixes = self.within(start, end).iter().filter(|place| place.fix);
        fixes.filter_map(|place| {
            let spell = RawSpell {
                key: place.finished,
                start: place.broken_since?,
                end: place.finished,
                of: SpellOf::Deployment(place.row),
                deployment: place.row,
                told_by_incident: false,
            };
            Some((place.component, spell))
        })
    }
}

impl Place {
    /// The deployments of one component that count, as they are by themselves.
    fn all(selection: &Selection<'_, '_>, line: &Line) -> Vec<Self> {
        let from_good = selection.delivery.options.recovery.from == RecoveryFrom::LastGood;
        let own = line.spells.iter().filter(|_| from_good);
        let own: HashMap<_, _> = own.map(|spell| (spell.deployment, spell.start)).collect();
        let live = line.runs.iter().filter(|run| run.standing.is_live());
        let (mut places, mut before) = (Vec::new(), None);
        for run in live.filter(|run| selection.has(run.row)) {
            if run.standing == Standing::Counted {
                places.push(Self {
                    component: line.component,
                    row: run.row,
                    finished: run.finished,
                    before,
                    fix: run.unplanned,
                    broken_since: own.get(&run.row).copied(),
                });
            }
            before = Some(run.finished);
        }
        places
    }
}

fn merge(places: &mut [Place]) {
    let mut broken = BTreeSet::new();
    let mut last_fix = 0;
    // The oldest has nothing before it, so it stays what it is by itself.
    for at in (1..places.len()).rev() {
        places[at].before = Some(places[at - 1].finished);
        let component = places[at].component;
        if places[at].fix {
            if broken.is_empty() {
                last_fix = at;
            } else {
                places[at].fix = false;
            }
            broken.insert(component);
        } else if broken.remove(&component) && broken.is_empty() {
            places[last_fix].broken_since = Some(places[at].finished);
        }
    }
    // When the failure began is not known: it is as old as what is.
    if let Some(oldest) = places.first().filter(|_| !broken.is_empty()) {
        let since = if oldest.fix {
            oldest.before
        } else {
            Some(oldest.finished)
        };
        places[last_fix].broken_since = since;
    }
}
