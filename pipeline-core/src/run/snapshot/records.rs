//! What is known of the stages: most of them have not begun, or ended well at the first attempt.

use std::sync::Arc;

use super::wire::{Reader, Wire, as_json, fields, put_json, put_signed, take_json};
use crate::run::event::{ActionPlanned, GateVerdict, GatesEvaluated, StageResult, StartDetails};
use crate::run::result_form::{plain, shared};
use crate::run::stage_state::{Attempt, Backoff, StageEnd, StageState};
use crate::run::state::{StageExtra, StageRecord, Stamp};
use crate::{Approval, Failure, Fence, Outcome};

const PENDING: u8 = 0;
const SUCCEEDED: u8 = 1;
const OTHER: u8 = 2;

pub(super) fn put_records(records: &[StageRecord], out: &mut Vec<u8>) {
    let mut last = 0;
    records.len().put(out);
    for record in records {
        put_record(record, &mut last, out);
    }
}

pub(super) fn take_records(reader: &mut Reader<'_>) -> Option<Vec<StageRecord>> {
    let count = reader.count()?;
    // A plan may grow by the instances of its lists.
    let mut records = Vec::with_capacity(count);
    let mut last = 0;
    for _ in 0..count {
        records.push(take_record(reader, &mut last)?);
    }
    Some(records)
}

fn put_record(record: &StageRecord, last: &mut i64, out: &mut Vec<u8>) {
    let StageRecord {
        state,
        attempts,
        generation,
        output,
        extra,
        started,
        ended,
    } = record;
    let bare = output.is_none() && extra.is_none() && *generation == 1;
    match state {
        StageState::Pending { open } if bare && *attempts == 0 && *started == Stamp::NEVER => {
            out.push(PENDING);
            open.put(out);
        }
        StageState::Done(StageEnd::Completed { outcome }) if bare && *attempts == 1 && outcome.is_plain() => {
            out.push(SUCCEEDED);
            put_stamp(*started, last, out);
            put_stamp(*ended, last, out);
        }
        state => {
            out.push(OTHER);
            state.put(out);
            attempts.put(out);
            generation.put(out);
            output.put(out);
            extra.put(out);
            put_stamp(*started, last, out);
            put_stamp(*ended, last, out);
        }
    }
}

fn take_record(reader: &mut Reader<'_>, last: &mut i64) -> Option<StageRecord> {
    match reader.byte()? {
        PENDING => {
            let open = u32::take(reader)?;
            Some(StageRecord::new(StageState::Pending { open }))
        }
        SUCCEEDED => Some(StageRecord {
            state: StageState::Done(StageEnd::Completed { outcome: plain() }),
            attempts: 1,
            generation: 1,
            output: None,
            extra: None,
            started: take_stamp(reader, last)?,
            ended: take_stamp(reader, last)?,
        }),
        OTHER => Some(StageRecord {
            state: Wire::take(reader)?,
            attempts: Wire::take(reader)?,
            generation: Wire::take(reader)?,
            output: Wire::take(reader)?,
            extra: Wire::take(reader)?,
            started: take_stamp(reader, last)?,
            ended: take_stamp(reader, last)?,
        }),
        _ => None,
    }
}

/// Stages that follow each other began and ended at about the same time: the difference is short.
fn put_stamp(stamp: Stamp, last: &mut i64, out: &mut Vec<u8>) {
    put_signed(out, stamp.0.wrapping_sub(*last));
    *last = stamp.0;
}

fn take_stamp(reader: &mut Reader<'_>, last: &mut i64) -> Option<Stamp> {
    *last = last.wrapping_add(reader.signed()?);
    Some(Stamp(*last))
}

impl Wire for StageState {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Pending { open } => {
                out.push(0);
                open.put(out);
            }
            Self::Ready => out.push(1),
            Self::Held { verdicts, earliest } => {
                out.push(2);
                put_json(out, verdicts);
                earliest.put(out);
            }
            Self::Backoff(backoff) => {
                out.push(3);
                backoff.put(out);
            }
            Self::Expanded { open } => {
                out.push(4);
                open.put(out);
            }
            Self::Running(attempt) => {
                out.push(5);
                attempt.put(out);
            }
            Self::Lost(attempt) => {
                out.push(6);
                attempt.put(out);
            }
            Self::Unknown { attempt, reason } => {
                out.push(7);
                attempt.put(out);
                reason.put(out);
            }
            Self::Done(end) => {
                out.push(8);
                end.put(out);
            }
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            0 => Self::Pending {
                open: Wire::take(reader)?,
            },
            1 => Self::Ready,
            2 => Self::Held {
                verdicts: take_json::<Vec<GateVerdict>>(reader)?.into(),
                earliest: Wire::take(reader)?,
            },
            3 => Self::Backoff(Wire::take(reader)?),
            4 => Self::Expanded {
                open: Wire::take(reader)?,
            },
            5 => Self::Running(Wire::take(reader)?),
            6 => Self::Lost(Wire::take(reader)?),
            7 => Self::Unknown {
                attempt: Wire::take(reader)?,
                reason: Wire::take(reader)?,
            },
            8 => Self::Done(Wire::take(reader)?),
            _ => return None,
        })
    }
}

impl Wire for StageEnd {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Completed { outcome } => {
                out.push(0);
                put_json(out, outcome);
            }
            Self::Reused { outcome, from } => {
                out.push(1);
                put_json(out, outcome);
                from.put(out);
            }
            Self::Failed { failure, error } => {
                out.push(2);
                failure.put(out);
                error.put(out);
            }
            Self::Cancelled { reason } => {
                out.push(3);
                reason.put(out);
            }
            Self::Skipped {
                cause,
                reason,
                denied,
            } => {
                out.push(4);
                cause.put(out);
                reason.put(out);
                denied.put(out);
            }
            Self::Accepted { comment } => {
                out.push(5);
                comment.put(out);
            }
        }
    }

    fn take(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.byte()? {
            0 => Self::Completed {
                outcome: take_outcome(reader)?,
            },
            1 => Self::Reused {
                outcome: take_outcome(reader)?,
                from: Wire::take(reader)?,
            },
            2 => Self::Failed {
                failure: Wire::take(reader)?,
                error: Wire::take(reader)?,
            },
            3 => Self::Cancelled {
                reason: Wire::take(reader)?,
            },
            4 => Self::Skipped {
                cause: Wire::take(reader)?,
                reason: Wire::take(reader)?,
                denied: Wire::take(reader)?,
            },
            5 => Self::Accepted {
                comment: Wire::take(reader)?,
            },
            _ => return None,
        })
    }
}

fn take_outcome(reader: &mut Reader<'_>) -> Option<Arc<Outcome>> {
    take_json(reader).map(shared)
}

as_json!(
    ActionPlanned,
    Approval,
    Failure,
    Fence,
    GatesEvaluated,
    StageResult
);

fields! {
    Attempt { attempt, generation, epoch, since, details }
    Backoff { until, attempt, result }
    StartDetails { fence, fingerprint, action_plan, approvals, deadline }
    StageExtra { approvals, planned, plans_in_a_row, gates, vouched, failures, first_began }
}
