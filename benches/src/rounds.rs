//! Who is measured takes turns, and the median counts.
//!
//! A machine is fast now and slow a second later. In a round everybody is measured once, one after the other, so that
//! a ratio compares what was measured at nearly the same time; the median over the rounds is the figure.

use std::time::Duration;

use crate::Failure;
use crate::threads::Stopwatch;

/// Does its work once, from fresh, and tells how long the part took that counts.
pub type Contender<'a> = Box<dyn FnMut() -> Result<Duration, Failure> + 'a>;

/// How many rounds there are.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// So many, however long they take.
    pub at_least: usize,
    /// No more than so many.
    pub at_most: usize,
    /// None is begun after this time, when there were enough.
    pub budget: Duration,
}

impl Rounds {
    /// The rounds of one measure: a warm-up, which has number 0 and does not count, then the others.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let watch = Stopwatch::start();
        (0..=self.at_most).take_while(move |&round| round <= self.at_least || watch.elapsed() < self.budget)
    }
}

/// What was measured: for each contender one value a round, in seconds or whatever they gave. Who sits a round out has
/// a value there that is no number.
#[derive(Debug)]
pub struct Samples(Vec<Vec<f64>>);

impl Samples {
    /// Measures all contenders in turns.
    ///
    /// # Errors
    ///
    /// When one of them fails.
    pub fn take(rounds: Rounds, contenders: &mut [Contender<'_>]) -> Result<Self, Failure> {
        let mut samples = Self::of(contenders.len());
        for round in rounds.iter() {
            let mut times = Vec::with_capacity(contenders.len());
            for contender in &mut *contenders {
                times.push(contender()?.as_secs_f64());
            }
            if round > 0 {
                samples.push(&times);
            }
        }
        Ok(samples)
    }

    /// No samples yet of so many contenders.
    pub fn of(contenders: usize) -> Self {
        Self(vec![Vec::new(); contenders])
    }

    /// Adds a round.
    pub fn push(&mut self, values: &[f64]) {
        for (samples, value) in self.0.iter_mut().zip(values) {
            samples.push(*value);
        }
    }

    /// The median of a contender.
    pub fn median(&self, of: usize) -> f64 {
        median(self.0[of].clone())
    }

    /// The largest value of a contender.
    pub fn largest(&self, of: usize) -> f64 {
        self.0[of].iter().copied().fold(f64::NAN, f64::max)
    }

    /// The median of the ratios of two contenders, each within its round.
    pub fn ratio(&self, of: usize, to: usize) -> f64 {
        let rounds = self.0[of].iter().zip(&self.0[to]);
        median(rounds.map(|(of, to)| of / to).collect())
    }
}

/// The middle value, or the mean of the two in the middle; not a number when there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Rounds = Rounds {
        at_least: 3,
        at_most: 5,
        budget: Duration::ZERO,
    };

    #[test]
    fn the_first_round_does_not_count_and_a_spent_budget_ends_them() {
        assert_eq!(FEW.iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
        let rich = Rounds {
            budget: Duration::MAX,
            ..FEW
        };
        assert_eq!(rich.iter().count(), 6);
    }

    #[test]
    fn contenders_take_turns_and_ratios_stay_within_a_round() {
        let turns = std::cell::RefCell::new(String::new());
        let contender = |name: char, times: [u64; 4]| {
            let (turns, mut times) = (&turns, times.into_iter());
            Box::new(move || {
                turns.borrow_mut().push(name);
                Ok(Duration::from_secs(times.next().ok_or("too many rounds")?))
            }) as Contender<'_>
        };
        // The machine is ten times slower in the second round that counts, and the last sample is an outlier.
        let mut contenders = [contender('a', [9, 1, 10, 2]), contender('b', [1, 2, 20, 40])];
        let samples = Samples::take(FEW, &mut contenders).unwrap();
        drop(contenders);
        assert_eq!(turns.into_inner(), "abababab");
        assert_eq!(
            (samples.median(0), samples.largest(0), samples.median(1)),
            (2.0, 10.0, 20.0)
        );
        assert_eq!(samples.ratio(1, 0), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(
            median(vec![f64::NAN, 3.0, f64::NAN]),
            3.0,
            "who sat out does not count"
        );
    }
}
