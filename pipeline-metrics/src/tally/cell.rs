use std::collections::BTreeMap;

use super::ordered::Ordered;
use crate::delivery::{Counts, Frequency, Missing};
use crate::{Measures, Options, Window};

/// What happened to one component in one bucket, or to all in all of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    deployments: usize,
    unplanned: usize,
    failed: usize,
    /// How many deployments each day had.
    pub(super) days: BTreeMap<i64, u32>,
    lead_times: Ordered,
    skewed_changes: usize,
    recoveries: Ordered,
    open: usize,
    skewed_recoveries: usize,
}

/// Whether something comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

fn count(counter: &mut usize, way: Way) {
    match way {
        Way::In => *counter += 1,
        Way::Out => *counter = counter.saturating_sub(1),
    }
}

impl Cell {
    pub(super) fn deployment(&mut self, way: Way, day: i64, unplanned: bool) {
        count(&mut self.deployments, way);
        if unplanned {
            count(&mut self.unplanned, way);
        }
        let of_day = self.days.entry(day).or_default();
        match way {
            Way::In => *of_day += 1,
            Way::Out => *of_day = of_day.saturating_sub(1),
        }
        if *of_day == 0 {
            self.days.remove(&day);
        }
    }

    pub(super) fn failed(&mut self, way: Way) {
        count(&mut self.failed, way);
    }

    /// A lead time, or what is in place of it.
    pub(super) fn lead_time(&mut self, way: Way, time: i64) {
        if time == Missing::SKEWED {
            count(&mut self.skewed_changes, way);
        } else if Missing::is_time(time) {
            match way {
                Way::In => self.lead_times.insert(time),
                Way::Out => self.lead_times.remove(time),
            }
        }
    }

    /// A recovery in microseconds, or `None` while it is open.
    pub(super) fn recovery(&mut self, way: Way, micros: Option<i64>, options: &Options) {
        let Some(micros) = micros else {
            return count(&mut self.open, way);
        };
        if options.recovery.skew.leaves_out(micros) {
            return count(&mut self.skewed_recoveries, way);
        }
        let time = options.recovery.round.apply(micros);
        match way {
            Way::In => self.recoveries.insert(time),
            Way::Out => self.recoveries.remove(time),
        }
    }

    pub(super) fn measures(&self, options: &Options, window: Window) -> Measures {
        let counts = Counts {
            deployments: self.deployments,
            days: self.days.len(),
            failed: self.failed,
            unplanned: self.unplanned,
            fixes: self.unplanned,
            changes: self.lead_times.len(),
            skewed_changes: self.skewed_changes,
            recoveries: self.recoveries.len(),
            open: self.open,
            skewed_recoveries: self.skewed_recoveries,
            ..Counts::default()
        };
        let frequency = Frequency::plain(options.frequency.pace, &counts, window);
        let lead_time = self.lead_times.durations(options.lead_time.aggregate);
        let recovery = self.recoveries.durations(options.recovery.aggregate);
        let change_fail_rate = counts.change_fail_rate(options);
        counts.measures(frequency, lead_time, change_fail_rate, recovery)
    }
}
