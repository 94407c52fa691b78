use std::cmp::Ordering;

use crate::facts::{DeploymentRow, Facts, natural};

/// What users had of one component, and the incidents that name no deployment.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline {
    /// Finish and row of each deployment that went live in production, by finish, then by id.
    pub(super) live: Vec<(i64, u32)>,
    /// Opening and row of each incident, sorted.
    pub(super) incidents: Vec<(i64, u32)>,
}

/// Orders deployments by finish, then by id.
pub(super) fn order(facts: &Facts, a: (i64, u32), b: (i64, u32)) -> Ordering {
    let ids = &facts.deployments.ids;
    a.0.cmp(&b.0).then_with(|| natural(ids.get(a.1), ids.get(b.1)))
}

impl Timeline {
    /// Adds a deployment; gives its place.
    pub(super) fn add(&mut self, facts: &Facts, finished: i64, row: u32) -> usize {
        let new = (finished, row);
        // The newest comes last, nearly always.
        let last = self
            .live
            .last()
            .is_none_or(|&last| order(facts, last, new).is_lt());
        let at = if last {
            self.live.len()
        } else {
            self.live
                .partition_point(|&other| order(facts, other, new).is_lt())
        };
        self.live.insert(at, new);
        at
    }

    /// Takes out a deployment; gives the place where it was.
    pub(super) fn remove(&mut self, finished: i64, row: u32) -> usize {
        let from = self.live.partition_point(|&(at, _)| at < finished);
        let found = self.live[from..].iter().position(|&(_, other)| other == row);
        let at = from + found.unwrap_or(0);
        if found.is_some() {
            self.live.remove(at);
        }
        at
    }

    /// The incidents for which it matters that a deployment comes or goes: opened after it, and not after the next one
    /// of its environment, which is looked for from a place on.
    pub(super) fn affected(&self, facts: &Facts, row: &DeploymentRow, next: usize) -> Vec<u32> {
        let there = |&&(_, other): &&(i64, u32)| facts.deployments.get(other).environment == row.environment;
        let until = self.live[next..]
            .iter()
            .find(there)
            .map_or(i64::MAX, |&(at, _)| at);
        let from = self
            .incidents
            .partition_point(|&(opened, _)| opened < row.finished);
        let to = self.incidents.partition_point(|&(opened, _)| opened <= until);
        self.incidents[from..to]
            .iter()
            .map(|&(_, incident)| incident)
            .collect()
    }

    pub(super) fn add_incident(&mut self, opened: i64, row: u32) {
        let at = self.incidents.partition_point(|&other| other < (opened, row));
        self.incidents.insert(at, (opened, row));
    }

    pub(super) fn remove_incident(&mut self, opened: i64, row: u32) {
        if let Ok(at) = self.incidents.binary_search(&(opened, row)) {
            self.incidents.remove(at);
        }
    }
}
