use std::collections::BTreeMap;

use super::names::Names;
use super::{NEVER, NONE, SourceId};

/// An incident that was opened, or of which only the end is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IncidentRow {
    /// In microseconds; [`NEVER`] when it was not opened.
    pub(crate) opened: i64,
    /// In microseconds; [`NEVER`] when it is not over.
    pub(crate) resolved: i64,
    pub(crate) source: SourceId,
    pub(crate) resolved_source: SourceId,
    pub(crate) component: u32,
    /// The number of a text, or [`NONE`].
    pub(crate) environment: u32,
    /// The row of the deployment that it names, or [`NONE`].
    pub(crate) deployment: u32,
    /// The revisions that it names as its cause.
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl IncidentRow {
    const NAMED: Self = Self {
        opened: NEVER,
        resolved: NEVER,
        source: SourceId::NOWHERE,
        resolved_source: SourceId::NOWHERE,
        component: NONE,
        environment: NONE,
        deployment: NONE,
        first: 0,
        count: 0,
    };

    pub(crate) fn is_known(&self) -> bool {
        self.opened != NEVER
    }
}

/// All incidents; the number of an id is the number of its row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incidents {
    pub(crate) ids: Names,
    pub(crate) rows: Vec<IncidentRow>,
}

impl Incidents {
    pub(crate) fn intern(&mut self, id: &str) -> u32 {
        let row = self.ids.intern(id);
        if self.rows.len() < self.ids.len() {
            self.rows.push(IncidentRow::NAMED);
        }
        row
    }

    pub(crate) fn get(&self, row: u32) -> &IncidentRow {
        &self.rows[row as usize]
    }
}

/// A rollback by an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RollbackRow {
    pub(crate) at: i64,
    pub(crate) source: SourceId,
    pub(crate) component: u32,
    pub(crate) environment: u32,
    pub(crate) release: u32,
    pub(crate) production: Option<bool>,
}

/// All rollbacks, by id. They are few.
pub(crate) type Rollbacks = BTreeMap<Box<str>, RollbackRow>;
