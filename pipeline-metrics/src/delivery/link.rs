use std::collections::HashSet;

use super::Reason;
use super::line::{Line, Missing, Run};
use super::phases::PhaseTimes;
use super::standing::Standing;
use crate::facts::{DeploymentRow, Facts, NEVER, NONE, natural};
use crate::moment::micros;
use crate::{Deliveries, DeploymentKind, Options, Skew, Span, Start};

/// Which environments have users, by the number of their name.
#[derive(Debug, Default)]
pub(crate) struct Production {
    named: Vec<Option<bool>>,
    /// Of which a deployment says so itself.
    told: HashSet<u32>,
}

impl Production {
    pub(crate) fn has(
        &mut self,
        facts: &Facts,
        options: &Options,
        environment: u32,
        told: Option<bool>,
    ) -> bool {
        if let Some(told) = told {
            if told {
                self.told.insert(environment);
            }
            return told;
        }
        let at = environment as usize;
        if at >= self.named.len() {
            self.named.resize(at + 1, None);
        }
        *self.named[at].get_or_insert_with(|| options.deployments.is_production(facts.names.get(environment)))
    }

    /// Whether one that an incident names has: an incident cannot say it itself, but the deployments there may have.
    pub(crate) fn has_of_incident(&mut self, facts: &Facts, options: &Options, environment: u32) -> bool {
        self.told.contains(&environment) || self.has(facts, options, environment, None)
    }
}

/// The deployments of all components, each component's by finish and id, and the components by name.
pub(crate) fn lines(facts: &Facts, options: &Options, production: &mut Production) -> Vec<Line> {
    let mut counts = vec![0_u32; facts.names.len()];
    let rows = || {
        (0..)
            .zip(&facts.deployments.rows)
            .filter(|(_, row)| row.is_known())
    };
    for (_, row) in rows() {
        counts[row.component as usize] += 1;
    }
    let mut seen = vec![false; facts.names.len()];
    for (component, count) in counts.iter().enumerate() {
        seen[component] = *count > 0;
    }
    for (seen, committed) in seen.iter_mut().zip(facts.revisions.components()) {
        *seen |= committed;
    }
    for row in facts.incidents.rows.iter().filter(|row| row.is_known()) {
        seen[row.component as usize] = true;
    }
    for row in facts.rollbacks.values() {
        seen[row.component as usize] = true;
    }
    let mut components: Vec<u32> = (0..)
        .zip(&seen)
        .filter_map(|(at, seen)| seen.then_some(at))
        .collect();
    components.sort_by_key(|&component| facts.names.get(component));
    let mut line_of = vec![NONE; facts.names.len()];
    let mut lines = Vec::with_capacity(components.len());
    for (at, &component) in (0..).zip(&components) {
        line_of[component as usize] = at;
        lines.push(Line {
            component,
            runs: Vec::with_capacity(counts[component as usize] as usize),
            ..Line::default()
        });
    }
    for (number, row) in rows() {
        let has_users = production.has(facts, options, row.environment, row.production);
        lines[line_of[row.component as usize] as usize].runs.push(Run {
            finished: row.finished,
            row: number,
            delivered: 0,
            weight: 0,
            standing: Standing::alone(row, has_users, options),
            unplanned: row.kind != DeploymentKind::Planned,
            with_changes: false,
        });
    }
    for line in &mut lines {
        line.runs.sort_by(|a, b| {
            let ids = &facts.deployments.ids;
            a.finished
                .cmp(&b.finished)
                .then_with(|| natural(ids.get(a.row), ids.get(b.row)))
        });
    }
    lines
}

/// Links the changes of one component to its deployments, and settles what needs the neighbours.
pub(crate) struct Linker<'a> {
    facts: &'a Facts,
    options: &'a Options,
    /// Which revisions a deployment brought already: a bit for each, so that all are near.
    brought: Vec<u64>,
    /// What failed deployments listed and the next successful one delivers.
    waiting: Vec<(u32, i64)>,
    /// The commits of what the deployments of a component list; kept for its memory.
    commits: Vec<i64>,
    /// What each environment of the component has.
    has: Vec<(u32, Option<(bool, u32)>)>,
    /// What any environment of the component had; kept only where the options ask for it.
    had: HashSet<Option<(bool, u32)>>,
}

impl<'a> Linker<'a> {
    pub(crate) fn new(facts: &'a Facts, options: &'a Options) -> Self {
        Self {
            facts,
            options,
            brought: vec![0; facts.revisions.len().div_ceil(64)],
            waiting: Vec::new(),
            commits: Vec::new(),
            has: Vec::new(),
            had: HashSet::new(),
        }
    }

    pub(crate) fn link(&mut self, line: &mut Line) {
        self.has.clear();
        self.had.clear();
        self.waiting.clear();
        self.gather(line);
        let Line {
            runs,
            times,
            revisions,
            ..
        } = line;
        let commits = std::mem::take(&mut self.commits);
        let mut from = 0;
        for run in runs {
            let row = self.facts.deployments.get(run.row);
            let listed = self.facts.deployments.revisions(row);
            let commits = &commits[from..from + listed.len()];
            from += listed.len();
            let first = run.standing.is_live() && self.settle(run, row);
            let rolls = self.options.lead_time.failed_runs_roll_forward;
            let failed = matches!(
                run.standing,
                Standing::FailedRun | Standing::LeftOut(Reason::NeverLive)
            );
            if rolls && failed {
                self.waiting
                    .extend(listed.iter().copied().zip(commits.iter().copied()));
            } else if matches!(
                run.standing,
                Standing::Counted | Standing::LeftOut(Reason::FirstDeployment)
            ) {
                let again = self.options.lead_time.deliveries == Deliveries::EachRelease
                    && !self.had.insert(row.content());
                let waiting = std::mem::take(&mut self.waiting);
                let listed = listed.iter().copied().zip(commits.iter().copied());
                for (revision, commit) in waiting.into_iter().chain(listed) {
                    if let Some(time) = self.bring(run, (first, again), revision, commit) {
                        times.push(time);
                        revisions.push(revision);
                    }
                }
                if !run.with_changes && !self.options.deployments.without_changes.counts() {
                    run.standing = Standing::LeftOut(Reason::NoKnownChange);
                }
            }
            run.delivered = times.len() as u32;
        }
        self.commits = commits;
    }

    /// The commit of each revision that the deployments list, in their order: each is somewhere else in a large table,
    /// and a loop that does nothing else waits for many of them at once.
    fn gather(&mut self, line: &Line) {
        self.commits.clear();
        for run in &line.runs {
            let listed = self
                .facts
                .deployments
                .revisions(self.facts.deployments.get(run.row));
            let commits = listed.iter().map(|&revision| self.facts.revisions.at(revision));
            self.commits.extend(commits);
        }
    }

    /// Settles what depends on the deployments before it; tells whether it is the environment's first.
    fn settle(&mut self, run: &mut Run, row: &DeploymentRow) -> bool {
        let content = row.content();
        let known = self
            .has
            .iter_mut()
            .find(|(environment, _)| *environment == row.environment);
        let Some((_, has)) = known else {
            self.has.push((row.environment, content));
            if run.standing == Standing::Counted && !self.options.deployments.first.counts() {
                run.standing = Standing::LeftOut(Reason::FirstDeployment);
            }
            return true;
        };
        let repeated = content.is_some() && *has == content;
        *has = content;
        if repeated
            && run.standing == Standing::Counted
            && !self.options.deployments.repeated_versions.counts()
        {
            run.standing = Standing::LeftOut(Reason::Repeated);
        }
        false
    }

    /// What a revision that a deployment lists adds to its times, if anything. Of the deployment it says whether it is
    /// the environment's first, and whether its release was deployed before.
    fn bring(
        &mut self,
        run: &mut Run,
        (first, again): (bool, bool),
        revision: u32,
        commit: i64,
    ) -> Option<i64> {
        let lead_time = &self.options.lead_time;
        let known = commit != NEVER;
        run.with_changes |= known;
        let (word, bit) = (&mut self.brought[revision as usize / 64], 1 << (revision % 64));
        let brought = *word & bit != 0;
        *word |= bit;
        let counts_again = match lead_time.deliveries {
            Deliveries::First => false,
            Deliveries::Every => true,
            Deliveries::EachRelease => !again,
        };
        if brought && !counts_again {
            return None;
        }
        Some(if !known {
            Missing::UNKNOWN
        } else if first && !lead_time.first_deployment.counts() || run.standing != Standing::Counted {
            Missing::FIRST
        } else if lead_time.start == Start::Commit && lead_time.span == Span::Whole {
            rounded(self.options, run.finished - commit)
        } else {
            time(self.facts, self.options, revision, run.finished)
        })
    }
}

/// The lead time of a revision that was delivered at a moment, or what is in place of it.
pub(crate) fn time(facts: &Facts, options: &Options, revision: u32, finished: i64) -> i64 {
    let lead_time = &options.lead_time;
    let commit = facts.revisions.at(revision);
    if lead_time.start == Start::Commit && lead_time.span == Span::Whole {
        return rounded(options, finished - commit);
    }
    let phases = facts.revisions.phases.get(&revision).copied().unwrap_or_default();
    if lead_time.span != Span::Whole {
        let times = PhaseTimes::between(commit, phases, Some(finished), lead_time.round);
        let time = match lead_time.span {
            Span::Steps => times.steps(),
            Span::Phases | Span::Whole => times.whole,
        };
        return time.unwrap_or(Missing::SKEWED);
    }
    let start = match lead_time.start {
        Start::Commit => None,
        Start::FirstCommit => phases.first_commit,
        Start::Opened => phases.opened,
        Start::Reviewed => phases.reviewed,
        Start::Merged => phases.merged,
    };
    match start {
        Some(start) => rounded(options, finished - micros(start)),
        None if lead_time.start == Start::Commit || lead_time.without_start.counts() => {
            rounded(options, finished - commit)
        }
        None => Missing::NO_START,
    }
}

fn rounded(options: &Options, micros: i64) -> i64 {
    let lead_time = &options.lead_time;
    let rounded = lead_time.round.apply(micros);
    let skewed = match lead_time.skew {
        Skew::NotPositive => lead_time.skew.leaves_out(rounded),
        skew => skew.leaves_out(micros),
    };
    if skewed { Missing::SKEWED } else { rounded }
}
