use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{Figure, FigureItem, FigureOptions, Flow, StageTime, WorkingTime};

/// A whole pass through a stage: with a beginning and an end, in this order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass<'f> {
    pub(crate) fact: &'f StageTime,
    pub(crate) started: Timestamp,
    pub(crate) finished: Timestamp,
}

/// All passes of one item through one stage.
#[derive(Debug)]
pub(crate) struct Visit<'f> {
    pub(crate) stage: &'f str,
    pub(crate) passes: Vec<Pass<'f>>,
    pub(crate) ready: Timestamp,
    pub(crate) finished: Timestamp,
}

impl Visit<'_> {
    pub(crate) fn lead(&self, time: &WorkingTime) -> SignedDuration {
        time.between(self.ready, self.finished)
    }

    pub(crate) fn process(&self, time: &WorkingTime) -> SignedDuration {
        let work = self.passes.iter().map(|pass| match pass.fact.process {
            Some(process) => process,
            None => time.between(pass.started, pass.finished),
        });
        work.fold(SignedDuration::ZERO, SignedDuration::saturating_add)
    }

    /// Once not usable is not usable, whatever a repair made of it.
    pub(crate) fn accurate(&self) -> Option<bool> {
        self.passes.iter().filter_map(|pass| pass.fact.accurate).min()
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.ready < other.finished && other.ready < self.finished
    }
}

/// The way of one item through the stages, in the order in which it came to them.
#[derive(Debug)]
pub(crate) struct Journey<'f> {
    pub(crate) component: Option<&'f str>,
    pub(crate) item: &'f str,
    pub(crate) visits: Vec<Visit<'f>>,
}

impl Journey<'_> {
    pub(crate) fn start(&self) -> Option<Timestamp> {
        self.visits.iter().map(|visit| visit.ready).min()
    }

    pub(crate) fn end(&self) -> Option<Timestamp> {
        self.visits.iter().map(|visit| visit.finished).max()
    }
}

/// The items that were finished in the window. What is counted and what is not goes to the figure.
pub(crate) fn journeys<'f>(flow: &'f Flow, options: &FigureOptions, figure: &mut Figure) -> Vec<Journey<'f>> {
    let mut items: BTreeMap<(Option<&str>, &str), Vec<&StageTime>> = BTreeMap::new();
    let in_window = |fact: &StageTime| {
        let at = fact.finished.or(fact.started).or(fact.ready);
        at.is_some_and(|at| options.window.contains(at))
    };
    for fact in flow.stage_times() {
        let component = fact.component.as_deref();
        if !options.shows(component) {
            continue;
        }
        match &fact.item {
            Some(item) => items.entry((component, item)).or_default().push(fact),
            None if in_window(fact) => figure.leave_out(item_of(fact), "belongs to no item"),
            None => {}
        }
    }
    let mut journeys = Vec::new();
    for ((component, item), facts) in items {
        let last = facts
            .iter()
            .filter_map(|fact| fact.finished.or(fact.started))
            .max();
        if !last.is_some_and(|last| options.window.contains(last)) {
            continue;
        }
        if facts
            .iter()
            .any(|fact| fact.started.is_some() && fact.finished.is_none())
        {
            for fact in facts {
                figure.leave_out(item_of(fact), "its item is not finished");
            }
            continue;
        }
        let mut visits: BTreeMap<&str, Visit<'f>> = BTreeMap::new();
        for fact in facts {
            let Some(stage) = &fact.stage else {
                figure.leave_out(item_of(fact), "names no stage");
                continue;
            };
            let (Some(started), Some(finished)) = (fact.started, fact.finished) else {
                figure.leave_out(item_of(fact), "its beginning is not known");
                continue;
            };
            // What began before it could begin could begin then.
            let ready = fact.ready.unwrap_or(started).min(started);
            if started > finished {
                figure.leave_out(item_of(fact), "ended before it began");
                continue;
            }
            figure.count(item_of(fact));
            let visit = visits.entry(stage).or_insert(Visit {
                stage,
                passes: Vec::new(),
                ready,
                finished,
            });
            visit.passes.push(Pass {
                fact,
                started,
                finished,
            });
            visit.ready = visit.ready.min(ready);
            visit.finished = visit.finished.max(finished);
        }
        let mut visits: Vec<_> = visits.into_values().collect();
        visits.sort_by_key(|visit| (visit.ready, visit.finished, visit.stage));
        if !visits.is_empty() {
            journeys.push(Journey {
                component,
                item,
                visits,
            });
        }
    }
    journeys
}

fn item_of(fact: &StageTime) -> FigureItem {
    FigureItem::new("stage time", &fact.id, &fact.origin)
}
