use std::collections::BTreeMap;

use super::waiting;
use crate::spread::Spread;
use crate::{Cell, Figure, FigureOptions, Flow, Unit, WaitCause};

const DEFINITION: &str = "How long a run or a task stood in the queue before anything happened, of those whose turn came in the \
     window. Calendar time.";

/// Time in queue.
pub(super) fn queue_time(flow: &Flow, options: &FigureOptions) -> Figure {
    let mut figure = Figure::new("queue-time", "Time in queue", DEFINITION);
    let waits = waiting::ended(flow, options, &mut figure, |wait| wait.cause == WaitCause::Queue);
    let mut queues: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for one in waits {
        let queue = one.wait.stage.as_deref().unwrap_or("not known");
        queues
            .entry(queue)
            .or_default()
            .push(one.until.duration_since(one.since));
    }
    let spread = Spread::of_times(queues.values().flatten().copied());
    figure.add_value("median", Unit::Milliseconds, spread.median);
    figure.add_value("90th percentile", Unit::Milliseconds, spread.p90);
    figure.add_value("longest", Unit::Milliseconds, spread.longest);
    let rows = queues.into_iter().map(|(queue, times)| {
        let count = times.len();
        let spread = Spread::of_times(times);
        vec![
            Cell::text(queue),
            Cell::count(count),
            Cell::Number(spread.median),
            Cell::Number(spread.p90),
            Cell::Number(spread.longest),
        ]
    });
    let time = Some(Unit::Milliseconds);
    let columns = [
        ("queue", None),
        ("waits", Some(Unit::Count)),
        ("median", time),
        ("90th percentile", time),
        ("longest", time),
    ];
    let rows = rows.collect();
    figure.add_table("By queue", &columns, rows);
    figure
}
