use super::Reason;
use super::line::Line;
use super::link::Production;
use super::standing::Standing;
use crate::facts::{Facts, IncidentRow, NONE, RollbackRow, natural};
use crate::{Bound, Named, Options, Reach};

/// The deployment that something is the fault of, by row, or why there is none.
pub(crate) type Blamed = Result<u32, Reason>;

/// Finds the deployment that an incident or a rollback is the fault of.
pub(crate) struct Blamer<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) options: &'a Options,
    pub(crate) lines: &'a [Line],
    /// The place of each component's line, by the number of its name.
    pub(crate) line_of: &'a [u32],
    /// The place of each deployment in its line.
    pub(crate) run_of: &'a [u32],
    /// What users had, of all components, by finish and id; only where the options look there.
    pub(crate) project: Vec<(i64, u32)>,
}

impl Blamer<'_> {
    pub(crate) fn incident(&self, incident: &IncidentRow) -> Blamed {
        if !incident.is_known() {
            return Err(Reason::UnknownIncident);
        }
        let attribution = &self.options.failures.attribution;
        if attribution.named == Named::First && incident.deployment != NONE {
            if !self.facts.deployments.get(incident.deployment).is_known() {
                return Err(Reason::UnknownDeployment);
            }
            return self.judge(incident.deployment);
        }
        let before = |finished: i64| match attribution.bound {
            Bound::Inclusive => finished <= incident.opened,
            Bound::Strict => finished < incident.opened,
        };
        let last = match attribution.reach {
            Reach::Nowhere => return Err(Reason::NamesNone),
            Reach::Project => {
                let end = self.project.partition_point(|(finished, _)| before(*finished));
                end.checked_sub(1).map(|last| self.project[last].1)
            }
            Reach::Component => {
                let line = &self.lines[self.line_of[incident.component as usize] as usize];
                let end = line.runs.partition_point(|run| before(run.finished));
                let there = |row| {
                    incident.environment == NONE
                        || self.facts.deployments.get(row).environment == incident.environment
                };
                let mut earlier = line.runs[..end].iter().rev();
                earlier
                    .find(|run| run.standing.is_live() && there(run.row))
                    .map(|run| run.row)
            }
        };
        let row = last.ok_or(Reason::NoDeployment)?;
        let since = incident.opened - self.facts.deployments.get(row).finished;
        if let Some(within) = attribution.within
            && i128::from(since) > within.as_micros()
        {
            return Err(Reason::TooLate);
        }
        self.judge(row)
    }

    pub(crate) fn rollback(&self, id: &str, rollback: &RollbackRow, production: &mut Production) -> Blamed {
        if !production.has(
            self.facts,
            self.options,
            rollback.environment,
            rollback.production,
        ) {
            return Err(Reason::NotProduction);
        }
        let deployments = &self.facts.deployments;
        let line = &self.lines[self.line_of[rollback.component as usize] as usize];
        let end = line.runs.partition_point(|run| {
            let order = run.finished.cmp(&rollback.at);
            order
                .then_with(|| natural(deployments.ids.get(run.row), id))
                .is_lt()
        });
        let same = |row| {
            let row = deployments.get(row);
            row.environment == rollback.environment && row.release == rollback.release
        };
        let found = line.runs[..end].iter().rev().find(|run| same(run.row));
        self.judge(found.ok_or(Reason::UnknownDeployment)?.row)
    }

    /// A deployment can only be at fault if it counts.
    fn judge(&self, row: u32) -> Blamed {
        let component = self.facts.deployments.get(row).component;
        let line = &self.lines[self.line_of[component as usize] as usize];
        match line.runs[self.run_of[row as usize] as usize].standing {
            Standing::Counted => Ok(row),
            Standing::FailedRun => Err(Reason::NeverLive),
            Standing::LeftOut(reason) => Err(reason),
        }
    }
}
