use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;

use super::line::{Line, Missing, RawSpell, Run};
use super::measures::{Gathered, Times};
use super::one_row::OneRow;
use super::standing::Standing;
use super::{Delivery, Measures, PhaseTimes, Phased, Ratio};
use crate::facts::{IncidentRow, NONE};
use crate::reduce::Timed;
use crate::{Blend, Durations, RateBlend, RecoveryFrom, Rounding, Window};

/// A part of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope<'a> {
    /// One component.
    Component(&'a str),
    /// The deployments of one team, and what belongs to them.
    Team(&'a str),
    /// One environment, and what belongs to its deployments.
    Environment(&'a str),
    /// All components taken together. DORA advises against it: blending hides which one it is.
    Overall,
}

/// Which deployments of the lines belong to a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    All,
    Team(u32),
    Environment(u32),
    Nothing,
}

/// What happened to a part of the whole in a window of time.
#[derive(Debug, Clone)]
pub struct Selection<'d, 'f> {
    pub(crate) delivery: &'d Delivery<'f>,
    pub(crate) window: Window,
    pub(crate) lines: Range<usize>,
    pub(crate) filter: Filter,
}

/// How long a failure lasted, or that it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spell {
    /// Where the clock started.
    pub since: Timestamp,
    /// The time in milliseconds, neither rounded nor checked for clock skew; `None` while it is not over.
    pub ms: Option<f64>,
}

impl<'d, 'f> Selection<'d, 'f> {
    /// The window.
    pub fn window(&self) -> Window {
        self.window
    }

    /// The five numbers, without the facts behind them.
    pub fn measures(&self) -> Measures {
        self.measures_with(&mut Gathered::default())
    }

    /// The lead times that count, in milliseconds, by component and deployment.
    pub fn lead_times(&self) -> Vec<f64> {
        let mut times = Times::default();
        for line in self.lines() {
            self.gather_lead_times(line, Blend::Values, &mut times, &mut 0);
        }
        times.plain.iter().map(|micros| *micros as f64 / 1000.0).collect()
    }

    /// The recoveries that belong to the window, over or not, by component and time.
    pub fn recoveries(&self) -> Vec<Spell> {
        let spells = self.all_spells().into_iter();
        spells
            .filter(|spell| !spell.told_by_incident)
            .map(|spell| spell.public())
            .collect()
    }

    /// The spells of all components, as the options put them together.
    pub(crate) fn all_spells(&self) -> Vec<RawSpell> {
        let (start, end) = self.window.micros();
        match self.failures_in_a_row() {
            Some(row) => row.spells(start, end).map(|(_, spell)| spell).collect(),
            None => self.lines().flat_map(|line| self.spells(line)).copied().collect(),
        }
    }

    /// The row of all components, where the options take failures from it.
    fn failures_in_a_row(&self) -> Option<OneRow> {
        let from_good = self.delivery.options.recovery.from == RecoveryFrom::LastGood;
        from_good.then(|| OneRow::of(self)).flatten()
    }

    /// When each deployment that counts finished, by component and time.
    pub fn deployments(&self) -> Vec<Timestamp> {
        let runs = self.lines().flat_map(|line| self.runs(line));
        let counted = runs.filter(|(_, run)| run.standing == Standing::Counted);
        counted
            .map(|(_, run)| crate::moment::timestamp(run.finished))
            .collect()
    }

    /// The phases of the lead time, of the changes that have one.
    pub fn phases(&self) -> Phased {
        let options = &self.delivery.options.lead_time;
        let mut parts: [Vec<i64>; 4] = Default::default();
        for times in self.phase_times(options.round) {
            for (part, time) in parts
                .iter_mut()
                .zip([times.coding, times.pickup, times.review, times.deploy])
            {
                part.extend(time);
            }
        }
        let [coding, pickup, review, deploy] =
            parts.map(|mut part| Durations::of(&mut part, options.aggregate));
        Phased {
            coding,
            pickup,
            review,
            deploy,
        }
    }

    /// The phases of each change that has a lead time, by component and deployment.
    pub fn phase_times(&self, round: Rounding) -> impl Iterator<Item = PhaseTimes> + '_ {
        let facts = self.delivery.facts;
        self.delivered()
            .filter(|(.., time)| Missing::is_time(*time))
            .map(move |(_, run, revision, _)| {
                let phases = facts.revisions.phases.get(&revision).copied().unwrap_or_default();
                PhaseTimes::between(facts.revisions.at(revision), phases, Some(run.finished), round)
            })
    }

    /// Every revision that a deployment of the window brought: the line, the deployment, the revision and the time.
    pub(crate) fn delivered(&self) -> impl Iterator<Item = (&'d Line, Run, u32, i64)> + '_ {
        self.lines().flat_map(move |line| {
            self.runs(line).flat_map(move |(at, run)| {
                let part = line.delivered(&(at..at + 1));
                part.map(move |at| (line, *run, line.revisions[at], line.times[at]))
            })
        })
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &'d Line> + use<'d, 'f> {
        self.delivery.lines[self.lines.clone()].iter()
    }

    /// The deployments of a line that finished in the window, with their places.
    pub(crate) fn runs(&self, line: &'d Line) -> impl Iterator<Item = (usize, &'d Run)> + '_ {
        let (start, end) = self.window.micros();
        let range = line.within(start, end);
        range
            .map(|at| (at, &line.runs[at]))
            .filter(|(_, run)| self.has(run.row))
    }

    pub(crate) fn spells(&self, line: &'d Line) -> impl Iterator<Item = &'d RawSpell> + '_ {
        let (start, end) = self.window.micros();
        line.spells_within(start, end)
            .iter()
            .filter(|spell| self.has_spell(spell))
    }

    fn has_spell(&self, spell: &RawSpell) -> bool {
        match (self.filter, spell.of) {
            (Filter::All, _) => true,
            (Filter::Environment(_), super::line::SpellOf::Incident(number)) if spell.deployment == NONE => {
                self.has_incident(self.delivery.facts.incidents.get(number))
            }
            _ => spell.deployment != NONE && self.has(spell.deployment),
        }
    }

    /// Whether a deployment belongs to the selection, whenever it finished.
    pub(crate) fn has(&self, deployment: u32) -> bool {
        let row = || self.delivery.facts.deployments.get(deployment);
        match self.filter {
            Filter::All => true,
            Filter::Team(team) => row().team == team,
            Filter::Environment(environment) => row().environment == environment,
            Filter::Nothing => false,
        }
    }

    pub(crate) fn has_incident(&self, incident: &IncidentRow) -> bool {
        match self.filter {
            Filter::All => true,
            Filter::Environment(environment) => incident.environment == environment,
            Filter::Team(_) | Filter::Nothing => false,
        }
    }

    pub(crate) fn measures_with(&self, gathered: &mut Gathered) -> Measures {
        gathered.clear();
        let (start, end) = self.window.micros();
        let options = &self.delivery.options;
        let one_row = OneRow::of(self);
        let means = options.failures.blend == RateBlend::ComponentMeans;
        for line in self.lines() {
            let before = gathered.counts;
            let day_before = gathered.days.len();
            for (_, run) in self.runs(line) {
                let counts = &mut gathered.counts;
                match run.standing {
                    Standing::Counted => {
                        counts.deployments += 1;
                        counts.failed += usize::from(run.weight > 0);
                        counts.weight += run.weight as usize;
                        counts.unplanned += usize::from(run.unplanned);
                        counts.fixes += usize::from(run.unplanned);
                        counts.with_changes += usize::from(run.with_changes);
                        gathered.finished.push(run.finished);
                        let day = self.delivery.calendar.day(run.finished);
                        if gathered.days[day_before..].last() != Some(&day) {
                            gathered.days.push(day);
                        }
                    }
                    Standing::FailedRun => counts.failed_runs += 1,
                    Standing::LeftOut(_) => {}
                }
            }
            let opened = line.opened_within(start, end).iter();
            let of_selection = opened.filter(|(_, incident)| {
                self.filter == Filter::All || self.has_incident(self.delivery.facts.incidents.get(*incident))
            });
            gathered.counts.opened += of_selection.count();
            let blend = options.lead_time.blend;
            self.gather_lead_times(
                line,
                blend,
                &mut gathered.lead_times,
                &mut gathered.counts.skewed_changes,
            );
            if means {
                let of_line = gathered.counts.since(&before);
                gathered.rates.extend(of_line.change_fail_rate(options));
            }
            if one_row.is_none() || options.recovery.from != RecoveryFrom::LastGood {
                let spells = self.spells(line);
                spells.for_each(|spell| self.gather_recovery(spell, line.component, gathered));
            }
        }
        if let Some(row) = &one_row {
            gathered.counts.fixes = row.fixes(start, end);
            if options.recovery.from == RecoveryFrom::LastGood {
                let spells = row.spells(start, end);
                spells.for_each(|(component, spell)| self.gather_recovery(&spell, component, gathered));
            }
        }
        if self.lines.len() > 1 {
            gathered.days.sort_unstable();
            gathered.days.dedup();
        }
        gathered.counts.days = gathered.days.len();
        let (lead_time, recovery) = (&options.lead_time, &options.recovery);
        gathered.counts.changes = gathered.lead_times.plain.len();
        gathered.counts.recoveries = gathered.recoveries.plain.len();
        let lead_time = gathered
            .lead_times
            .durations(lead_time.aggregate, lead_time.blend);
        let recovery = gathered.recoveries.durations(recovery.aggregate, recovery.blend);
        let frequency = self.frequency(gathered, one_row.as_ref());
        let fail_rate = if means {
            Ratio::mean_of(&gathered.rates)
        } else {
            gathered.counts.change_fail_rate(options)
        };
        gathered
            .counts
            .measures(frequency, lead_time, fail_rate, recovery)
    }

    fn gather_lead_times(&self, line: &'d Line, blend: Blend, times: &mut Times, skewed: &mut usize) {
        let (start, end) = self.window.micros();
        if self.filter == Filter::All && blend == Blend::Values {
            let part = &line.times[line.delivered(&line.within(start, end))];
            times
                .plain
                .extend(part.iter().filter(|time| Missing::is_time(**time)));
            *skewed += part.iter().filter(|time| **time == Missing::SKEWED).count();
            return;
        }
        for (at, run) in self.runs(line) {
            for &time in &line.times[line.delivered(&(at..at + 1))] {
                if Missing::is_time(time) {
                    times.plain.push(time);
                    if blend != Blend::Values {
                        let environment = self.delivery.facts.deployments.get(run.row).environment;
                        let timed = self.timed(time, run.finished, line.component, environment);
                        times.timed.push(timed);
                    }
                } else {
                    *skewed += usize::from(time == Missing::SKEWED);
                }
            }
        }
    }

    fn gather_recovery(&self, spell: &RawSpell, component: u32, gathered: &mut Gathered) {
        let options = &self.delivery.options.recovery;
        if spell.told_by_incident {
            return;
        }
        let Some(micros) = spell.micros() else {
            gathered.counts.open += 1;
            return;
        };
        if options.skew.leaves_out(micros) {
            gathered.counts.skewed_recoveries += 1;
            return;
        }
        let time = options.round.apply(micros);
        gathered.recoveries.plain.push(time);
        if options.blend != Blend::Values {
            let timed = self.timed(time, spell.key, component, NONE);
            gathered.recoveries.timed.push(timed);
        }
    }

    fn timed(&self, micros: i64, at: i64, component: u32, environment: u32) -> Timed {
        Timed {
            micros,
            day: self.delivery.calendar.day(at),
            component,
            environment,
        }
    }
}
