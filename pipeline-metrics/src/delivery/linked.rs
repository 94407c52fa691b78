use super::blame::{Blamed, Blamer};
use super::line::{Line, Missing};
use super::link::{Linker, Production, lines};
use super::measures::Gathered;
use super::selection::{Filter, Selection};
use super::spells::{Speller, is_of_users};
use super::standing::Standing;
use super::{Measures, Reason, Scope};
use crate::calendar::{Calendar, Piece};
use crate::facts::{Facts, NEVER, NONE, RollbackRow};
use crate::{
    Bucket, CalendarError, Change, Deployment, DeploymentResult, FailShare, Incident, Options, Partial,
    Reach, Window,
};

/// Facts with their links: which deployment delivered a change, and which one an incident is the fault of.
///
/// Linking is done once and looks at all facts, so that no number depends on where a window begins.
/// Numbers of any window are then quick, and explanations are made when they are asked for.
#[derive(Debug)]
pub struct Delivery<'f> {
    pub(crate) facts: &'f Facts,
    pub(crate) options: Options,
    pub(crate) calendar: Calendar,
    pub(crate) lines: Vec<Line>,
    pub(crate) line_of: Vec<u32>,
    /// Of each incident and each rollback.
    pub(crate) incidents: Vec<Blamed>,
    pub(crate) rollbacks: Vec<Rolled<'f>>,
}

/// A rollback: its id, its row and the deployment that it is the fault of.
pub(crate) type Rolled<'f> = (&'f str, &'f RollbackRow, Blamed);

impl<'f> Delivery<'f> {
    /// Links facts.
    ///
    /// # Errors
    ///
    /// When the options name a time zone that nobody knows.
    pub fn of(facts: &'f Facts, options: &Options) -> Result<Self, CalendarError> {
        let calendar = Calendar::new(&options.calendar)?;
        let mut production = Production::default();
        let mut lines = lines(facts, options, &mut production);
        let mut line_of = vec![NONE; facts.names.len()];
        let mut run_of = vec![NONE; facts.deployments.rows.len()];
        let mut linker = Linker::new(facts, options);
        for (at, line) in (0..).zip(&mut lines) {
            line_of[line.component as usize] = at;
            linker.link(line);
            for (at, run) in (0..).zip(&line.runs) {
                run_of[run.row as usize] = at;
            }
        }
        drop(linker);
        let blamer = Blamer {
            facts,
            options,
            lines: &lines,
            line_of: &line_of,
            run_of: &run_of,
            project: if options.failures.attribution.reach == Reach::Project {
                project(&lines, facts)
            } else {
                Vec::new()
            },
        };
        let incidents: Vec<_> = facts
            .incidents
            .rows
            .iter()
            .map(|row| blamer.incident(row))
            .collect();
        let rollbacks = facts.rollbacks.iter();
        let rollbacks: Vec<_> = rollbacks
            .map(|(id, row)| (&**id, row, blamer.rollback(id, row, &mut production)))
            .collect();
        weigh(
            facts, options, &mut lines, &line_of, &run_of, &incidents, &rollbacks,
        );
        for (number, incident) in (0..).zip(&facts.incidents.rows) {
            if is_of_users(facts, options, &mut production, incident) {
                let line = &mut lines[line_of[incident.component as usize] as usize];
                line.opened.push((incident.opened, number));
            }
        }
        for line in &mut lines {
            line.opened.sort_unstable();
        }
        let speller = Speller {
            facts,
            options,
            line_of: &line_of,
            incidents: &incidents,
            rollbacks: &rollbacks,
        };
        speller.spell(&mut lines, &mut production);
        Ok(Self {
            facts,
            options: options.clone(),
            calendar,
            lines,
            line_of,
            incidents,
            rollbacks,
        })
    }

    /// The facts.
    pub fn facts(&self) -> &'f Facts {
        self.facts
    }

    /// What the numbers mean.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The components, by name.
    pub fn components(&self) -> impl ExactSizeIterator<Item = &'f str> + '_ {
        self.lines.iter().map(|line| self.facts.names.get(line.component))
    }

    /// The teams that deployments name, by name.
    pub fn teams(&self) -> Vec<&'f str> {
        self.texts(|row| row.team)
    }

    /// The environments that something was deployed to, by name.
    pub fn environments(&self) -> Vec<&'f str> {
        self.texts(|row| row.environment)
    }

    fn texts(&self, of: impl Fn(&crate::facts::DeploymentRow) -> u32) -> Vec<&'f str> {
        let known = self.facts.deployments.rows.iter().filter(|row| row.is_known());
        let mut numbers: Vec<u32> = known.map(of).filter(|&number| number != NONE).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut texts: Vec<_> = numbers
            .into_iter()
            .map(|number| self.facts.names.get(number))
            .collect();
        texts.sort_unstable();
        texts
    }

    /// What happened to a part of the whole in a window of time.
    pub fn select(&self, scope: &Scope<'_>, window: Window) -> Selection<'_, 'f> {
        let number = |name| self.facts.names.find(name);
        let all = 0..self.lines.len();
        let (lines, filter) = match *scope {
            Scope::Overall => (all, Filter::All),
            Scope::Team(name) => (all, number(name).map_or(Filter::Nothing, Filter::Team)),
            Scope::Environment(name) => (all, number(name).map_or(Filter::Nothing, Filter::Environment)),
            Scope::Component(name) => {
                let found = self
                    .lines
                    .binary_search_by_key(&name, |line| self.facts.names.get(line.component));
                (found.map_or(0..0, |at| at..at + 1), Filter::All)
            }
        };
        Selection {
            delivery: self,
            window,
            lines,
            filter,
        }
    }

    /// Every change that has a lead time, with the deployment that delivered it, by component and deployment.
    pub fn deliveries(&self) -> impl Iterator<Item = (Change<'f>, Deployment<'f>)> + '_ {
        let facts = self.facts;
        self.lines.iter().flat_map(move |line| {
            line.runs.iter().enumerate().flat_map(move |(at, run)| {
                let part = line.delivered(&(at..at + 1));
                let counted = part.filter(|&at| Missing::is_time(line.times[at]));
                counted.map(move |at| {
                    let revision = line.revisions[at];
                    let change = facts.change(revision);
                    (change, facts.deployment(run.row))
                })
            })
        })
    }

    /// Every successful deployment with the one before it of the same component and environment, where there is one;
    /// with or without users.
    pub fn previous_successes(&self) -> impl Iterator<Item = (Deployment<'f>, Deployment<'f>)> + '_ {
        let facts = self.facts;
        self.lines.iter().flat_map(move |line| {
            let mut last: Vec<(u32, u32)> = Vec::new();
            line.runs.iter().filter_map(move |run| {
                let row = facts.deployments.get(run.row);
                if row.result == DeploymentResult::Failure {
                    return None;
                }
                match last
                    .iter_mut()
                    .find(|(environment, _)| *environment == row.environment)
                {
                    Some((_, before)) => {
                        let before = std::mem::replace(before, run.row);
                        Some((facts.deployment(run.row), facts.deployment(before)))
                    }
                    None => {
                        last.push((row.environment, run.row));
                        None
                    }
                }
            })
        })
    }

    /// Every incident, in no particular order, with the deployment that it is the fault of, or why there is none.
    pub fn blames(&self) -> impl Iterator<Item = (Incident<'f>, Result<Deployment<'f>, Reason>)> + '_ {
        let rows = (0..).zip(&self.facts.incidents.rows).zip(&self.incidents);
        let known = rows.filter(|((_, row), _)| row.is_known());
        known.map(|((number, _), blamed)| {
            let deployment = blamed.map(|row| self.facts.deployment(row));
            (self.facts.incident(number), deployment)
        })
    }

    /// The shortest row of whole weeks, as the options have them, with all deployments that count: the window for
    /// "everything". `None` when there is none.
    pub fn everything(&self) -> Option<Window> {
        let live = || {
            let runs = self.lines.iter().flat_map(|line| &line.runs);
            runs.filter(|run| run.standing == Standing::Counted)
                .map(|run| run.finished)
        };
        let first = self.calendar.piece(Bucket::Week, live().min()?);
        let last = self.calendar.piece(Bucket::Week, live().max()?);
        Some(Window::of_micros(first.start, last.end))
    }

    /// The calendar buckets that a window touches, in their order, as far as the options keep those that lie only
    /// partly in it; what lies outside the window is cut off.
    pub fn series(&self, bucket: Bucket, window: Window) -> Vec<Window> {
        let (start, end) = window.micros();
        let whole = |piece: &Piece| start <= piece.start && piece.end <= end;
        let kept = self.calendar.pieces(bucket, window);
        kept.filter(|piece| self.options.calendar.partial == Partial::Kept || whole(piece))
            .map(|piece| Window::of_micros(piece.start.max(start), piece.end.min(end)))
            .collect()
    }

    /// The calendar bucket with a moment.
    pub fn bucket(&self, bucket: Bucket, at: jiff::Timestamp) -> Window {
        self.calendar.piece(bucket, crate::moment::micros(at)).window()
    }

    /// Every bucket of every component in which anything happened: the number of its name, the first day, the numbers.
    pub(crate) fn every_cell(&self, bucket: Bucket) -> impl Iterator<Item = ((u32, i64), Measures)> + '_ {
        let mut gathered = Gathered::default();
        self.lines.iter().enumerate().flat_map(move |(at, line)| {
            let runs = line.runs.iter().map(|run| run.finished);
            let spells = line.spells.iter().map(|spell| spell.key);
            let moments = runs.chain(spells).chain(line.opened.iter().map(|(at, _)| *at));
            let mut pieces: Vec<Piece> = moments.map(|at| self.calendar.piece(bucket, at)).collect();
            pieces.sort_unstable_by_key(|piece| piece.first_day);
            pieces.dedup();
            let cells = pieces.into_iter().map(|piece| {
                let selection = Selection {
                    delivery: self,
                    window: piece.window(),
                    lines: at..at + 1,
                    filter: Filter::All,
                };
                (
                    (line.component, piece.first_day),
                    selection.measures_with(&mut gathered),
                )
            });
            cells.collect::<Vec<_>>()
        })
    }

    /// Every week of every component in which a deployment counted, by name, then by time.
    pub fn weeks(&self) -> impl Iterator<Item = Week<'f>> + '_ {
        self.cells(Bucket::Week)
    }

    /// Every bucket of every component in which a deployment counted, by name, then by time.
    pub fn cells(&self, bucket: Bucket) -> impl Iterator<Item = Week<'f>> + '_ {
        let mut gathered = Gathered::default();
        self.lines.iter().enumerate().flat_map(move |(at, line)| {
            let mut weeks = Vec::new();
            let mut piece: Option<Piece> = None;
            for run in line.runs.iter().filter(|run| run.standing == Standing::Counted) {
                if piece.is_some_and(|piece| piece.contains(run.finished)) {
                    continue;
                }
                let next = self.calendar.piece(bucket, run.finished);
                piece = Some(next);
                let selection = Selection {
                    delivery: self,
                    window: next.window(),
                    lines: at..at + 1,
                    filter: Filter::All,
                };
                weeks.push(Week {
                    component: self.facts.names.get(line.component),
                    first_day: Calendar::date(next.first_day),
                    window: selection.window,
                    measures: selection.measures_with(&mut gathered),
                });
            }
            weeks
        })
    }
}

/// One bucket of one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Week<'f> {
    /// The component.
    pub component: &'f str,
    /// The first day, in the options' time zone.
    pub first_day: jiff::civil::Date,
    /// The bucket.
    pub window: Window,
    /// Its numbers.
    pub measures: Measures,
}

/// What users had, of all components, by finish and id.
fn project(lines: &[Line], facts: &Facts) -> Vec<(i64, u32)> {
    let runs = lines.iter().flat_map(|line| &line.runs);
    let live = runs.filter(|run| run.standing.is_live());
    let mut project: Vec<_> = live.map(|run| (run.finished, run.row)).collect();
    let ids = &facts.deployments.ids;
    project.sort_by(|a, b| {
        a.0.cmp(&b.0)
            .then_with(|| crate::facts::natural(ids.get(a.1), ids.get(b.1)))
    });
    project
}

/// Counts the failures of each deployment.
fn weigh(
    facts: &Facts,
    options: &Options,
    lines: &mut [Line],
    line_of: &[u32],
    run_of: &[u32],
    incidents: &[Blamed],
    rollbacks: &[Rolled<'_>],
) {
    if options.failures.share == FailShare::Changes {
        let mut named = vec![0_u32; facts.revisions.len()];
        for incident in facts.incidents.rows.iter().filter(|row| row.is_known()) {
            for &revision in facts.deployments.list(incident.first, incident.count) {
                named[revision as usize] += 1;
            }
        }
        for run in lines.iter_mut().flat_map(|line| &mut line.runs) {
            let listed = facts.deployments.revisions(facts.deployments.get(run.row));
            let known = listed
                .iter()
                .filter(|&&revision| facts.revisions.at(revision) != NEVER);
            run.weight = known.map(|&revision| named[revision as usize]).sum();
        }
        return;
    }
    let rollbacks = rollbacks.iter().filter(|_| options.failures.rollbacks.counts());
    for &row in incidents
        .iter()
        .chain(rollbacks.map(|(.., blamed)| blamed))
        .flatten()
    {
        let component = facts.deployments.get(row).component;
        lines[line_of[component as usize] as usize].runs[run_of[row as usize] as usize].weight += 1;
    }
}
