use std::collections::HashSet;

use jiff::SignedDuration;
use serde::Serialize;

/// A step of a value stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// From when it accepts work until it hands it off.
    pub lead: SignedDuration,
    /// How much of that is uninterrupted work, if it is known.
    pub process: Option<SignedDuration>,
    /// The share of what it hands off that the next step can use as it is, 0 to 1, if it is known.
    pub complete_accurate: Option<f64>,
    /// Blocks that name the same group stand side by side.
    pub group: Option<String>,
}

/// A value stream: blocks one after another, some side by side.
///
/// ```
/// use jiff::SignedDuration;
/// use pipeline_metrics::{Block, ValueStream};
///
/// let block = |name: &str, lead, process, share, group: Option<&str>| Block {
///     name: name.to_owned(),
///     lead: SignedDuration::from_hours(lead),
///     process: Some(SignedDuration::from_hours(process)),
///     complete_accurate: Some(share),
///     group: group.map(str::to_owned),
/// };
/// let stream = ValueStream::new([
///     block("build", 10, 5, 0.8, None),
///     block("test", 30, 2, 0.5, Some("verify")),
///     block("review", 20, 8, 0.9, Some("verify")),
/// ]);
/// let totals = stream.totals();
/// // 10 hours, then the longer of 30 and 20; of the work, that of the same block: 5 + 2.
/// assert_eq!(totals.lead, SignedDuration::from_hours(40));
/// assert_eq!(totals.process, Some(SignedDuration::from_hours(7)));
/// assert_eq!(totals.activity_ratio, Some(7.0 / 40.0));
/// // All three have to be right: 0.8 × 0.5 × 0.9.
/// assert!((totals.rolled_complete_accurate.unwrap_or(0.0) - 0.36).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ValueStream {
    /// The blocks, in order; a group stands where its first block does.
    pub blocks: Vec<Block>,
}

/// The sums of a [`ValueStream`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Totals {
    /// Lead times after each other; of blocks side by side, the longest counts.
    pub lead: SignedDuration,
    /// Process times of the same blocks; `None` when that of one is not known.
    pub process: Option<SignedDuration>,
    /// Process time ÷ lead time; `None` without either.
    pub activity_ratio: Option<f64>,
    /// The share of work that goes through without any rework: the product over all blocks whose share is
    /// known; `None` when none is.
    pub rolled_complete_accurate: Option<f64>,
    /// How many blocks have no known share, and so are not in the product.
    pub unknown_shares: usize,
}

impl ValueStream {
    /// A stream of blocks.
    pub fn new(blocks: impl IntoIterator<Item = Block>) -> Self {
        Self {
            blocks: blocks.into_iter().collect(),
        }
    }

    /// The sums. The rules are those of the value stream map on dora.dev ("visibility of work in the value
    /// stream"), from *Lean Enterprise*.
    pub fn totals(&self) -> Totals {
        let path = self.path();
        let lead = path
            .iter()
            .fold(SignedDuration::ZERO, |sum, block| sum.saturating_add(block.lead));
        let process = path.iter().try_fold(SignedDuration::ZERO, |sum, block| {
            block.process.map(|process| sum.saturating_add(process))
        });
        let process = process.filter(|_| !path.is_empty());
        let shares: Vec<_> = self
            .blocks
            .iter()
            .filter_map(|block| block.complete_accurate)
            .collect();
        Totals {
            lead,
            process,
            activity_ratio: process
                .filter(|_| lead > SignedDuration::ZERO)
                .map(|process| process.as_secs_f64() / lead.as_secs_f64()),
            rolled_complete_accurate: (!shares.is_empty()).then(|| shares.iter().product()),
            unknown_shares: self.blocks.len() - shares.len(),
        }
    }

    /// The blocks that the lead time is made of: of those side by side, the longest, and of equally long ones
    /// that with more work.
    pub fn path(&self) -> Vec<&Block> {
        let mut seen = HashSet::new();
        let first = self.blocks.iter().filter(|block| match &block.group {
            Some(group) => seen.insert(group),
            None => true,
        });
        first.map(|block| self.longest_beside(block)).collect()
    }

    fn longest_beside<'b>(&'b self, block: &'b Block) -> &'b Block {
        let beside = self.blocks.iter().filter(|other| other.group == block.group);
        let longest = beside.max_by_key(|other| (other.lead, other.process));
        longest.filter(|_| block.group.is_some()).unwrap_or(block)
    }
}
