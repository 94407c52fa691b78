use std::collections::HashMap;

use super::cell::{Cell, Way};
use super::faults::Faults;
use super::timeline::{Timeline, order};
use crate::calendar::Calendar;
use crate::delivery::{Missing, Production, Standing, lead_time};
use crate::facts::{DeploymentRow, Facts, IncidentRow, NEVER, NONE, RollbackRow, natural};
use crate::{Bound, Bucket, DeploymentKind, Named, Options, Reach};

/// Keeps the cells. What a fact adds to them is taken out before the fact changes it, and put in again after.
#[derive(Debug)]
pub(super) struct Keeper {
    options: Options,
    calendar: Calendar,
    bucket: Bucket,
    production: Production,
    /// By the number of the component's name and the first day of the bucket.
    pub(super) cells: HashMap<(u32, i64), Cell>,
    pub(super) overall: Cell,
    timelines: HashMap<u32, Timeline>,
    /// Of each revision, the row of the deployment that brought it first, and the time that it adds.
    brought: Vec<(u32, i64)>,
    /// Of each incident, the deployment that it is the fault of.
    blamed: Vec<u32>,
    faults: HashMap<u32, Faults>,
    /// Incidents that name a deployment, by its row.
    named: HashMap<u32, Vec<u32>>,
    /// Attempts and rollbacks, by component, environment and release.
    releases: HashMap<ReleaseKey, Release>,
    /// Where each rollback is in the above, and the deployment that it is the fault of.
    rollbacks: HashMap<Box<str>, (ReleaseKey, u32)>,
}

/// A component, an environment and a release.
type ReleaseKey = (u32, u32, u32);

/// What was tried with one release in one environment.
#[derive(Debug, Clone, Default)]
struct Release {
    /// Finish and row, sorted as deployments are.
    attempts: Vec<(i64, u32)>,
    rollbacks: Vec<Box<str>>,
}

impl Keeper {
    pub(super) fn new(options: &Options, calendar: Calendar, bucket: Bucket) -> Self {
        Self {
            options: options.clone(),
            calendar,
            bucket,
            production: Production::default(),
            cells: HashMap::new(),
            overall: Cell::default(),
            timelines: HashMap::new(),
            brought: Vec::new(),
            blamed: Vec::new(),
            faults: HashMap::new(),
            named: HashMap::new(),
            releases: HashMap::new(),
            rollbacks: HashMap::new(),
        }
    }

    /// Does something to the two cells that a deployment belongs to.
    fn cells(&mut self, row: &DeploymentRow, mut with: impl FnMut(&mut Cell, &Options)) {
        let first_day = self.calendar.piece(self.bucket, row.finished).first_day;
        let cell = self.cells.entry((row.component, first_day)).or_default();
        with(cell, &self.options);
        with(&mut self.overall, &self.options);
    }

    fn standing(&mut self, facts: &Facts, row: &DeploymentRow) -> Standing {
        let has_users = self
            .production
            .has(facts, &self.options, row.environment, row.production);
        Standing::alone(row, has_users, &self.options)
    }

    // Changes.

    fn brought(&mut self, revision: u32) -> &mut (u32, i64) {
        let at = revision as usize;
        if at >= self.brought.len() {
            self.brought.resize(at + 1, (NONE, 0));
        }
        &mut self.brought[at]
    }

    /// The revision is brought by this deployment, or by none.
    fn bring(&mut self, facts: &Facts, revision: u32, by: u32) {
        let (before, time) = *self.brought(revision);
        if before != NONE {
            let row = *facts.deployments.get(before);
            self.cells(&row, |cell, _| cell.lead_time(Way::Out, time));
        }
        self.bring_first(facts, revision, by);
    }

    /// The same of a revision that no cell counts.
    fn bring_first(&mut self, facts: &Facts, revision: u32, by: u32) {
        *self.brought(revision) = (by, 0);
        if by == NONE {
            return;
        }
        let row = *facts.deployments.get(by);
        let known = facts.revisions.at(revision) != NEVER;
        let time = if known {
            lead_time(facts, &self.options, revision, row.finished)
        } else {
            Missing::UNKNOWN
        };
        self.brought(revision).1 = time;
        self.cells(&row, |cell, _| cell.lead_time(Way::In, time));
    }

    pub(super) fn revision(&mut self, facts: &Facts, revision: u32) {
        let (by, _) = *self.brought(revision);
        self.bring(facts, revision, by);
    }

    // Deployments.

    fn count(&mut self, way: Way, row: &DeploymentRow) {
        let day = self.calendar.day(row.finished);
        let unplanned = row.kind != DeploymentKind::Planned;
        self.cells(row, |cell, _| cell.deployment(way, day, unplanned));
    }

    pub(super) fn deployment(&mut self, facts: &Facts, number: u32, before: &DeploymentRow) {
        if before.is_known() {
            self.remove_deployment(facts, number, before);
        }
        let row = *facts.deployments.get(number);
        let key = (row.component, row.environment, row.release);
        if row.release != NONE {
            let attempts = &mut self.releases.entry(key).or_default().attempts;
            let new = (row.finished, number);
            let at = attempts.partition_point(|&other| order(facts, other, new).is_lt());
            attempts.insert(at, new);
        }
        let standing = self.standing(facts, &row);
        if standing.is_live() {
            let timeline = self.timelines.entry(row.component).or_default();
            let at = timeline.add(facts, row.finished, number);
            let affected = timeline.affected(facts, &row, at + 1);
            if standing == Standing::Counted {
                self.count(Way::In, &row);
                for &revision in facts.deployments.revisions(&row) {
                    let (by, _) = *self.brought(revision);
                    let new = (row.finished, number);
                    if by == NONE || order(facts, new, (facts.deployments.get(by).finished, by)).is_lt() {
                        self.bring(facts, revision, number);
                    }
                }
            }
            for incident in affected {
                self.blame(facts, incident);
            }
        }
        for incident in self.named.get(&number).cloned().unwrap_or_default() {
            self.blame(facts, incident);
        }
        self.blame_rollbacks(facts, key);
    }

    fn remove_deployment(&mut self, facts: &Facts, number: u32, before: &DeploymentRow) {
        let key = (before.component, before.environment, before.release);
        if let Some(release) = self.releases.get_mut(&key) {
            release.attempts.retain(|&(_, other)| other != number);
        }
        let faults = self.take_faults(number, before);
        let standing = self.standing(facts, before);
        let mut affected = Vec::new();
        if standing.is_live() {
            let timeline = self.timelines.entry(before.component).or_default();
            let at = timeline.remove(before.finished, number);
            affected = timeline.affected(facts, before, at);
        }
        if standing == Standing::Counted {
            self.count(Way::Out, before);
            self.hand_on(facts, number, before);
        }
        for (incident, _) in faults.incidents {
            self.blamed[incident as usize] = NONE;
            affected.push(incident);
        }
        for incident in affected {
            self.blame(facts, incident);
        }
        for (id, _) in faults.rollbacks {
            if let Some((_, blamed)) = self.rollbacks.get_mut(&id) {
                *blamed = NONE;
            }
        }
        self.blame_rollbacks(facts, key);
    }

    /// What a deployment brought first is brought by the next one that lists it.
    fn hand_on(&mut self, facts: &Facts, number: u32, before: &DeploymentRow) {
        let mut lost = HashMap::new();
        for &revision in facts.deployments.revisions(before) {
            let (by, time) = *self.brought(revision);
            if by == number && lost.insert(revision, NONE).is_none() {
                self.cells(before, |cell, _| cell.lead_time(Way::Out, time));
            }
        }
        let live = self
            .timelines
            .get(&before.component)
            .map_or(&[][..], |timeline| &timeline.live);
        let live: Vec<u32> = live.iter().map(|&(_, other)| other).collect();
        for other in live {
            let row = *facts.deployments.get(other);
            if lost.is_empty() || self.standing(facts, &row) != Standing::Counted {
                continue;
            }
            for revision in facts.deployments.revisions(&row) {
                if let Some(by) = lost.get_mut(revision).filter(|by| **by == NONE) {
                    *by = other;
                }
            }
        }
        for (revision, by) in lost {
            self.bring_first(facts, revision, by);
        }
    }

    // Incidents.

    pub(super) fn incident(&mut self, facts: &Facts, number: u32, before: &IncidentRow) {
        if self.blamed.len() <= number as usize {
            self.blamed.resize(number as usize + 1, NONE);
        }
        if before.is_known() {
            if self.is_named(before) {
                if let Some(named) = self.named.get_mut(&before.deployment) {
                    named.retain(|&other| other != number);
                }
            } else if let Some(timeline) = self.timelines.get_mut(&before.component) {
                timeline.remove_incident(before.opened, number);
            }
        }
        let row = facts.incidents.get(number);
        if !row.is_known() {
            return;
        }
        if self.is_named(row) {
            self.named.entry(row.deployment).or_default().push(number);
        } else {
            let timeline = self.timelines.entry(row.component).or_default();
            timeline.add_incident(row.opened, number);
        }
        self.blame(facts, number);
    }

    fn is_named(&self, incident: &IncidentRow) -> bool {
        self.options.failures.attribution.named == Named::First && incident.deployment != NONE
    }

    /// Finds anew whose fault an incident is.
    fn blame(&mut self, facts: &Facts, number: u32) {
        let incident = facts.incidents.get(number);
        let by = if self.is_named(incident) {
            Some(incident.deployment)
        } else {
            self.last_before(facts, incident)
        };
        let by = by.filter(|&by| self.can_fail(facts, by)).unwrap_or(NONE);
        let before = std::mem::replace(&mut self.blamed[number as usize], by);
        if before != NONE {
            let row = *facts.deployments.get(before);
            let mut faults = self.take_faults(before, &row);
            faults.incidents.retain(|&(other, _)| other != number);
            self.put_faults(before, &row, faults);
        }
        if by != NONE {
            let row = *facts.deployments.get(by);
            let mut faults = self.take_faults(by, &row);
            faults.incidents.push((number, incident.resolved));
            self.put_faults(by, &row, faults);
        }
    }

    fn can_fail(&mut self, facts: &Facts, number: u32) -> bool {
        let row = *facts.deployments.get(number);
        row.is_known() && self.standing(facts, &row) == Standing::Counted
    }

    fn last_before(&self, facts: &Facts, incident: &IncidentRow) -> Option<u32> {
        let attribution = &self.options.failures.attribution;
        if attribution.reach == Reach::Nowhere {
            return None;
        }
        let live = &self.timelines.get(&incident.component)?.live;
        let end = live.partition_point(|&(finished, _)| match attribution.bound {
            Bound::Inclusive => finished <= incident.opened,
            Bound::Strict => finished < incident.opened,
        });
        let there = |&&(_, row): &&(i64, u32)| {
            incident.environment == NONE || facts.deployments.get(row).environment == incident.environment
        };
        let (finished, row) = *live[..end].iter().rev().find(there)?;
        let since = i128::from(incident.opened - finished);
        attribution
            .within
            .is_none_or(|within| since <= within.as_micros())
            .then_some(row)
    }

    // Rollbacks.

    pub(super) fn rollback(&mut self, facts: &Facts, id: &str) {
        let Some(row) = facts.rollbacks.get(id) else {
            return;
        };
        let key = (row.component, row.environment, row.release);
        if let Some((before, by)) = self.rollbacks.remove(id) {
            if let Some(release) = self.releases.get_mut(&before) {
                release.rollbacks.retain(|other| **other != *id);
            }
            self.acquit(facts, id, by);
        }
        self.rollbacks.insert(id.into(), (key, NONE));
        self.releases.entry(key).or_default().rollbacks.push(id.into());
        self.blame_rollbacks(facts, key);
    }

    fn acquit(&mut self, facts: &Facts, id: &str, by: u32) {
        if by != NONE {
            let row = *facts.deployments.get(by);
            let mut faults = self.take_faults(by, &row);
            faults.rollbacks.retain(|(other, _)| **other != *id);
            self.put_faults(by, &row, faults);
        }
    }

    fn blame_rollbacks(&mut self, facts: &Facts, key: ReleaseKey) {
        let rollbacks = self.releases.get(&key).map(|release| release.rollbacks.clone());
        for id in rollbacks.unwrap_or_default() {
            let Some(row) = facts.rollbacks.get(&id) else {
                continue;
            };
            let by = self.attempt_before(facts, key, &id, row);
            let by = by.filter(|&by| self.can_fail(facts, by)).unwrap_or(NONE);
            let Some((_, blamed)) = self.rollbacks.get_mut(&id) else {
                continue;
            };
            let before = std::mem::replace(blamed, by);
            self.acquit(facts, &id, before);
            if by != NONE {
                let deployment = *facts.deployments.get(by);
                let mut faults = self.take_faults(by, &deployment);
                faults.rollbacks.push((id, row.at));
                self.put_faults(by, &deployment, faults);
            }
        }
    }

    fn attempt_before(&mut self, facts: &Facts, key: ReleaseKey, id: &str, row: &RollbackRow) -> Option<u32> {
        let counts = self.options.failures.rollbacks.counts();
        if !counts
            || !self
                .production
                .has(facts, &self.options, row.environment, row.production)
        {
            return None;
        }
        let attempts = &self.releases.get(&key)?.attempts;
        let end = attempts.partition_point(|&(finished, other)| {
            let order = finished.cmp(&row.at);
            order
                .then_with(|| natural(facts.deployments.ids.get(other), id))
                .is_lt()
        });
        Some(attempts[end.checked_sub(1)?].1)
    }

    // Faults, in and out of the cells of their deployment.

    fn take_faults(&mut self, number: u32, row: &DeploymentRow) -> Faults {
        let faults = self.faults.remove(&number).unwrap_or_default();
        self.tell(Way::Out, row, &faults);
        faults
    }

    fn put_faults(&mut self, number: u32, row: &DeploymentRow, faults: Faults) {
        self.tell(Way::In, row, &faults);
        if !faults.is_empty() {
            self.faults.insert(number, faults);
        }
    }

    fn tell(&mut self, way: Way, row: &DeploymentRow, faults: &Faults) {
        if faults.is_empty() {
            return;
        }
        let ends = faults.ends();
        self.cells(row, |cell, options| {
            cell.failed(way);
            for &end in &ends {
                let micros = (end != NEVER).then(|| end.saturating_sub(row.finished));
                cell.recovery(way, micros, options);
            }
        });
    }
}
