use crate::reduce::{between, interpolate, mean, place};
use crate::{Aggregate, Durations};

/// Times in microseconds, sorted: in pieces, so that one more moves only its piece.
#[derive(Debug, Clone, Default)]
pub(super) struct Ordered {
    pieces: Vec<Vec<i64>>,
    /// The length of each piece, beside each other, since a place is looked for by them.
    lengths: Vec<u32>,
    sum: i128,
    count: usize,
}

/// How long a piece may get before it is cut in two.
const LONGEST: usize = 2_048;

impl Ordered {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, time: i64) {
        self.sum += i128::from(time);
        self.count += 1;
        let found = self
            .pieces
            .partition_point(|piece| piece.last().is_some_and(|&last| last < time));
        let at = found.min(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![time]);
            self.lengths.push(1);
            return;
        };
        piece.insert(piece.partition_point(|&other| other < time), time);
        self.lengths[at] += 1;
        if piece.len() > LONGEST {
            let upper = piece.split_off(LONGEST / 2);
            self.lengths[at] = piece.len() as u32;
            self.lengths.insert(at + 1, upper.len() as u32);
            self.pieces.insert(at + 1, upper);
        }
    }

    /// Takes out one such time, if there is one.
    pub(super) fn remove(&mut self, time: i64) {
        let at = self
            .pieces
            .partition_point(|piece| piece.last().is_some_and(|&last| last < time));
        let Some(piece) = self.pieces.get_mut(at) else {
            return;
        };
        let Ok(place) = piece.binary_search(&time) else {
            return;
        };
        piece.remove(place);
        self.sum -= i128::from(time);
        self.count -= 1;
        self.lengths[at] -= 1;
        if piece.is_empty() {
            self.pieces.remove(at);
            self.lengths.remove(at);
        }
    }

    fn nth(&self, mut place: usize) -> Option<i64> {
        for (piece, &length) in self.pieces.iter().zip(&self.lengths) {
            match place.checked_sub(length as usize) {
                None => return piece.get(place).copied(),
                Some(rest) => place = rest,
            }
        }
        None
    }

    /// The same numbers as [`Durations::of`] of the same times.
    pub(super) fn durations(&self, aggregate: Aggregate) -> Option<Durations> {
        let middle = self.count / 2;
        let upper = self.nth(middle)?;
        let median_ms = if self.count % 2 == 1 {
            upper as f64 / 1000.0
        } else {
            between(self.nth(middle - 1)?, upper)
        };
        let mean_ms = mean(self.sum, self.count)?;
        let ms = match aggregate {
            Aggregate::Median => median_ms,
            Aggregate::Mean => mean_ms,
            Aggregate::LowerMedian => self.nth((self.count - 1) / 2)? as f64 / 1000.0,
            Aggregate::Percentile(percent) => {
                let (place, part) = place(self.count, percent)?;
                let lower = self.nth(place)?;
                let upper = if part > 0.0 { self.nth(place + 1)? } else { lower };
                interpolate(lower, upper, part)
            }
        };
        Some(Durations {
            ms,
            median_ms,
            mean_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_sorted_list(steps in proptest::collection::vec((any::<bool>(), -40..40_i64), 0..300), large in 0..5_000_i64) {
            let (mut ordered, mut list) = (Ordered::default(), Vec::new());
            for time in 0..large {
                ordered.insert(time * 7 % 1_000);
                list.push(time * 7 % 1_000);
            }
            for (insert, time) in steps {
                if insert {
                    ordered.insert(time);
                    list.push(time);
                } else {
                    ordered.remove(time);
                    if let Some(at) = list.iter().position(|&other| other == time) {
                        list.swap_remove(at);
                    }
                }
            }
            prop_assert_eq!(ordered.len(), list.len());
            for aggregate in [Aggregate::Median, Aggregate::LowerMedian, Aggregate::Mean, Aggregate::Percentile(85.0)] {
                prop_assert_eq!(ordered.durations(aggregate), Durations::of(&mut list, aggregate));
            }
        }
    }
}
