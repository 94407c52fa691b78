use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::intervals::Intervals;
use crate::spread::ms;
use crate::{Cell, Figure, FigureItem, FigureOptions, Flow, ManualWork, Unit};

const DEFINITION: &str = "Work that people did by hand in the window to deliver or to keep things running. Its share is the time by \
     hand over that and the time in which stages were at work, whoever worked there; stages side by side count \
     once for each item. Whether a machine could do it is what people said.";

#[derive(Debug, Default)]
struct Task {
    times: usize,
    timed: usize,
    spent: SignedDuration,
    /// Yes, no, nobody said.
    automatable: [usize; 3],
}

impl Task {
    fn add(&mut self, work: &ManualWork) {
        self.times += 1;
        self.timed += usize::from(work.spent.is_some());
        self.spent = self.spent.saturating_add(work.spent.unwrap_or_default());
        self.automatable[match work.automatable {
            Some(true) => 0,
            Some(false) => 1,
            None => 2,
        }] += 1;
    }

    fn spent(&self) -> Option<f64> {
        (self.timed > 0).then(|| ms(self.spent))
    }

    fn automatable(&self) -> Cell {
        match self.automatable {
            [_, 0, 0] => Cell::text("yes"),
            [0, _, 0] => Cell::text("no"),
            [0, 0, _] => Cell::text("nobody said"),
            [yes, no, unsaid] => Cell::text(format_args!("yes {yes}, no {no}, nobody said {unsaid}")),
        }
    }
}

/// Toil.
pub(super) fn toil(flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("toil", "Toil", DEFINITION);
    figure.options.push(options.time.to_string());
    let mut all = Task::default();
    let mut automatable = SignedDuration::ZERO;
    let mut judged = SignedDuration::ZERO;
    let mut tasks: BTreeMap<(&str, Option<&str>), Task> = BTreeMap::new();
    for work in flow.manual_work() {
        if !options.window.contains(work.at) || !options.shows(work.component.as_deref()) {
            continue;
        }
        let item = FigureItem::new("work by hand", &work.id, &work.origin);
        if work.spent.is_some_and(|spent| spent.is_negative()) {
            figure.leave_out(item, "took less than no time");
            continue;
        }
        figure.count(item);
        all.add(work);
        let spent = work.spent.unwrap_or_default();
        if let Some(could) = work.automatable {
            judged = judged.saturating_add(spent);
            automatable = automatable.saturating_add(if could { spent } else { SignedDuration::ZERO });
        }
        tasks
            .entry((&work.task, work.component.as_deref()))
            .or_default()
            .add(work);
    }
    let stages = stage_time(flow, options);
    let share = all
        .spent()
        .zip(stages)
        .map(|(by_hand, stages)| by_hand / (by_hand + stages));
    figure.add_value("time by hand", Unit::Milliseconds, all.spent());
    figure.add_value(
        "share of the work",
        Unit::Share,
        share.filter(|share| share.is_finite()),
    );
    let could = (judged > SignedDuration::ZERO).then(|| automatable.as_secs_f64() / judged.as_secs_f64());
    figure.add_value("a machine could do", Unit::Share, could);
    figure.add_value("times", Unit::Count, (all.times > 0).then_some(all.times as f64));
    if all.timed < all.times {
        figure.notes.push(format!(
            "Of {} of {} nobody wrote down how long they took; they are in no time here.",
            all.times - all.timed,
            all.times
        ));
    }
    let mut rows: Vec<_> = tasks.into_iter().collect();
    rows.sort_by_key(|(_, task)| Reverse((task.spent, task.times)));
    let rows = rows.into_iter().map(|((task, component), work)| {
        vec![
            Cell::text(task),
            component.map_or(Cell::Empty, Cell::text),
            Cell::count(work.times),
            Cell::Number(work.spent()),
            work.automatable(),
        ]
    });
    let columns = [
        ("task", None),
        ("component", None),
        ("times", Some(Unit::Count)),
        ("time", Some(Unit::Milliseconds)),
        ("a machine could do it", None),
    ];
    let rows = rows.collect();
    figure.add_table("By task", &columns, rows);
    figure
}

/// How long stages were at work in the window, each item by itself; `None` when no stage is known.
fn stage_time(flow: &Flow, options: &FigureOptions) -> Option<f64> {
    let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for fact in flow.stage_times() {
        let (Some(started), Some(finished)) = (fact.started, fact.finished) else {
            continue;
        };
        let from = started.max(options.window.start());
        let to = finished.min(options.horizon());
        if from < to && options.shows(fact.component.as_deref()) {
            let item = (&fact.component, fact.item.as_ref().unwrap_or(&fact.id));
            items.entry(item).or_default().push((from, to));
        }
    }
    let times = items
        .into_values()
        .map(|spans| ms(Intervals::of(spans).total(&options.time)));
    let times: Vec<_> = times.collect();
    (!times.is_empty()).then(|| times.iter().sum())
}
