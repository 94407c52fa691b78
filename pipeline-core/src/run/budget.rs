use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::graph::StageIndex;
use super::input::Moment;
use super::stage_state::StageState;
use super::state::RunState;
use crate::{Effect, EnvironmentName, PoolName};

/// What one round of decisions may give out.
#[derive(Debug)]
pub(super) struct Budget {
    /// How many attempts may begin.
    free: u32,
    /// How many this worker has room for, whatever the run's own limit says.
    room: u32,
    /// How many slots are left of each pool.
    pools: BTreeMap<PoolName, u32>,
    /// Environments that were granted in this round.
    pub(super) granted: Vec<EnvironmentName>,
}

impl Budget {
    pub(super) fn of(state: &RunState, moment: Moment) -> Self {
        let at_work = u32::try_from(state.counts.running).unwrap_or(u32::MAX);
        let own = state.graph.plan.limits.parallel.unwrap_or(u32::MAX);
        let pools = state.graph.plan.pools.iter().map(|(name, pool)| {
            let taken = state.pools.get(name).map_or(0, |pool| pool.slots.len());
            let taken = u32::try_from(taken).unwrap_or(u32::MAX);
            (name.clone(), pool.capacity.saturating_sub(taken))
        });
        Self {
            free: match moment.leaving {
                true => 0,
                false => own.saturating_sub(at_work).min(moment.free),
            },
            room: if moment.leaving { 0 } else { moment.free },
            pools: pools.collect(),
            granted: Vec::new(),
        }
    }

    /// How many of those that wait are worth a look: each may find that its pool has nothing left.
    pub(super) fn look_at(&self) -> usize {
        match self.free {
            0 => 0,
            free if self.pools.is_empty() => free as usize,
            _ => usize::MAX,
        }
    }

    /// Whether this many attempts may find that not all of them can begin.
    pub(super) fn may_run_out(&self, attempts: usize) -> bool {
        !self.pools.is_empty() || (self.free as usize) < attempts
    }

    /// Takes what an attempt of the stage needs, if all of it is there. A stage may have a slot already.
    pub(super) fn take(&mut self, state: &RunState, index: StageIndex) -> bool {
        if self.free == 0 {
            return false;
        }
        let pools = &state.planned(index).pools;
        let needs = |pool: &&PoolName| !state.has_slot(pool, index);
        let there = pools
            .iter()
            .filter(needs)
            .all(|pool| self.pools.get(pool).is_some_and(|left| *left > 0));
        if !there {
            return false;
        }
        for pool in pools.iter().filter(needs) {
            if let Some(left) = self.pools.get_mut(pool) {
                *left -= 1;
            }
        }
        self.take_one()
    }

    /// Takes what an attempt needs that needs no slot of a pool.
    pub(super) fn take_one(&mut self) -> bool {
        if self.free == 0 {
            return false;
        }
        self.free -= 1;
        self.room = self.room.saturating_sub(1);
        true
    }

    /// Takes what an interrupted attempt needs to be begun again: it counts in the run already, and has its slots.
    pub(super) fn take_again(&mut self) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        self.free = self.free.min(self.room);
        true
    }
}

impl RunState {
    pub(super) fn has_slot(&self, pool: &PoolName, index: StageIndex) -> bool {
        let key = (self.id.clone(), self.planned(index).name.clone());
        self.pools
            .get(pool)
            .is_some_and(|pool| pool.slots.contains_key(&key))
    }

    /// Stages that were looked at and are still ready wait for a slot, unless they are being prepared.
    pub(super) fn queue_ready(&mut self, looked_at: &[StageIndex], moment: Moment) {
        for &index in looked_at {
            let ready = matches!(self.stage_state(index), StageState::Ready);
            if ready && !self.needs_preparation(index) {
                self.queued
                    .insert((Reverse(self.priorities[index as usize]), index));
            } else if self.is_interrupted(index) {
                self.attention.push(index);
            }
        }
        if self.queued.is_empty() {
            return;
        }
        // What must be prepared first is, now that there is a slot.
        let mut budget = Budget::of(self, moment);
        let mut ahead = Vec::new();
        for &entry in &self.queued {
            if budget.free == 0 {
                break;
            }
            let prepares = self.needs_preparation(entry.1);
            // What another stage keeps from its environment is woken by that one's end, and takes no slot meanwhile.
            let busy = prepares && self.is_busy_for(entry.1);
            let slot = !busy && budget.take(self, entry.1);
            if busy || slot && prepares {
                ahead.push(entry);
            }
        }
        for entry in ahead {
            self.queued.remove(&entry);
            self.touched.push(entry.1);
        }
    }

    /// Whether an older delivery began it, and this one is to begin it again.
    fn is_interrupted(&self, index: StageIndex) -> bool {
        let harmless = || matches!(self.planned(index).effect, Effect::Pure | Effect::Idempotent);
        matches!(self.stage_state(index), StageState::Running(attempt) if attempt.epoch < self.epoch)
            && harmless()
    }

    /// A stage that was prepared and found no slot waits for one.
    pub(super) fn queue_prepared(&mut self, index: StageIndex, moment: Moment) {
        let ready = self
            .stages
            .get(index as usize)
            .is_some_and(|record| matches!(record.state, StageState::Ready));
        if ready && !Budget::of(self, moment).take(self, index) {
            self.queued
                .insert((Reverse(self.priorities[index as usize]), index));
        }
    }

    /// Whether a decision may need random bits.
    #[cfg(feature = "runtime")]
    pub(crate) fn takes_chances(&self) -> bool {
        self.graph.retries
    }

    /// Whether a stage is ready, and nothing but what the run knows decides whether its outcome can be reused.
    #[cfg(feature = "runtime")]
    pub(crate) fn is_simply_pure(&self, index: StageIndex) -> bool {
        if !matches!(self.stage_state(index), StageState::Ready) {
            return false;
        }
        let stage = self.planned(index);
        stage.effect == Effect::Pure
            && stage.environment.is_none()
            && stage.gates.is_empty()
            && stage.each.is_none()
            && self.must_not_begin(index).is_none()
    }

    /// Whether one of the ready stages finds its pools with something left.
    pub(super) fn some_can_begin(&self) -> bool {
        if self.pools.is_empty() {
            return true;
        }
        let moment = Moment::from(crate::Timestamp::UNIX_EPOCH);
        (0..self.stages.len() as StageIndex).any(|index| {
            matches!(self.stage_state(index), StageState::Ready) && Budget::of(self, moment).take(self, index)
        })
    }

    /// Whether a stage waits for a free slot.
    pub(super) fn is_in_line(&self, index: StageIndex) -> bool {
        !self.queued.is_empty()
            && self
                .queued
                .contains(&(Reverse(self.priorities[index as usize]), index))
    }

    /// Whether stages wait for nothing but a free slot.
    pub fn waits_for_slot(&self) -> bool {
        !self.queued.is_empty() || self.attention.iter().any(|&index| self.is_interrupted(index))
    }
}
