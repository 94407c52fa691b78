//! Everybody does the same work in turns; who is slow sits most rounds out.

use super::ground::Timed;
use crate::Failure;
use crate::report::{Figure, Sink};
use crate::rounds::Samples;

/// Does the work once, from fresh.
pub(super) type Run<'a> = Box<dyn FnMut() -> Result<Timed, Failure> + 'a>;

struct Entrant<'a> {
    name: String,
    /// In how many rounds it takes part; those that are in all have a warm-up before.
    rounds: usize,
    run: Run<'a>,
}

/// Who takes part.
pub(super) struct Race<'a> {
    what: &'a str,
    rounds: usize,
    entrants: Vec<Entrant<'a>>,
}

/// How long everybody took.
pub(super) struct Finish<'a> {
    what: &'a str,
    names: Vec<String>,
    wall: Samples,
    durable: Samples,
}

impl<'a> Race<'a> {
    /// So many rounds for those that are in all of them.
    pub(super) fn new(what: &'a str, rounds: usize) -> Self {
        Self {
            what,
            rounds,
            entrants: Vec::new(),
        }
    }

    /// Takes part in all rounds.
    pub(super) fn all(&mut self, name: &str, run: Run<'a>) {
        self.some(name, self.rounds, run);
    }

    /// Takes part in the first rounds.
    pub(super) fn some(&mut self, name: &str, rounds: usize, run: Run<'a>) {
        let (name, rounds) = (name.to_owned(), rounds.min(self.rounds));
        self.entrants.push(Entrant { name, rounds, run });
    }

    pub(super) fn run(mut self) -> Result<Finish<'a>, Failure> {
        let (mut wall, mut durable) = (Samples::of(self.entrants.len()), Samples::of(self.entrants.len()));
        for round in 0..=self.rounds {
            let mut times = Vec::with_capacity(self.entrants.len());
            for entrant in &mut self.entrants {
                let takes_part = match round {
                    0 => entrant.rounds == self.rounds,
                    _ => round <= entrant.rounds,
                };
                let none = Timed {
                    wall: f64::NAN,
                    durable: f64::NAN,
                };
                let time = if takes_part { (entrant.run)() } else { Ok(none) };
                times.push(time.map_err(|why| format!("{}, {}: {why}", self.what, entrant.name))?);
            }
            if round > 0 {
                wall.push(&times.iter().map(|time| time.wall).collect::<Vec<_>>());
                durable.push(&times.iter().map(|time| time.durable).collect::<Vec<_>>());
            }
        }
        let names = self.entrants.into_iter().map(|entrant| entrant.name).collect();
        Ok(Finish {
            what: self.what,
            names,
            wall,
            durable,
        })
    }
}

/// Which of the two times counts.
#[derive(Clone, Copy)]
pub(super) enum Counts {
    Wall,
    Durable,
}

impl Finish<'_> {
    fn samples(&self, counts: Counts) -> &Samples {
        match counts {
            Counts::Wall => &self.wall,
            Counts::Durable => &self.durable,
        }
    }

    /// Tells how long everybody took.
    pub(super) fn told(&self, sink: &mut dyn Sink, counts: Counts) -> Result<(), Failure> {
        let until = match counts {
            Counts::Wall => "",
            Counts::Durable => ", durable",
        };
        for (at, name) in self.names.iter().enumerate() {
            let seconds = self.samples(counts).median(at);
            sink.figure(Figure::told(
                format!("{}{until}: {name}", self.what),
                seconds,
                "s",
            ))?;
        }
        Ok(())
    }

    /// The one against the other, in the rounds that both took part in. Who did not start is said to be absent.
    pub(super) fn ratio(
        &self,
        sink: &mut dyn Sink,
        counts: Counts,
        (one, other): (&str, &str),
        limit: Option<f64>,
    ) -> Result<(), Failure> {
        let place = |name: &str| self.names.iter().position(|here| here == name);
        let name = format!("{}: {one} / {other}", self.what);
        let one = place(one).ok_or("nobody of this name takes part")?;
        let Some(other) = place(other) else {
            return Ok(()); // it was said that it is not installed
        };
        let ratio = self.samples(counts).ratio(one, other);
        sink.figure(match limit {
            Some(limit) => Figure::at_most(limit, name, ratio, "x"),
            None => Figure::told(name, ratio, "x"),
        })?;
        Ok(())
    }
}
