use std::slice;

use serde::Serialize;

use crate::history::{self, History, Slice};
use crate::{
    Durations, Explained, FactRef, Facts, Frequency, LeftOut, Ratio, Reason, Report, ReportOptions, Window,
    change_fail_rate, deployment_frequency, lead_time, recovery_time, rework_rate,
};

/// Facts with their links: which deployment delivered a change, and which one an incident is the fault of.
///
/// Linking is done once and looks at all facts, so that no number depends on where a window begins.
/// Reports of any window are then quick.
#[derive(Debug)]
pub struct Delivery<'f> {
    facts: &'f Facts,
    names: Vec<&'f str>,
    histories: Vec<History<'f>>,
}

impl<'f> Delivery<'f> {
    /// Links facts.
    pub fn of(facts: &'f Facts) -> Self {
        let (names, histories) = history::link(facts).into_iter().unzip();
        Self {
            facts,
            names,
            histories,
        }
    }

    /// The facts.
    pub fn facts(&self) -> &'f Facts {
        self.facts
    }

    /// The numbers of a window.
    pub fn report(&self, options: &ReportOptions) -> Report<'f> {
        Report::of(self, options)
    }

    /// Every component and its numbers in a window, by name.
    pub(crate) fn components(&self, window: Window) -> impl Iterator<Item = (&'f str, Measures<'f>)> {
        let each = self.names.iter().zip(&self.histories);
        each.map(move |(name, history)| (*name, Measures::of(slice::from_ref(history), window)))
    }

    /// All components taken together.
    pub(crate) fn overall(&self, window: Window) -> Measures<'f> {
        Measures::of(&self.histories, window)
    }

    /// Every ISO week of every component in which something went live, by name, then by time.
    pub fn weeks(&self) -> impl Iterator<Item = Week<'f>> {
        let each = self.names.iter().zip(&self.histories);
        each.flat_map(|(name, history)| {
            let mut weeks: Vec<_> = history
                .live
                .iter()
                .map(|deployment| Window::week_of(deployment.finished))
                .collect();
            weeks.dedup();
            weeks.into_iter().map(move |window| Week {
                component: name,
                window,
                measures: Measures::of(slice::from_ref(history), window),
            })
        })
    }

    /// Facts that belong to no component.
    pub(crate) fn unplaced(&self, window: Window) -> Vec<LeftOut<'f>> {
        let lost = |incident| !self.facts.incidents.contains_key(incident);
        let mut unplaced: Vec<_> = self
            .facts
            .recoveries()
            .filter(|recovery| window.contains(recovery.at) && lost(&recovery.incident))
            .map(|recovery| LeftOut {
                fact: FactRef::Recovery(recovery),
                reason: Reason::UnknownIncident,
            })
            .collect();
        unplaced.sort_by_key(|left| left.fact.rank());
        unplaced
    }
}

/// One ISO week of one component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Week<'f> {
    /// The component.
    pub component: &'f str,
    /// The week.
    pub window: Window,
    /// Its numbers.
    pub measures: Measures<'f>,
}

/// The five numbers of software delivery performance, each explained.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measures<'f> {
    /// How often users get something.
    pub deployment_frequency: Explained<'f, Frequency>,
    /// How long a change takes to reach users.
    pub lead_time: Explained<'f, Durations>,
    /// How many deployments need immediate intervention.
    pub change_fail_rate: Explained<'f, Ratio>,
    /// How long users wait until a failed deployment is made good.
    pub recovery_time: Explained<'f, Durations>,
    /// How many deployments are unplanned.
    pub rework_rate: Explained<'f, Ratio>,
}

impl<'f> Measures<'f> {
    fn of(histories: &[History<'f>], window: Window) -> Self {
        let slice = Slice { histories, window };
        Self {
            deployment_frequency: deployment_frequency::deployment_frequency(slice),
            lead_time: lead_time::lead_time(slice),
            change_fail_rate: change_fail_rate::change_fail_rate(slice),
            recovery_time: recovery_time::recovery_time(slice),
            rework_rate: rework_rate::rework_rate(slice),
        }
    }

    /// Whether the window holds nothing of it: nothing counted and nothing left out.
    pub(crate) fn is_empty(&self) -> bool {
        fn none<T>(explained: &Explained<'_, T>) -> bool {
            explained.counted.is_empty() && explained.left_out.is_empty()
        }
        none(&self.deployment_frequency) && none(&self.lead_time) && none(&self.recovery_time)
    }
}
