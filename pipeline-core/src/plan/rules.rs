use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{FactName, Failure, SignedDuration, StageName};

/// When a stage runs, by how the stages that it waits for ended. It waits for all of them in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// When all of them succeeded.
    #[default]
    Success,
    /// Whatever happened. It is part of the clean-up: it runs when the run stops, too, unless that was before a
    /// worker took it.
    Always,
    /// When one of them did not succeed. It is part of the clean-up: it runs when the run stops, too.
    Failure,
}

impl When {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the stage is part of the clean-up.
    pub fn is_clean_up(self) -> bool {
        self != Self::Success
    }
}

/// What the first failure does to the rest of a run. Clean-up stages run in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// Nothing new begins; what goes on may end.
    #[default]
    Finish,
    /// Nothing new begins, and what goes on is asked to stop: fail fast.
    Stop,
    /// Only what depends on the failed stage is left out.
    Continue,
}

impl FailurePolicy {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What runs of one pipeline do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueMode {
    /// They run side by side; an environment is still for one at a time.
    #[default]
    Parallel,
    /// One at a time, in the order in which they were created.
    Queue,
    /// One at a time; of those that wait only the newest is kept.
    Supersede,
}

impl QueueMode {
    /// Whether it is the default.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much of a run may go on at once, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunLimits {
    /// How many stages may be at work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// How long the run may take, in seconds, from its creation. Then it is cancelled, and counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// How long the clean-up may take, in seconds, from when the run began to stop. Then it is stopped, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clean_up_seconds: Option<u64>,
}

impl RunLimits {
    /// Whether nothing is limited.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A pool: something of which there is only so much, such as licences, test rigs, or one Terraform state. Its name
/// is shared by all pipelines of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPool {
    /// How many attempts may have a slot at once.
    pub capacity: u32,
}

/// What happens after a failed attempt.
///
/// Before attempt *n* + 1 the run waits `delay` × `factor` to the power of *n* - 1, at most `most`, less a share of up to
/// `jitter` that chance takes away. A definite failure makes the next attempt a new generation, with a new
/// [key](crate::IdempotencyKey); where it is unknown what happened, the key stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryPolicy {
    /// How many attempts there may be, the first included.
    pub attempts: u32,
    /// Which failures are worth another attempt. An unknown end counts only where a repetition does no harm.
    #[serde(default = "worth_it")]
    pub on: Vec<Failure>,
    /// The first wait, in seconds.
    #[serde(default = "one_second")]
    pub delay_seconds: u64,
    /// What each wait is multiplied by to get the next one.
    #[serde(default = "two")]
    pub factor: u32,
    /// The longest wait, in seconds.
    #[serde(default = "five_minutes")]
    pub most_seconds: u64,
    /// How much of a wait chance may take away, in percent.
    #[serde(default = "half")]
    pub jitter_percent: u8,
    /// No attempt is due later than this after the first one began, in seconds. One that finds no free slot, or nobody
    /// who drives the run, begins later all the same. Where a person decided that an effect did not happen, what follows
    /// counts as the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_seconds: Option<u64>,
}

fn worth_it() -> Vec<Failure> {
    vec![Failure::Errored, Failure::Unknown]
}

fn one_second() -> u64 {
    1
}

fn two() -> u32 {
    2
}

fn five_minutes() -> u64 {
    300
}

fn half() -> u8 {
    50
}

impl RetryPolicy {
    /// A policy with this many attempts, the first included.
    pub fn new(attempts: u32) -> Self {
        Self {
            attempts,
            on: worth_it(),
            delay_seconds: one_second(),
            factor: two(),
            most_seconds: five_minutes(),
            jitter_percent: half(),
            budget_seconds: None,
        }
    }

    /// How long to wait after this many failed attempts; `chance` takes the jitter away.
    ///
    /// ```
    /// use pipeline_core::{RetryPolicy, SignedDuration};
    ///
    /// let policy = RetryPolicy { jitter_percent: 0, ..RetryPolicy::new(5) };
    /// let waits: Vec<_> = (1..=4).map(|failures| policy.wait(failures, 0).as_secs()).collect();
    /// assert_eq!(waits, [1, 2, 4, 8]);
    ///
    /// let policy = RetryPolicy::new(5);
    /// assert_eq!(policy.wait(3, 0), SignedDuration::from_secs(4));
    /// assert!(policy.wait(3, u64::MAX) >= SignedDuration::from_secs(2));
    /// ```
    pub fn wait(&self, failures: u32, chance: u64) -> SignedDuration {
        let growth = u64::from(self.factor).saturating_pow(failures.saturating_sub(1));
        let seconds = self.delay_seconds.saturating_mul(growth).min(self.most_seconds);
        // A day is 8.64e7 ms: far from where 128 bits end.
        let most = u128::from(seconds) * 1_000;
        let share = most * u128::from(self.jitter_percent.min(100)) / 100;
        let less = share * u128::from(chance >> 32) / u128::from(u32::MAX);
        SignedDuration::from_millis(i64::try_from(most - less).unwrap_or(i64::MAX))
    }
}

/// The list that a stage runs over: one instance for each item, all at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Each {
    /// Where the list comes from.
    pub items: Items,
    /// How many items there may be; a longer list fails the stage.
    #[serde(default = "Each::default_most")]
    pub most: u32,
}

/// Where the list of a stage comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Items {
    /// It is known: a matrix.
    Values(Vec<Value>),
    /// An earlier stage reports it as a fact: a list.
    Fact {
        /// The stage, which this one waits for.
        stage: StageName,
        /// The fact.
        fact: FactName,
    },
}

impl Each {
    /// The items of a matrix.
    pub fn values(values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self {
            items: Items::Values(values.into_iter().map(Into::into).collect()),
            most: Self::default_most(),
        }
    }

    /// The list that an earlier stage reports.
    pub fn fact(stage: StageName, fact: FactName) -> Self {
        Self {
            items: Items::Fact { stage, fact },
            most: Self::default_most(),
        }
    }

    fn default_most() -> u32 {
        256
    }
}
