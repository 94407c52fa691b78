use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::reader::Place;
use super::time::Clock;
use super::{CsvField, CsvRows};
use crate::source::RecordError;
use crate::{
    Change, Deployment, DeploymentKind, DeploymentResult, Fact, Facts, Flow, FlowFact, Hold, Incident,
    ManualWork, Origin, Phases, Recovery, Sha, StageTime, Wait, WaitCause,
};

/// A row, and how to read it.
pub(super) struct Row<'r> {
    pub(super) rows: CsvRows,
    pub(super) places: &'r BTreeMap<CsvField, Place>,
    pub(super) values: &'r BTreeMap<CsvField, BTreeMap<String, String>>,
    pub(super) clock: &'r Clock<'r>,
    pub(super) record: &'r csv::StringRecord,
}

impl<'r> Row<'r> {
    /// Adds what the row says.
    pub(super) fn add(&self, origin: &Origin, facts: &mut Facts, flow: &mut Flow) -> Result<(), RecordError> {
        match self.rows {
            CsvRows::Changes => {
                let phases = Phases {
                    first_commit: self.moment(CsvField::FirstCommit)?,
                    opened: self.moment(CsvField::Opened)?,
                    reviewed: self.moment(CsvField::Reviewed)?,
                    merged: self.moment(CsvField::Merged)?,
                };
                let (component, sha) = (self.needed(CsvField::Component)?, self.needed(CsvField::Sha)?);
                facts.add(Fact::Change(Change {
                    component,
                    sha: Sha::new(sha),
                    at: self.needed_moment(CsvField::At)?,
                    phases,
                    source: origin.as_source(),
                }));
            }
            CsvRows::Deployments => facts.add(Fact::Deployment(self.deployment(origin)?)),
            CsvRows::Incidents => {
                let incident = Incident {
                    id: self.needed(CsvField::Id)?,
                    component: self.needed(CsvField::Component)?,
                    environment: self.text(CsvField::Environment),
                    opened: self.needed_moment(CsvField::Started)?,
                    deployment: self.text(CsvField::Deployment),
                    changes: Vec::new(),
                    source: origin.as_source(),
                };
                let over = self.moment(CsvField::Finished)?.map(|at| Recovery {
                    incident: incident.id,
                    at,
                    source: origin.as_source(),
                });
                facts.add(Fact::Incident(incident));
                if let Some(over) = over {
                    facts.add(Fact::Recovery(over));
                }
            }
            CsvRows::StageTimes => flow.add(FlowFact::StageTime(self.stage_time(origin)?)),
            CsvRows::Waits => flow.add(FlowFact::Wait(self.wait(origin)?)),
            CsvRows::Holds => {
                let environment = self.needed(CsvField::Environment)?;
                let from = self.needed_moment(CsvField::Started)?;
                let id = self.id(|| format!("{environment}@{from}"));
                flow.add(FlowFact::Hold(Hold {
                    by: self.text(CsvField::By).map(Into::into),
                    from: Some(from),
                    until: self.moment(CsvField::Finished)?,
                    ..Hold::new(id, environment, origin.clone())
                }));
            }
            CsvRows::ManualWork => {
                let task = self.needed(CsvField::Task)?;
                let at = self.needed_moment(CsvField::At)?;
                let by = self.text(CsvField::By);
                flow.add(FlowFact::ManualWork(ManualWork {
                    id: self
                        .id(|| format!("{task}@{at} {}", by.unwrap_or_default()))
                        .into(),
                    at,
                    component: self.text(CsvField::Component).map(Into::into),
                    task: task.into(),
                    by: by.map(Into::into),
                    spent: self.duration(CsvField::Spent)?,
                    automatable: self.truth(CsvField::Automatable)?,
                    origin: origin.clone(),
                }));
            }
        }
        Ok(())
    }

    fn deployment<'o>(&self, origin: &'o Origin) -> Result<Deployment<'o>, RecordError>
    where
        'r: 'o,
    {
        let result = match self.needed(CsvField::Result)? {
            "success" => DeploymentResult::Success,
            "failure" => DeploymentResult::Failure,
            other => return Err(wrong(CsvField::Result, other, "neither `success` nor `failure`")),
        };
        let kind = match self.text(CsvField::Kind) {
            None | Some("planned") => DeploymentKind::Planned,
            Some("rework") => DeploymentKind::Rework,
            Some("hotfix") => DeploymentKind::Hotfix,
            Some("rollback") => DeploymentKind::Rollback,
            Some(other) => {
                let expected = "none of `planned`, `rework`, `hotfix` and `rollback`";
                return Err(wrong(CsvField::Kind, other, expected));
            }
        };
        let changes = self.text(CsvField::Changes).unwrap_or_default();
        let between = |c: char| c.is_whitespace() || matches!(c, ';' | ',' | '|');
        Ok(Deployment {
            id: self.needed(CsvField::Id)?,
            component: self.needed(CsvField::Component)?,
            environment: self.needed(CsvField::Environment)?,
            started: self.moment(CsvField::Started)?,
            finished: self.needed_moment(CsvField::Finished)?,
            result,
            kind,
            version: self.text(CsvField::Version),
            release: self.text(CsvField::Release),
            team: self.text(CsvField::Team),
            production: None,
            changes: changes
                .split(between)
                .filter(|sha| !sha.is_empty())
                .map(Sha::new)
                .collect(),
            source: origin.as_source(),
        })
    }

    fn stage_time(&self, origin: &Origin) -> Result<StageTime, RecordError> {
        let (item, stage) = (self.needed(CsvField::Item)?, self.needed(CsvField::Stage)?);
        let started = self.needed_moment(CsvField::Started)?;
        let id = self.id(|| format!("{item}/{stage}@{started}"));
        Ok(StageTime {
            component: self.text(CsvField::Component).map(Into::into),
            item: Some(item.into()),
            stage: Some(stage.into()),
            ready: self.moment(CsvField::Ready)?,
            started: Some(started),
            // Not finished yet, where the place is empty.
            finished: self.moment(CsvField::Finished)?,
            process: self.duration(CsvField::Spent)?,
            by: self.text(CsvField::By).map(Into::into),
            accurate: self.truth(CsvField::Accurate)?,
            ..StageTime::new(id, origin.clone())
        })
    }

    fn wait(&self, origin: &Origin) -> Result<Wait, RecordError> {
        let (item, cause) = (self.needed(CsvField::Item)?, self.needed(CsvField::Cause)?);
        let since = self.needed_moment(CsvField::Started)?;
        let id = self.id(|| format!("{item}/{cause}@{since}"));
        Ok(Wait {
            component: self.text(CsvField::Component).map(Into::into),
            item: Some(item.into()),
            stage: self.text(CsvField::Stage).map(Into::into),
            on: self.text(CsvField::By).map(Into::into),
            since: Some(since),
            until: self.moment(CsvField::Finished)?,
            ..Wait::new(id, WaitCause::named(cause), origin.clone())
        })
    }

    fn id(&self, otherwise: impl FnOnce() -> String) -> String {
        self.text(CsvField::Id).map_or_else(otherwise, str::to_owned)
    }

    /// What stands in the field; nothing, if that is empty.
    fn text(&self, field: CsvField) -> Option<&'r str> {
        let text = match self.places.get(&field)? {
            Place::Column(column) => self.record.get(*column)?,
            Place::Constant(text) => text,
        };
        let meant = self.values.get(&field).and_then(|values| values.get(text));
        let text = meant.map_or(text, String::as_str);
        (!text.is_empty()).then_some(text)
    }

    fn needed(&self, field: CsvField) -> Result<&'r str, RecordError> {
        self.text(field).ok_or_else(|| RecordError::Missing {
            kind: self.rows.noun().to_owned(),
            field: field.name(),
        })
    }

    fn moment(&self, field: CsvField) -> Result<Option<Timestamp>, RecordError> {
        let Some(text) = self.text(field) else {
            return Ok(None);
        };
        let read = self.clock.read(text);
        read.map(Some)
            .ok_or_else(|| wrong(field, text, self.clock.expected()))
    }

    fn needed_moment(&self, field: CsvField) -> Result<Timestamp, RecordError> {
        let text = self.needed(field)?;
        let read = self.clock.read(text);
        read.ok_or_else(|| wrong(field, text, self.clock.expected()))
    }

    fn duration(&self, field: CsvField) -> Result<Option<SignedDuration>, RecordError> {
        let Some(text) = self.text(field) else {
            return Ok(None);
        };
        let hours = || {
            let hours: f64 = text.parse().ok()?;
            SignedDuration::try_from_secs_f64(hours * 3600.0).ok()
        };
        let read = hours().or_else(|| text.parse().ok());
        read.map(Some)
            .ok_or_else(|| wrong(field, text, "no time such as `1h 30m`, `PT90M` or `1.5` hours"))
    }

    fn truth(&self, field: CsvField) -> Result<Option<bool>, RecordError> {
        match self.text(field) {
            None => Ok(None),
            Some("true" | "yes" | "1") => Ok(Some(true)),
            Some("false" | "no" | "0") => Ok(Some(false)),
            Some(other) => Err(wrong(field, other, "neither `true` nor `false`")),
        }
    }
}

fn wrong(field: CsvField, value: &str, expected: &'static str) -> RecordError {
    RecordError::Value {
        field: field.name().to_owned(),
        value: value.chars().take(60).collect(),
        expected,
    }
}
