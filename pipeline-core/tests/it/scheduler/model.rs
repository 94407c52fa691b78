//! A small model of what a run may and must do. It knows the rules from their documentation and nothing of the
//! engine: it is shown each event, refuses the one that the rules do not allow, and lists what is still to be done.

use std::collections::BTreeMap;

use pipeline_core::{
    Effect, Failure, FailurePolicy, RunEvent, RunOutcome, SignedDuration, StageFinished, StageResult,
    StageStarted, Timestamp, When,
};
use serde_json::Value;

use super::generate::{Fate, Found, List, MOST, Run, Spec};

/// One stage, or one instance of a stage that runs over a list.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    pub(super) name: String,
    /// The stage of the plan.
    pub(super) of: usize,
    instance: bool,
    pub(super) at: Place,
    pub(super) attempts: u32,
    pub(super) generation: u32,
    /// Failures that another attempt followed.
    failures: u32,
    /// The delivery that began the last attempt.
    begun_by: u64,
    /// When the first attempt began.
    first: Option<Timestamp>,
    /// A person said that it happened.
    vouched: bool,
    list: Option<Value>,
    /// How often it was inspected.
    pub(super) looks: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// It has not begun.
    Waits,
    Pauses {
        until: Timestamp,
        last: Last,
    },
    /// It stands for its instances.
    Expanded,
    Works {
        epoch: u64,
    },
    /// Nobody knows how it ended; it is asked.
    Asked {
        epoch: u64,
    },
    /// A person has to decide.
    Person,
    Ended(End),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Success,
    No,
    Errored,
    Unknown,
    Cancelled,
}

/// A report that must be recorded next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    unit: usize,
    last: Last,
    /// Whether a success comes with its facts.
    facts: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) word: &'static str,
    pub(super) cause: Option<String>,
}

impl End {
    fn is_success(&self) -> bool {
        ["succeeded", "accepted", "nothing to do"].contains(&self.word)
    }

    /// It failed itself: what comes after is skipped because of it.
    fn is_failure(&self) -> bool {
        ["failed", "errored", "cancelled"].contains(&self.word)
    }
}

/// What must happen now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Skip(usize),
    GiveUp(usize),
    /// Its list is none.
    BadList(usize),
    Expand(usize),
    Start(usize),
    /// The next attempt after a failed one.
    Retry(usize),
    /// The same intention, begun again by a later delivery.
    Repeat(usize),
    /// It was going on when its worker died, and is not begun again.
    Drop(usize),
    AskPerson(usize),
    TimeIsUp,
    CleanUpIsOver,
    Finish,
}

/// What is around the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    pub(super) now: Timestamp,
    /// How many slots of each pool others have.
    pub(super) taken: [u32; 2],
    /// How many attempts may begin in this process.
    pub(super) free: u32,
}

#[derive(Debug)]
pub(super) struct Model {
    run: Run,
    capacities: [u32; 2],
    pub(super) units: Vec<Unit>,
    /// The longest way from each stage to the end.
    ways: Vec<u32>,
    pub(super) epoch: u64,
    created: Timestamp,
    pub(super) cancelled: bool,
    pub(super) forced: bool,
    timed_out: bool,
    stopped: Option<Timestamp>,
    first_failed: Option<String>,
    pub(super) outcome: Option<RunOutcome>,
    /// The report that was handed in and must be recorded next.
    report: Option<Report>,
    /// Somebody asked it to stop, or decided.
    pub(super) asked: bool,
    /// Which unit began before a more urgent one. It matters if that one found no slot then.
    overtaken: Vec<(usize, usize)>,
}

impl Model {
    pub(super) fn new(run: &Run, capacities: [u32; 2], created: Timestamp, durations: bool) -> Self {
        let count = run.stages.len();
        let mut ways = vec![0; count];
        for index in (0..count).rev() {
            let after = (index + 1..count).filter(|&after| run.stages[after].after.contains(&index));
            let longest = after.map(|after| ways[after]).max().unwrap_or(0);
            ways[index] = longest
                + if durations {
                    run.stages[index].milliseconds
                } else {
                    1
                };
        }
        let units = (0..count).map(|of| Unit::new(format!("s{of}"), of, false));
        Self {
            units: units.collect(),
            run: run.clone(),
            capacities,
            ways,
            epoch: 0,
            created,
            cancelled: false,
            forced: false,
            timed_out: false,
            stopped: None,
            first_failed: None,
            outcome: None,
            report: None,
            asked: false,
            overtaken: Vec::new(),
        }
    }

    pub(super) fn spec(&self, unit: usize) -> &Spec {
        &self.run.stages[self.units[unit].of]
    }

    fn cleans_up(&self, unit: usize) -> bool {
        self.spec(unit).when != When::Success
    }

    /// Whether the unit does not begin any more.
    fn stopping(&self, unit: usize) -> bool {
        self.forced || self.stopped.is_some() && !self.cleans_up(unit)
    }

    /// Whether what is at work is asked to stop, and whether at once.
    pub(super) fn asked_to_stop(&self, unit: usize) -> Option<bool> {
        let fails_fast = self.stopped.is_some() && self.run.policy == FailurePolicy::Stop;
        match self.forced {
            true => Some(true),
            false => ((self.cancelled || fails_fast) && !self.cleans_up(unit)).then_some(false),
        }
    }

    fn ended(&self, unit: usize) -> Option<&End> {
        match &self.units[unit].at {
            Place::Ended(end) => Some(end),
            _ => None,
        }
    }

    fn before(&self, unit: usize) -> impl Iterator<Item = usize> + '_ {
        self.spec(unit).after.iter().copied()
    }

    pub(super) fn is_ready(&self, unit: usize) -> bool {
        self.units[unit].at == Place::Waits
            && (self.units[unit].instance || self.before(unit).all(|before| self.ended(before).is_some()))
    }

    pub(super) fn at_work(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.units.len())
            .filter(|&unit| matches!(self.units[unit].at, Place::Works { .. } | Place::Asked { .. }))
    }

    /// How many of them this delivery began.
    pub(super) fn begun(&self) -> usize {
        let own = |unit: &&Unit| match unit.at {
            Place::Works { epoch } | Place::Asked { epoch } => epoch == self.epoch,
            _ => false,
        };
        self.units.iter().filter(own).count()
    }

    /// Those that have slots of a pool.
    pub(super) fn in_pool(&self, pool: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.units.len()).filter(move |&unit| {
            let holds = matches!(
                self.units[unit].at,
                Place::Works { .. } | Place::Asked { .. } | Place::Person
            );
            holds && self.spec(unit).pools.contains(&pool)
        })
    }

    fn finds_slots(&self, unit: usize, around: &Around) -> bool {
        let room = self
            .run
            .limits
            .parallel
            .is_none_or(|most| (self.at_work().count() as u32) < most);
        let pools =
            self.spec(unit).pools.iter().all(|&pool| {
                around.taken[pool] + (self.in_pool(pool).count() as u32) < self.capacities[pool]
            });
        room && pools && around.free > 0
    }

    /// Whether another unit uses the environment.
    fn is_busy(&self, unit: usize) -> bool {
        self.spec(unit).environment
            && (0..self.units.len()).any(|other| {
                let uses = matches!(
                    self.units[other].at,
                    Place::Works { .. } | Place::Asked { .. } | Place::Pauses { .. } | Place::Person
                );
                other != unit && uses && self.spec(other).environment
            })
    }

    fn list_of(&self, unit: usize) -> Option<Vec<Value>> {
        let list = match self.spec(unit).list.as_ref()? {
            List::Values(values) => values.clone(),
            List::FactOf(before) => self.units[*before].list.as_ref()?.as_array()?.clone(),
        };
        (list.len() <= MOST as usize).then_some(list)
    }

    /// All that must happen now, whatever the order.
    pub(super) fn enabled(&self, around: &Around) -> Vec<Act> {
        if self.outcome.is_some() || self.epoch == 0 {
            return Vec::new();
        }
        let passed = |since: Option<Timestamp>, seconds: Option<u64>| {
            let end = since.zip(seconds).map(|(since, seconds)| later(since, seconds));
            end.is_some_and(|end| end <= around.now)
        };
        let limits = &self.run.limits;
        if !self.cancelled && passed(Some(self.created), limits.timeout_seconds) {
            return vec![Act::TimeIsUp];
        }
        if !self.forced && passed(self.stopped, limits.clean_up_seconds) {
            return vec![Act::CleanUpIsOver];
        }
        let mut acts: Vec<_> = (0..self.units.len())
            .filter_map(|unit| self.enabled_for(unit, around))
            .collect();
        if acts.is_empty() && (0..self.units.len()).all(|unit| self.ended(unit).is_some()) {
            acts.push(Act::Finish);
        }
        acts
    }

    fn enabled_for(&self, unit: usize, around: &Around) -> Option<Act> {
        let spec = self.spec(unit);
        match &self.units[unit].at {
            Place::Waits if self.stopping(unit) => Some(Act::Skip(unit)),
            Place::Waits if self.is_ready(unit) => {
                if !self.wanted(unit) {
                    Some(Act::Skip(unit))
                } else if spec.list.is_some() && !self.units[unit].instance {
                    Some(match self.list_of(unit) {
                        Some(_) => Act::Expand(unit),
                        None => Act::BadList(unit),
                    })
                } else {
                    (self.finds_slots(unit, around) && !self.is_busy(unit)).then_some(Act::Start(unit))
                }
            }
            Place::Pauses { .. } if self.stopping(unit) => Some(Act::GiveUp(unit)),
            Place::Pauses { until, .. } if *until <= around.now => {
                self.finds_slots(unit, around).then_some(Act::Retry(unit))
            }
            Place::Works { epoch } if *epoch < self.epoch => match spec.effect {
                Effect::Pure | Effect::Idempotent if self.cancelled && self.stopping(unit) => {
                    Some(Act::Drop(unit))
                }
                Effect::Pure | Effect::Idempotent => (around.free > 0).then_some(Act::Repeat(unit)),
                Effect::AtMostOnce => Some(Act::AskPerson(unit)),
                Effect::Inspectable => None,
            },
            _ => None,
        }
    }

    /// Whether a ready unit is to run, by how those before it ended.
    fn wanted(&self, unit: usize) -> bool {
        let mut before = self
            .before(unit)
            .filter_map(|before| Some((before, self.ended(before)?)));
        match self.spec(unit).when {
            When::Always => true,
            When::Success => before.all(|(_, end)| end.is_success()),
            // What only runs after failures, and had none to run after, is no failure.
            When::Failure => before.any(|(at, end)| {
                !end.is_success() && (end.word != "skipped" || self.spec(at).when != When::Failure)
            }),
        }
    }

    fn budget_end(&self, unit: usize) -> Option<Timestamp> {
        let seconds = self.spec(unit).retry.as_ref()?.budget_seconds?;
        Some(later(self.units[unit].first?, seconds))
    }

    fn find(&self, name: &str) -> usize {
        let place = self.units.iter().position(|unit| unit.name == name);
        place.unwrap_or_else(|| panic!("there is no `{name}`"))
    }

    /// Announces the report of an attempt.
    pub(super) fn announce(&mut self, unit: usize, last: Last) {
        self.announce_with(unit, last, true);
    }

    fn announce_with(&mut self, unit: usize, last: Last, facts: bool) {
        assert!(self.report.replace(Report { unit, last, facts }).is_none());
    }

    /// What an inspection finds is either recorded as a report, or something else follows, which is told.
    pub(super) fn announce_found(&mut self, unit: usize, found: Found) {
        let (Place::Works { epoch } | Place::Asked { epoch }) = self.units[unit].at else {
            panic!("{} is not at work", self.units[unit].name);
        };
        let interrupted = epoch < self.epoch;
        match found {
            Found::Happened => self.announce(unit, Last::Success),
            Found::DidNot if self.cancelled && self.stopping(unit) => self.announce(unit, Last::Cancelled),
            // Nobody tried in this delivery, so it is tried now.
            Found::DidNot if interrupted => self.units[unit].at = Place::Works { epoch: 0 },
            Found::DidNot => self.announce(unit, Last::Errored),
            // Nothing can be seen, so the person's word counts.
            Found::Unknown if self.units[unit].vouched => self.announce_with(unit, Last::Success, false),
            Found::Unknown => self.units[unit].at = Place::Asked { epoch: 0 },
        }
    }

    /// Takes in an event, or panics because the rules do not allow it.
    pub(super) fn accept(&mut self, event: &RunEvent, at: Timestamp, around: &mut Around) {
        assert_eq!(self.outcome, None, "something happened after the end: {event:?}");
        let acts = self.enabled(around);
        let must = |act: Act| assert!(acts.contains(&act), "{act:?} is none of {acts:?}");
        match event {
            RunEvent::Claimed(claimed) => {
                assert_eq!(claimed.epoch, self.epoch + 1);
                self.epoch = claimed.epoch;
            }
            RunEvent::StageStarted(started) => self.started(started, at, around, &acts),
            RunEvent::StageFinished(finished) => self.finished(finished, at, &acts),
            RunEvent::StageExpanded(expanded) => {
                let unit = self.find(expanded.stage.as_str());
                must(Act::Expand(unit));
                let items = self.list_of(unit).expect("the rules have a list");
                let names: Vec<_> = expanded
                    .instances
                    .iter()
                    .map(|one| one.name.to_string())
                    .collect();
                assert_eq!(names, names_of(unit, &items));
                let found: Vec<_> = expanded.instances.iter().map(|one| one.item.clone()).collect();
                assert_eq!(found, items);
                let of = self.units[unit].of;
                self.units
                    .extend(names.into_iter().map(|name| Unit::new(name, of, true)));
                self.units[unit].at = Place::Expanded;
                if items.is_empty() {
                    self.end(unit, "nothing to do", None, at);
                }
            }
            RunEvent::StageSkipped(skipped) => {
                let unit = self.find(skipped.stage.as_str());
                must(Act::Skip(unit));
                let cause = skipped.cause.as_ref().map(ToString::to_string);
                self.check_cause(unit, cause.as_deref());
                self.end(unit, "skipped", cause, at);
            }
            RunEvent::StageUnknown(unknown) => {
                let unit = self.find(unknown.stage.as_str());
                assert_eq!(unknown.attempt, self.units[unit].attempts);
                if self.units[unit].at != (Place::Asked { epoch: 0 }) {
                    must(Act::AskPerson(unit));
                }
                self.units[unit].at = Place::Person;
            }
            RunEvent::StageDecided(decided) => {
                assert!(std::mem::take(&mut self.asked), "nobody decided");
                let unit = self.find(decided.stage.as_str());
                match (decided.happened, self.spec(unit).effect) {
                    (true, Effect::Inspectable) => {
                        self.units[unit].vouched = true;
                        let epoch = self.units[unit].begun_by;
                        self.units[unit].at = Place::Asked { epoch };
                    }
                    (true, _) => self.end(unit, "accepted", None, at),
                    (false, _) => {
                        self.units[unit].generation += 1;
                        self.units[unit].first = None;
                        self.units[unit].at = Place::Waits;
                    }
                }
            }
            RunEvent::CancelRequested(request) => {
                if request.timed_out {
                    must(match request.force {
                        false => Act::TimeIsUp,
                        true => Act::CleanUpIsOver,
                    });
                    self.timed_out |= !self.cancelled;
                } else {
                    assert!(std::mem::take(&mut self.asked), "nobody asked for it");
                    assert_eq!(request.force, self.cancelled);
                }
                self.forced |= request.force;
                self.cancelled = true;
                self.stopped.get_or_insert(at);
            }
            RunEvent::Finished(finished) => {
                must(Act::Finish);
                assert_eq!(finished.outcome, self.expected_outcome());
                self.outcome = Some(finished.outcome);
            }
            other => self.accept_prepared(other),
        }
    }

    /// What only stages in environments have.
    fn accept_prepared(&self, event: &RunEvent) {
        let RunEvent::GatesEvaluated(evaluated) = event else {
            panic!("nothing of this kind was to happen: {event:?}");
        };
        let unit = self.find(evaluated.stage.as_str());
        assert!(self.spec(unit).environment && self.is_ready(unit));
    }

    fn started(&mut self, started: &StageStarted, at: Timestamp, around: &mut Around, acts: &[Act]) {
        let unit = self.find(started.stage.as_str());
        let allowed = [Act::Start(unit), Act::Retry(unit), Act::Repeat(unit)];
        // Its inspection found nothing.
        let inspected = self.spec(unit).effect == Effect::Inspectable
            && self.units[unit].at == (Place::Works { epoch: 0 });
        let act = acts.iter().find(|act| allowed.contains(act));
        assert!(
            inspected || act.is_some(),
            "`{}` must not begin: {acts:?}",
            started.stage
        );
        if act == Some(&Act::Start(unit)) && !self.is_asynchronous(unit) {
            let more_urgent = acts.iter().filter_map(|act| match act {
                Act::Start(other) if !self.is_asynchronous(*other) => Some(*other),
                _ => None,
            });
            let more_urgent = more_urgent.filter(|&other| self.urgency(other) < self.urgency(unit));
            let more_urgent: Vec<_> = more_urgent.map(|other| (unit, other)).collect();
            self.overtaken.extend(more_urgent);
        }
        if self.spec(unit).effect == Effect::AtMostOnce {
            // Each attempt but the first follows a definite failure, or a person's word.
            assert_eq!(
                started.attempt, started.generation,
                "`{}` happens twice",
                started.stage
            );
        }
        around.free = around.free.saturating_sub(1);
        let epoch = self.epoch;
        let unit = &mut self.units[unit];
        assert_eq!(
            (started.attempt, started.generation, started.epoch),
            (unit.attempts + 1, unit.generation, epoch),
            "{}",
            started.stage
        );
        unit.attempts += 1;
        unit.first.get_or_insert(at);
        unit.begun_by = epoch;
        unit.at = Place::Works { epoch };
    }

    /// Whether it must be prepared before it begins, so that others may be first.
    fn is_asynchronous(&self, unit: usize) -> bool {
        self.spec(unit).effect == Effect::Pure || self.spec(unit).environment
    }

    fn urgency(&self, unit: usize) -> (std::cmp::Reverse<u32>, usize) {
        (std::cmp::Reverse(self.ways[self.units[unit].of]), unit)
    }

    fn finished(&mut self, finished: &StageFinished, at: Timestamp, acts: &[Act]) {
        let unit = self.find(finished.stage.as_str());
        let last = last(&finished.result);
        let retry_at = finished.retry_at.as_deref().copied();
        if finished.attempt == 0 {
            assert!(acts.contains(&Act::BadList(unit)), "{acts:?}");
            assert_eq!((last, retry_at), (Last::Errored, None));
            return self.end(unit, "errored", None, at);
        }
        assert_eq!(finished.attempt, self.units[unit].attempts, "{}", finished.stage);
        if let Place::Pauses { last: was, .. } = self.units[unit].at {
            assert!(acts.contains(&Act::GiveUp(unit)), "{acts:?}");
            assert_eq!((last, retry_at), (was, None));
            return self.end_with(unit, last, false, at);
        }
        let Some(report) = self
            .report
            .take_if(|report| (report.unit, report.last) == (unit, last))
        else {
            assert!(
                acts.contains(&Act::Drop(unit)),
                "nobody reported this: {finished:?}"
            );
            assert_eq!((last, retry_at), (Last::Cancelled, None));
            return self.end(unit, "cancelled", None, at);
        };
        let until = self.next_attempt(unit, last, at);
        assert_eq!(retry_at, until, "the next attempt of `{}`", finished.stage);
        match until {
            Some(until) => {
                self.units[unit].failures += 1;
                if last != Last::Unknown {
                    self.units[unit].generation += 1;
                }
                self.units[unit].at = Place::Pauses { until, last };
            }
            None => self.end_with(unit, last, report.facts, at),
        }
    }

    fn end_with(&mut self, unit: usize, last: Last, facts: bool, at: Timestamp) {
        let effect = self.spec(unit).effect;
        match (last, effect) {
            (Last::Success, _) => {
                self.units[unit].list = self.spec(unit).fact.clone().filter(|_| facts);
                self.end(unit, "succeeded", None, at);
            }
            (Last::No, _) => self.end(unit, "failed", None, at),
            (Last::Unknown, Effect::Inspectable) => {
                let epoch = self.epoch;
                self.units[unit].at = Place::Asked { epoch };
            }
            (Last::Unknown, Effect::AtMostOnce) => self.units[unit].at = Place::Person,
            (Last::Errored | Last::Unknown, _) => self.end(unit, "errored", None, at),
            (Last::Cancelled, _) => self.end(unit, "cancelled", None, at),
        }
    }

    /// When the next attempt is to begin after one that ended so.
    fn next_attempt(&self, unit: usize, last: Last, at: Timestamp) -> Option<Timestamp> {
        let spec = self.spec(unit);
        let policy = spec.retry.as_ref()?;
        let failure = match last {
            Last::No => Failure::Failed,
            Last::Errored => Failure::Errored,
            Last::Unknown if matches!(spec.effect, Effect::Pure | Effect::Idempotent) => Failure::Unknown,
            _ => return None,
        };
        let failures = self.units[unit].failures + 1;
        if self.stopping(unit) || !policy.on.contains(&failure) || failures >= policy.attempts {
            return None;
        }
        let mut wait = policy.delay_seconds;
        for _ in 1..failures {
            wait *= u64::from(policy.factor);
        }
        let until = later(at, wait.min(policy.most_seconds));
        self.budget_end(unit)
            .is_none_or(|end| until <= end)
            .then_some(until)
    }

    fn end(&mut self, unit: usize, word: &'static str, cause: Option<String>, at: Timestamp) {
        let end = End { word, cause };
        if end.is_failure() && self.first_failed.is_none() {
            self.first_failed = Some(self.units[unit].name.clone());
            if self.run.policy != FailurePolicy::Continue {
                self.stopped.get_or_insert(at);
            }
        }
        self.units[unit].at = Place::Ended(end);
        if !self.units[unit].instance {
            return;
        }
        let template = self.units[unit].of;
        let ends: Option<Vec<_>> = (0..self.units.len())
            .filter(|&one| self.units[one].instance && self.units[one].of == template)
            .map(|one| self.ended(one).cloned())
            .collect();
        let Some(ends) = ends else { return };
        let any = |words: &[&str]| ends.iter().any(|end| words.contains(&end.word));
        let word = if any(&["failed", "errored"]) {
            "failed"
        } else if any(&["cancelled"]) {
            "cancelled"
        } else if any(&["skipped"]) {
            "skipped"
        } else {
            // What the instances reported is told by item: that is no list.
            "succeeded"
        };
        self.end(template, word, None, at);
    }

    /// A skipped unit names a stage that failed, and that it comes after unless the whole run stopped because of it.
    fn check_cause(&self, unit: usize, cause: Option<&str>) {
        let unsuccessful = |&before: &usize| self.ended(before).is_some_and(|end| !end.is_success());
        let name = &self.units[unit].name;
        let Some(cause) = cause else {
            let handler = self.spec(unit).when == When::Failure;
            assert!(
                self.cancelled || handler && !self.stopping(unit),
                "`{name}` was skipped for no reason"
            );
            return;
        };
        let at = self.find(cause);
        let end = self
            .ended(at)
            .unwrap_or_else(|| panic!("`{cause}` has not ended"));
        assert!(!end.is_success());
        let stopped_by = self.stopped.is_some() && self.first_failed.as_deref() == Some(cause);
        assert!(
            stopped_by || self.comes_after(unit, self.units[at].of),
            "`{name}` does not come after `{cause}`"
        );
        if self.stopped.is_none() {
            assert!(self.before(unit).any(|before| unsuccessful(&before)));
            assert!(
                end.cause.is_none(),
                "`{cause}` is itself skipped because of {end:?}"
            );
        }
    }

    fn comes_after(&self, unit: usize, before: usize) -> bool {
        let mut todo: Vec<_> = self.before(unit).collect();
        while let Some(next) = todo.pop() {
            if next == before {
                return true;
            }
            todo.extend(self.before(next));
        }
        false
    }

    fn expected_outcome(&self) -> RunOutcome {
        let ends = || {
            self.units
                .iter()
                .enumerate()
                .filter_map(|(at, unit)| match &unit.at {
                    Place::Ended(end) => Some((at, end)),
                    _ => None,
                })
        };
        // A handler of failures that had nothing to do is not left out.
        let complete = ends().all(|(at, end)| {
            end.is_success()
                || end.cause.is_none() && end.word == "skipped" && !self.wanted_if_nothing_stopped(at)
        });
        let failed = ends().any(|(_, end)| end.is_failure() && end.word != "cancelled");
        if self.cancelled && !complete {
            if self.timed_out || failed {
                RunOutcome::Failed
            } else {
                RunOutcome::Cancelled
            }
        } else if ends().any(|(_, end)| end.is_failure()) {
            RunOutcome::Failed
        } else {
            RunOutcome::Succeeded
        }
    }

    fn wanted_if_nothing_stopped(&self, unit: usize) -> bool {
        self.spec(unit).when != When::Failure || self.wanted(unit)
    }

    pub(super) fn limits(&self) -> &pipeline_core::RunLimits {
        &self.run.limits
    }

    /// The word for where a unit stands.
    pub(super) fn word(&self, unit: usize) -> &'static str {
        match &self.units[unit].at {
            Place::Waits if self.is_ready(unit) => "ready",
            Place::Waits => "pending",
            Place::Pauses { .. } => "retrying",
            Place::Expanded | Place::Works { .. } | Place::Asked { .. } => "running",
            Place::Person => "unknown",
            Place::Ended(end) => end.word,
        }
    }

    /// A less urgent unit took the slot of one that waits now.
    pub(super) fn take_overtaken(&mut self) -> Vec<(String, String)> {
        let overtaken = std::mem::take(&mut self.overtaken);
        let waits = overtaken.into_iter().filter(|(_, other)| self.is_ready(*other));
        waits
            .map(|(unit, other)| (self.units[unit].name.clone(), self.units[other].name.clone()))
            .collect()
    }

    /// Nothing that was announced is still to be recorded.
    pub(super) fn is_settled(&self) -> bool {
        let asks = |unit: &Unit| matches!(unit.at, Place::Works { epoch: 0 } | Place::Asked { epoch: 0 });
        self.report.is_none() && !self.asked && !self.units.iter().any(asks)
    }
}

impl Unit {
    fn new(name: String, of: usize, instance: bool) -> Self {
        Self {
            name,
            of,
            instance,
            at: Place::Waits,
            attempts: 0,
            generation: 1,
            failures: 0,
            begun_by: 0,
            first: None,
            vouched: false,
            list: None,
            looks: 0,
        }
    }
}

impl From<Fate> for Last {
    fn from(fate: Fate) -> Self {
        match fate {
            Fate::Succeeds => Self::Success,
            Fate::SaysNo => Self::No,
            Fate::Errors => Self::Errored,
            Fate::Unknown => Self::Unknown,
        }
    }
}

fn last(result: &StageResult) -> Last {
    match result {
        StageResult::Completed { outcome } if outcome.is_success() => Last::Success,
        StageResult::Completed { .. }
        | StageResult::Failed {
            failure: Failure::Failed,
            ..
        } => Last::No,
        StageResult::Failed {
            failure: Failure::Errored,
            ..
        } => Last::Errored,
        StageResult::Failed {
            failure: Failure::Unknown,
            ..
        } => Last::Unknown,
        StageResult::Cancelled { .. } => Last::Cancelled,
    }
}

/// Each item that makes a name of its own gives one, once; the others are numbered.
fn names_of(unit: usize, items: &[Value]) -> Vec<String> {
    let mut seen = BTreeMap::new();
    let names = items.iter().enumerate().map(|(at, item)| {
        let own = match item {
            Value::String(text) if text.bytes().all(|byte| byte.is_ascii_lowercase()) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match own.filter(|own| seen.insert(own.clone(), ()).is_none()) {
            Some(own) => format!("s{unit}.{own}"),
            None => format!("s{unit}.item-{}", at + 1),
        }
    });
    names.collect()
}

pub(super) fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds as i64)).unwrap()
}
