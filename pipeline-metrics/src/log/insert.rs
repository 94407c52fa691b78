use std::hint::black_box;
use std::sync::Arc;

use super::batch::{Batch, Form, Row, Text};
use super::error::{LineError, LogError, LogErrorKind};
use super::{LogSummary, chunks, general};
use crate::facts::{AHEAD, DeploymentRow, IncidentRow, Key, NEVER, NONE, Names, SourceId};
use crate::{FactSource, Facts, Phases};

/// Puts the rows of batches into the facts, in their order.
pub(super) struct Inserter<'f> {
    pub(super) facts: &'f mut Facts,
    pub(super) file: Arc<str>,
    pub(super) origin: u32,
    pub(super) strict: bool,
    /// How many lines there were in the batches before.
    pub(super) lines: u64,
    pub(super) summary: LogSummary,
    /// The component of each row of the batch that has one, and the keys, hashes and rows of its shas; kept for their
    /// memory.
    components: Vec<u32>,
    keys: Vec<(Key, u64)>,
    revisions: Vec<u32>,
}

impl<'f> Inserter<'f> {
    pub(super) fn new(facts: &'f mut Facts, file: &Arc<str>, strict: bool) -> Self {
        Self {
            origin: facts.names.intern(file),
            facts,
            file: Arc::clone(file),
            strict,
            lines: 0,
            summary: LogSummary {
                facts: 0,
                bad_lines: 0,
            },
            components: Vec::new(),
            keys: Vec::new(),
            revisions: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, batch: &Batch) -> Result<(), LogError> {
        self.intern_components(batch);
        self.intern_shas(batch);
        let mut from = 0;
        for at in 0..batch.rows.len() {
            if at % AHEAD == 0 {
                self.touch_ids(batch, &batch.rows[at..batch.rows.len().min(at + AHEAD)]);
            }
            let (row, component) = (&batch.rows[at], self.components[at]);
            let shas = from..row.shas as usize;
            from = shas.end;
            let line = self.lines + u64::from(row.line) + 1;
            let source = SourceId::line(self.origin, line);
            match row.form {
                Form::Change { at, .. } => {
                    for &revision in &self.revisions[shas] {
                        self.facts.set_change(revision, at, Phases::default(), source);
                    }
                }
                Form::Deployment {
                    service: _,
                    id,
                    environment,
                    finished,
                    started,
                    result,
                    kind,
                } => {
                    let facts = &mut *self.facts;
                    let row = facts.deployments.intern(batch.text(id));
                    let fresh = DeploymentRow {
                        finished,
                        started: started.unwrap_or(NEVER),
                        source,
                        component,
                        environment: number(&mut facts.names, batch, environment),
                        first: facts.deployments.lists.len() as u32,
                        count: shas.len() as u32,
                        result,
                        kind,
                        ..DeploymentRow::NAMED
                    };
                    facts.deployments.lists.extend_from_slice(&self.revisions[shas]);
                    facts.set_deployment(row, fresh);
                }
                Form::Opened {
                    service: _,
                    id,
                    at,
                    deployment,
                } => {
                    let facts = &mut *self.facts;
                    let row = facts.incidents.intern(batch.text(id));
                    let fresh = IncidentRow {
                        opened: at,
                        source,
                        component,
                        environment: NONE,
                        deployment: deployment.map_or(NONE, |id| facts.deployments.intern(batch.text(id))),
                        first: facts.deployments.lists.len() as u32,
                        count: 0,
                        ..*facts.incidents.get(row)
                    };
                    facts.set_incident(row, fresh);
                }
                Form::Resolved { id, at } => {
                    let row = self.facts.incidents.intern(batch.text(id));
                    self.facts.set_recovery(row, at, source);
                }
                Form::Other(text) => {
                    self.insert_other(batch, text, line)?;
                    continue;
                }
                Form::TooLong => {
                    self.refuse(line, LineError::TooLong { limit: chunks::LIMIT })?;
                    continue;
                }
            }
            self.summary.facts += 1;
        }
        self.lines += batch.lines;
        Ok(())
    }

    fn insert_other(&mut self, batch: &Batch, text: Text, line: u64) -> Result<(), LogError> {
        let file = Arc::clone(&self.file);
        let source = FactSource::Line { file: &file, line };
        let parsed = match general::parse(batch.bytes(text)) {
            Ok(parsed) => parsed,
            Err(error) => return self.refuse(line, error),
        };
        match parsed.fact(source) {
            Ok(fact) => {
                self.summary.facts += 1;
                self.facts.add(fact);
                Ok(())
            }
            Err(error) => self.refuse(line, error),
        }
    }

    fn refuse(&mut self, line: u64, error: LineError) -> Result<(), LogError> {
        if self.strict {
            return Err(self.error(line, LogErrorKind::BadLine(error)));
        }
        self.summary.bad_lines += 1;
        let source = FactSource::Line {
            file: &self.file,
            line,
        };
        self.facts.add_problem(source, &error);
        Ok(())
    }

    pub(super) fn error(&self, line: u64, kind: LogErrorKind) -> LogError {
        LogError {
            file: Arc::clone(&self.file),
            line,
            kind,
        }
    }

    /// Finds the component of each row of a batch.
    fn intern_components(&mut self, batch: &Batch) {
        let names = &mut self.facts.names;
        self.components.clear();
        self.components
            .extend(batch.rows.iter().map(|row| match row.form {
                Form::Change { service, .. }
                | Form::Deployment { service, .. }
                | Form::Opened { service, .. } => number(names, batch, service),
                _ => NONE,
            }));
    }

    /// Finds the rows of all shas of a batch.
    fn intern_shas(&mut self, batch: &Batch) {
        self.keys.clear();
        let mut from = 0;
        for (row, component) in batch.rows.iter().zip(&self.components) {
            let shas = from..row.shas as usize;
            from = shas.end;
            self.keys.extend(batch.shas[shas].iter().map(|sha| {
                let key = Key::of_bytes(*component, *sha);
                (key, key.hash())
            }));
        }
        self.revisions.clear();
        self.facts.revisions.intern_all(&self.keys, &mut self.revisions);
    }

    /// Asks for where the deployments of some rows are found, before the first is needed.
    fn touch_ids(&self, batch: &Batch, rows: &[Row]) {
        let ids = &self.facts.deployments.ids;
        let near = rows.iter().fold(0, |near, row| match row.form {
            Form::Deployment { id, .. } => near ^ ids.touch(batch.bytes(id)),
            _ => near,
        });
        black_box(near);
    }
}

/// The number of a text that was checked to be ASCII.
fn number(names: &mut Names, batch: &Batch, text: Text) -> u32 {
    let found = names.find_bytes(batch.bytes(text));
    found.unwrap_or_else(|| names.intern(batch.text(text)))
}
