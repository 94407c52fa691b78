use std::collections::BTreeSet;

use super::names::Names;
use super::{NEVER, NONE, SourceId};
use crate::{DeploymentKind, DeploymentResult};

/// A deployment that ended, or that an incident only names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeploymentRow {
    /// In microseconds; [`NEVER`] when it was only named.
    pub(crate) finished: i64,
    /// In microseconds, or [`NEVER`].
    pub(crate) started: i64,
    pub(crate) source: SourceId,
    pub(crate) component: u32,
    pub(crate) environment: u32,
    /// Numbers of kept texts, or [`NONE`].
    pub(crate) version: u32,
    pub(crate) release: u32,
    pub(crate) team: u32,
    /// The revisions that it lists: from here, so many.
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) production: Option<bool>,
    pub(crate) result: DeploymentResult,
    pub(crate) kind: DeploymentKind,
}

impl DeploymentRow {
    pub(crate) const NAMED: Self = Self {
        finished: NEVER,
        started: NEVER,
        source: SourceId::NOWHERE,
        component: NONE,
        environment: NONE,
        version: NONE,
        release: NONE,
        team: NONE,
        first: 0,
        count: 0,
        production: None,
        result: DeploymentResult::Failure,
        kind: DeploymentKind::Planned,
    };

    pub(crate) fn is_known(&self) -> bool {
        self.finished != NEVER
    }

    /// What was deployed, to compare: the digest if it is known, else the version.
    pub(crate) fn content(&self) -> Option<(bool, u32)> {
        let by = |digest, text| (text != NONE).then_some((digest, text));
        by(true, self.release).or(by(false, self.version))
    }
}

/// All deployments; the number of an id is the number of its row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deployments {
    pub(crate) ids: Names,
    pub(crate) rows: Vec<DeploymentRow>,
    /// Rows of revisions that deployments list, and that incidents name as their cause.
    pub(crate) lists: Vec<u32>,
    /// Those of which different things were told.
    pub(crate) retold: BTreeSet<u32>,
}

impl Deployments {
    pub(crate) fn intern(&mut self, id: &str) -> u32 {
        let row = self.ids.intern(id);
        if self.rows.len() < self.ids.len() {
            self.rows.push(DeploymentRow::NAMED);
        }
        row
    }

    pub(crate) fn get(&self, row: u32) -> &DeploymentRow {
        &self.rows[row as usize]
    }

    pub(crate) fn list(&self, first: u32, count: u32) -> &[u32] {
        &self.lists[first as usize..][..count as usize]
    }

    pub(crate) fn revisions(&self, row: &DeploymentRow) -> &[u32] {
        self.list(row.first, row.count)
    }
}
