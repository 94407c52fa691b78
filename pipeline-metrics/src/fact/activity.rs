use jiff::{SignedDuration, Timestamp};

use super::FactSource;

/// An environment is there, from one moment to another. Its name and `since` name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnvironmentUse<'a> {
    /// The environment.
    pub environment: &'a str,
    /// Whether users are there, if that is known.
    pub production: Option<bool>,
    /// Since when it is there.
    pub since: Timestamp,
    /// Until when; `None` while it is there.
    pub until: Option<Timestamp>,
    /// Where it was read.
    pub source: FactSource<'a>,
}

/// A stage of a run, a block of a value stream: something waits, is worked on, and is handed on. Its id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageTime<'a> {
    /// Names it among all stage times.
    pub id: &'a str,
    /// The component.
    pub component: &'a str,
    /// What goes through the stages, such as a run or a ticket.
    pub item: &'a str,
    /// The stage.
    pub stage: &'a str,
    /// When the item was there and could have been worked on; `None` where it was at `started`.
    pub ready: Option<Timestamp>,
    /// When work began.
    pub started: Timestamp,
    /// When it was handed on.
    pub finished: Timestamp,
    /// How much of the time it was worked on; `None` where all the time from `started`.
    pub process: Option<SignedDuration>,
    /// What it waited for, such as `approval: change board`.
    pub waited_for: Option<&'a str>,
    /// Who worked on it.
    pub by: Option<&'a str>,
    /// Whether whoever received it could use it as it was.
    pub accurate: Option<bool>,
    /// Where it was read.
    pub source: FactSource<'a>,
}

/// Work by hand. Its id names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManualWork<'a> {
    /// Names it among all manual work.
    pub id: &'a str,
    /// The component.
    pub component: &'a str,
    /// What was done, such as `restart` or `approve`.
    pub task: &'a str,
    /// Who did it.
    pub by: Option<&'a str>,
    /// When it began.
    pub started: Timestamp,
    /// How long it took.
    pub spent: SignedDuration,
    /// Whether a machine could do it.
    pub toil: bool,
    /// Where it was read.
    pub source: FactSource<'a>,
}
