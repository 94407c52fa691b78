use std::collections::{HashMap, HashSet};

use super::blame::Blamed;
use super::line::{Line, RawSpell, SpellOf};
use super::link::Production;
use super::linked::Rolled;
use super::standing::Standing;
use crate::facts::{Facts, IncidentRow, NEVER, NONE};
use crate::{Options, RecoveredBy, RecoveryFrom};

/// Makes the times of recovery of all lines, as the options define them.
pub(crate) struct Speller<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) options: &'a Options,
    pub(crate) line_of: &'a [u32],
    pub(crate) incidents: &'a [Blamed],
    pub(crate) rollbacks: &'a [Rolled<'a>],
}

impl Speller<'_> {
    pub(crate) fn spell(&self, lines: &mut [Line], production: &mut Production) {
        match self.options.recovery.from {
            RecoveryFrom::Deployment => self.of_deployments(lines),
            RecoveryFrom::Opened => self.of_incidents(lines, production, |incident| incident.opened),
            RecoveryFrom::CauseOrOpened => {
                let causes = self.causes();
                let revisions =
                    |incident: &IncidentRow| self.facts.deployments.list(incident.first, incident.count);
                self.of_incidents(lines, production, |incident| {
                    let causes = revisions(incident)
                        .iter()
                        .filter_map(|revision| causes.get(revision));
                    causes.copied().fold(incident.opened, i64::min)
                });
            }
            RecoveryFrom::FailedRun => lines.iter_mut().for_each(|line| self.of_failed_runs(line)),
            RecoveryFrom::LastGood => lines.iter_mut().for_each(|line| self.of_fixes(line)),
        }
        for line in lines {
            line.spells.sort_by_key(|spell| (spell.key, spell.of));
        }
    }

    fn key(&self, start: i64, end: i64, opened: i64) -> i64 {
        match self.options.recovery.by {
            RecoveredBy::Start => start,
            RecoveredBy::Opened => opened,
            // What is not over shows where it was opened.
            RecoveredBy::End if end == NEVER => opened,
            RecoveredBy::End => end,
        }
    }

    fn of_deployments(&self, lines: &mut [Line]) {
        let mut with_incident = HashSet::new();
        let mut push = |row: u32, end, opened, of, told| {
            let deployment = self.facts.deployments.get(row);
            let start = deployment.finished;
            lines[self.line_of[deployment.component as usize] as usize]
                .spells
                .push(RawSpell {
                    key: self.key(start, end, opened),
                    start,
                    end,
                    of,
                    deployment: row,
                    told_by_incident: told,
                });
        };
        for (number, blamed) in (0..).zip(self.incidents) {
            if let Ok(row) = *blamed {
                let incident = self.facts.incidents.get(number);
                with_incident.insert(row);
                push(
                    row,
                    incident.resolved,
                    incident.opened,
                    SpellOf::Incident(number),
                    false,
                );
            }
        }
        for (number, (_, rollback, blamed)) in (0..).zip(self.rollbacks) {
            if let Ok(row) = *blamed
                && self.options.failures.rollbacks.counts()
            {
                let told = with_incident.contains(&row);
                push(row, rollback.at, rollback.at, SpellOf::Rollback(number), told);
            }
        }
    }

    fn of_incidents(
        &self,
        lines: &mut [Line],
        production: &mut Production,
        start: impl Fn(&IncidentRow) -> i64,
    ) {
        for (number, incident) in (0..).zip(&self.facts.incidents.rows) {
            if !is_of_users(self.facts, self.options, production, incident) {
                continue;
            }
            let (start, end) = (start(incident), incident.resolved);
            lines[self.line_of[incident.component as usize] as usize]
                .spells
                .push(RawSpell {
                    key: self.key(start, end, incident.opened),
                    start,
                    end,
                    of: SpellOf::Incident(number),
                    deployment: self.incidents[number as usize].unwrap_or(NONE),
                    told_by_incident: false,
                });
        }
    }

    /// When each revision that an incident names was first listed by a deployment that went live.
    fn causes(&self) -> HashMap<u32, i64> {
        let deployments = &self.facts.deployments;
        let mut named = HashMap::new();
        for incident in &self.facts.incidents.rows {
            named.extend(
                deployments
                    .list(incident.first, incident.count)
                    .iter()
                    .map(|&revision| (revision, NEVER)),
            );
        }
        if named.is_empty() {
            return named;
        }
        let mut production = Production::default();
        for row in deployments.rows.iter().filter(|row| row.is_known()) {
            let has_users = production.has(self.facts, self.options, row.environment, row.production);
            if !Standing::alone(row, has_users, self.options).is_live() {
                continue;
            }
            for revision in deployments.revisions(row) {
                if let Some(first) = named.get_mut(revision)
                    && (*first == NEVER || row.finished < *first)
                {
                    *first = row.finished;
                }
            }
        }
        named.retain(|_, first| *first != NEVER);
        named
    }

    fn of_failed_runs(&self, line: &mut Line) {
        let mut failed: Option<(i64, u32)> = None;
        let spell = |(start, row): (i64, u32), end| RawSpell {
            key: self.key(start, end, start),
            start,
            end,
            of: SpellOf::Deployment(row),
            deployment: row,
            told_by_incident: false,
        };
        for run in &line.runs {
            match run.standing {
                Standing::FailedRun => failed = failed.or(Some((run.finished, run.row))),
                standing if standing.is_live() => {
                    line.spells
                        .extend(failed.take().map(|failed| spell(failed, run.finished)));
                }
                _ => {}
            }
        }
        line.spells.extend(failed.map(|failed| spell(failed, NEVER)));
    }

    fn of_fixes(&self, line: &mut Line) {
        let live: Vec<_> = line.runs.iter().filter(|run| run.standing.is_live()).collect();
        let Some(first) = live.first() else { return };
        let mut good = first.finished;
        for (at, run) in live.iter().enumerate().skip(1) {
            if !live[at - 1].unplanned {
                good = live[at - 1].finished;
            }
            let last_of_row = run.unplanned && live.get(at + 1).is_none_or(|next| !next.unplanned);
            if last_of_row && run.standing == Standing::Counted {
                line.spells.push(RawSpell {
                    key: self.key(good, run.finished, good),
                    start: good,
                    end: run.finished,
                    of: SpellOf::Deployment(run.row),
                    deployment: run.row,
                    told_by_incident: false,
                });
            }
        }
    }
}

/// Whether an incident was opened, and not for an environment without users.
pub(crate) fn is_of_users(
    facts: &Facts,
    options: &Options,
    production: &mut Production,
    incident: &IncidentRow,
) -> bool {
    let environment = incident.environment;
    incident.is_known() && (environment == NONE || production.has_of_incident(facts, options, environment))
}
