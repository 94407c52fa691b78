use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Touched;
use crate::{EnvironmentUse, FactSource, ManualWork, StageTime};

/// Facts that are few, as they were told. Each is named by its key; of two with one name the smaller one wins, the
/// earliest time first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    environments: BTreeMap<(Box<str>, Timestamp), OwnedUse>,
    stages: BTreeMap<Box<str>, OwnedStage>,
    manual: BTreeMap<Box<str>, OwnedWork>,
}

/// A source that owns its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct OwnedSource {
    is_line: bool,
    origin: Box<str>,
    number: u64,
}

impl OwnedSource {
    fn new(source: FactSource<'_>) -> Self {
        let (is_line, origin, number) = match source {
            FactSource::Event { stream, position } => (false, stream, position),
            FactSource::Line { file, line } => (true, file, line),
        };
        Self {
            is_line,
            origin: origin.into(),
            number,
        }
    }

    fn get(&self) -> FactSource<'_> {
        let (origin, number) = (&*self.origin, self.number);
        if self.is_line {
            FactSource::Line {
                file: origin,
                line: number,
            }
        } else {
            FactSource::Event {
                stream: origin,
                position: number,
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct OwnedUse {
    /// Those that are over come last: a later fact tells the end.
    open: bool,
    until: Option<Timestamp>,
    production: Option<bool>,
    source: OwnedSource,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct OwnedStage {
    finished: Timestamp,
    started: Timestamp,
    ready: Option<Timestamp>,
    component: Box<str>,
    item: Box<str>,
    stage: Box<str>,
    process: Option<SignedDuration>,
    waited_for: Option<Box<str>>,
    by: Option<Box<str>>,
    accurate: Option<bool>,
    source: OwnedSource,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct OwnedWork {
    started: Timestamp,
    spent: SignedDuration,
    component: Box<str>,
    task: Box<str>,
    by: Option<Box<str>>,
    toil: bool,
    source: OwnedSource,
}

fn keep<K: Ord, V: Ord>(map: &mut BTreeMap<K, V>, key: K, new: V) -> Touched {
    match map.get(&key) {
        Some(kept) if *kept <= new => {}
        _ => {
            map.insert(key, new);
        }
    }
    Touched::Nothing
}

impl Records {
    pub(crate) fn add_environment(&mut self, fact: &EnvironmentUse<'_>) -> Touched {
        let new = OwnedUse {
            open: fact.until.is_none(),
            until: fact.until,
            production: fact.production,
            source: OwnedSource::new(fact.source),
        };
        keep(&mut self.environments, (fact.environment.into(), fact.since), new)
    }

    pub(crate) fn add_stage(&mut self, fact: &StageTime<'_>) -> Touched {
        let new = OwnedStage {
            finished: fact.finished,
            started: fact.started,
            ready: fact.ready,
            component: fact.component.into(),
            item: fact.item.into(),
            stage: fact.stage.into(),
            process: fact.process,
            waited_for: fact.waited_for.map(Into::into),
            by: fact.by.map(Into::into),
            accurate: fact.accurate,
            source: OwnedSource::new(fact.source),
        };
        keep(&mut self.stages, fact.id.into(), new)
    }

    pub(crate) fn add_manual(&mut self, fact: &ManualWork<'_>) -> Touched {
        let new = OwnedWork {
            started: fact.started,
            spent: fact.spent,
            component: fact.component.into(),
            task: fact.task.into(),
            by: fact.by.map(Into::into),
            toil: fact.toil,
            source: OwnedSource::new(fact.source),
        };
        keep(&mut self.manual, fact.id.into(), new)
    }

    pub(crate) fn environments(&self) -> impl Iterator<Item = EnvironmentUse<'_>> {
        self.environments
            .iter()
            .map(|((environment, since), kept)| EnvironmentUse {
                environment,
                production: kept.production,
                since: *since,
                until: kept.until,
                source: kept.source.get(),
            })
    }

    pub(crate) fn stages(&self) -> impl Iterator<Item = StageTime<'_>> {
        self.stages.iter().map(|(id, kept)| StageTime {
            id,
            component: &kept.component,
            item: &kept.item,
            stage: &kept.stage,
            ready: kept.ready,
            started: kept.started,
            finished: kept.finished,
            process: kept.process,
            waited_for: kept.waited_for.as_deref(),
            by: kept.by.as_deref(),
            accurate: kept.accurate,
            source: kept.source.get(),
        })
    }

    pub(crate) fn manual(&self) -> impl Iterator<Item = ManualWork<'_>> {
        self.manual.iter().map(|(id, kept)| ManualWork {
            id,
            component: &kept.component,
            task: &kept.task,
            by: kept.by.as_deref(),
            started: kept.started,
            spent: kept.spent,
            toil: kept.toil,
            source: kept.source.get(),
        })
    }
}
