use super::drive_state::Flight;
use crate::run::StageIndex;

/// The tasks that work for stages, one a stage at most, found by the stage's number: nothing is hashed.
#[derive(Default)]
pub(super) struct Flights {
    /// For each stage its place in `flights`, counted from 1; 0 for none.
    places: Vec<u32>,
    flights: Vec<(StageIndex, Flight)>,
}

impl Flights {
    fn place(&self, stage: StageIndex) -> Option<usize> {
        match self.places.get(stage as usize) {
            None | Some(0) => None,
            Some(place) => Some(*place as usize - 1),
        }
    }

    pub(super) fn get(&self, stage: StageIndex) -> Option<&Flight> {
        Some(&self.flights[self.place(stage)?].1)
    }

    pub(super) fn get_mut(&mut self, stage: StageIndex) -> Option<&mut Flight> {
        let place = self.place(stage)?;
        Some(&mut self.flights[place].1)
    }

    pub(super) fn contains(&self, stage: StageIndex) -> bool {
        self.place(stage).is_some()
    }

    /// Adds a task in place of the one that the stage has.
    pub(super) fn insert(&mut self, stage: StageIndex, flight: Flight) {
        if let Some(known) = self.get_mut(stage) {
            *known = flight;
            return;
        }
        let at = stage as usize;
        if self.places.len() <= at {
            self.places.resize(at + 1, 0);
        }
        self.flights.push((stage, flight));
        self.places[at] = self.flights.len() as u32;
    }

    pub(super) fn remove(&mut self, stage: StageIndex) -> Option<Flight> {
        let place = self.place(stage)?;
        let (_, flight) = self.flights.swap_remove(place);
        self.places[stage as usize] = 0;
        if let Some((moved, _)) = self.flights.get(place) {
            self.places[*moved as usize] = place as u32 + 1;
        }
        Some(flight)
    }

    pub(super) fn len(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().map(|(_, flight)| flight)
    }

    /// Removes all but some.
    pub(super) fn retain(&mut self, keep: impl Fn(&Flight) -> bool) {
        let gone = self.flights.iter().filter(|(_, flight)| !keep(flight));
        let gone: Vec<_> = gone.map(|(stage, _)| *stage).collect();
        for stage in gone {
            self.remove(stage);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::drive_state::FlightKind;
    use super::*;

    fn flight(task: u64) -> Flight {
        Flight {
            task,
            kind: FlightKind::Unstarted,
        }
    }

    proptest! {
        #[test]
        fn they_are_a_map(steps in prop::collection::vec((0_u32..12, 0_u8..4), 0..60)) {
            let (mut flights, mut model) = (Flights::default(), BTreeMap::new());
            for (task, (stage, step)) in (0..).zip(steps) {
                match step {
                    0 | 1 => {
                        flights.insert(stage, flight(task));
                        model.insert(stage, task);
                    }
                    2 => {
                        let removed = flights.remove(stage).map(|flight| flight.task);
                        prop_assert_eq!(removed, model.remove(&stage));
                    }
                    _ => {
                        flights.retain(|flight| flight.task % 3 != 0);
                        model.retain(|_, task| *task % 3 != 0);
                    }
                }
                for stage in 0..12 {
                    let task = flights.get(stage).map(|flight| flight.task);
                    prop_assert_eq!(task, model.get(&stage).copied());
                    prop_assert_eq!(flights.contains(stage), task.is_some());
                }
                prop_assert_eq!((flights.len(), flights.is_empty()), (model.len(), model.is_empty()));
                let mut tasks: Vec<_> = flights.iter().map(|flight| flight.task).collect();
                tasks.sort_unstable();
                let mut known: Vec<_> = model.values().copied().collect();
                known.sort_unstable();
                prop_assert_eq!(tasks, known);
            }
        }
    }
}
