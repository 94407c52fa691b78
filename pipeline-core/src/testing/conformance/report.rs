use std::fmt;

/// Something that a contract promises, under a name that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promise {
    /// The name: words with `-` between.
    pub name: &'static str,
    /// What is promised, in a sentence.
    pub says: &'static str,
}

impl Promise {
    /// A promise under a name, for a suite of one's own.
    pub const fn new(name: &'static str, says: &'static str) -> Self {
        Self { name, says }
    }
}

/// How it stands with a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// The suite found nothing against it.
    Kept,
    /// It is broken; what was observed, each way once.
    Broken(Vec<String>),
    /// This subject does not promise it; why.
    NotPromised(String),
    /// It could not be tried; why: the suite was not given what it takes, or something before it is broken.
    NotTried(String),
}

/// What a suite found: each promise, and how it stands with it.
///
/// [`Display`](fmt::Display) shows a table for a person; [`assert_kept`](Self::assert_kept) is for tests.
///
/// A suite for a trait of one's own writes its findings into one, too:
///
/// ```
/// use pipeline_core::testing::conformance::{Promise, Report};
///
/// const COUNTS: Promise = Promise::new("counts", "it counts on from where it is");
/// const FORGETS: Promise = Promise::new("forgets", "what is cleared is gone");
///
/// let mut report = Report::new("counter", &[COUNTS, FORGETS]);
/// report.check(COUNTS, Ok(()));
/// report.check(COUNTS, Err("after 1 comes 3".to_owned())); // broken once is broken
/// report.not_tried(&[FORGETS], "it cannot be cleared");
/// assert_eq!(report.broken(), ["counts"]);
/// assert_eq!(report.not_tried_names(), ["forgets"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a report that nobody reads finds nothing"]
pub struct Report {
    subject: String,
    standings: Vec<(Promise, Standing)>,
    notes: Vec<String>,
}

/// How many observations are kept for a promise.
const OBSERVATIONS: usize = 4;

impl Report {
    /// A report on which nothing was tried yet; the promises in the order in which they are shown.
    pub fn new(subject: impl Into<String>, promises: &[Promise]) -> Self {
        let untried = || Standing::NotTried("the suite did not come so far".to_owned());
        Self {
            subject: subject.into(),
            standings: promises.iter().map(|promise| (*promise, untried())).collect(),
            notes: Vec::new(),
        }
    }

    fn standing_mut(&mut self, promise: Promise) -> Option<&mut Standing> {
        let mut standings = self.standings.iter_mut();
        standings
            .find(|(one, _)| *one == promise)
            .map(|(_, standing)| standing)
    }

    /// Notes what one look at a promise found; `Err` says what was observed. Broken once is broken. A promise that
    /// the report was not made for is left out.
    pub fn check(&mut self, promise: Promise, found: Result<(), String>) {
        let Some(standing) = self.standing_mut(promise) else {
            return;
        };
        match (found, &mut *standing) {
            (Ok(()), Standing::Broken(_)) => {}
            (Ok(()), _) => *standing = Standing::Kept,
            (Err(observed), Standing::Broken(seen)) => {
                if seen.len() < OBSERVATIONS && !seen.contains(&observed) {
                    seen.push(observed);
                }
            }
            (Err(observed), _) => *standing = Standing::Broken(vec![observed]),
        }
    }

    /// Says why this subject does not make some promises.
    pub fn not_promised(&mut self, promises: &[Promise], why: &str) {
        for promise in promises {
            if let Some(standing) = self.standing_mut(*promise) {
                *standing = Standing::NotPromised(why.to_owned());
            }
        }
    }

    /// Says why promises are not tried; those that were are left as they are.
    pub fn not_tried(&mut self, promises: &[Promise], why: &str) {
        for promise in promises {
            if let Some(standing @ Standing::NotTried(_)) = self.standing_mut(*promise) {
                *standing = Standing::NotTried(why.to_owned());
            }
        }
    }

    /// Says of all that was not tried so far that something before it is missing.
    pub fn stop(&mut self, why: &str) {
        for (_, standing) in &mut self.standings {
            if let Standing::NotTried(_) = standing {
                *standing = Standing::NotTried(why.to_owned());
            }
        }
    }

    /// Adds what else there is to know; once.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What the report is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// All promises of the suite, in its order, and how it stands with each.
    pub fn standings(&self) -> impl Iterator<Item = (&Promise, &Standing)> {
        self.standings
            .iter()
            .map(|(promise, standing)| (promise, standing))
    }

    /// How it stands with the promise of a name; `None` when the suite has none of this name.
    pub fn standing(&self, name: &str) -> Option<&Standing> {
        let mut standings = self.standings.iter();
        standings
            .find(|(promise, _)| promise.name == name)
            .map(|(_, standing)| standing)
    }

    fn named(&self, is: impl Fn(&Standing) -> bool) -> Vec<&'static str> {
        let fitting = self.standings.iter().filter(|(_, standing)| is(standing));
        fitting.map(|(promise, _)| promise.name).collect()
    }

    /// The names of the promises that are kept.
    pub fn kept(&self) -> Vec<&'static str> {
        self.named(|standing| matches!(standing, Standing::Kept))
    }

    /// The names of the promises that are broken.
    pub fn broken(&self) -> Vec<&'static str> {
        self.named(|standing| matches!(standing, Standing::Broken(_)))
    }

    /// The names of the promises that were not tried: a test of one's own checks that it is those that it expects.
    pub fn not_tried_names(&self) -> Vec<&'static str> {
        self.named(|standing| matches!(standing, Standing::NotTried(_)))
    }

    /// The names of the promises that this subject does not make.
    pub fn not_promised_names(&self) -> Vec<&'static str> {
        self.named(|standing| matches!(standing, Standing::NotPromised(_)))
    }

    /// What else there is to know, such as a bound that was reached.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether no promise is broken.
    pub fn is_kept(&self) -> bool {
        self.broken().is_empty()
    }

    /// Panics with the whole table when a promise is broken. For tests.
    ///
    /// # Panics
    ///
    /// When a promise is broken.
    #[expect(clippy::panic, reason = "an assertion, for tests")]
    #[track_caller]
    pub fn assert_kept(&self) {
        if !self.is_kept() {
            panic!("promises are broken: {}\n\n{self}", self.broken().join(", "));
        }
    }
}

impl fmt::Display for Report {
    /// A line for each promise; below it, what was observed or why it was not tried.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.subject)?;
        let names = self.standings.iter().map(|(promise, _)| promise.name.len());
        let width = names.max().unwrap_or_default();
        for (promise, standing) in &self.standings {
            let (word, below): (_, &[String]) = match standing {
                Standing::Kept => ("kept", &[]),
                Standing::Broken(observed) => ("BROKEN", observed),
                Standing::NotPromised(why) => ("not promised", std::slice::from_ref(why)),
                Standing::NotTried(why) => ("not tried", std::slice::from_ref(why)),
            };
            writeln!(f, "  {word:<12}  {:<width$}  {}", promise.name, promise.says)?;
            for text in below {
                for line in text.lines() {
                    writeln!(f, "{:16}- {line}", "")?;
                }
            }
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

/// How two descriptions of the world differ: both when they are short, else the first line that differs, from a little
/// before the place where it does.
pub(super) fn difference(expected: &str, found: &str) -> String {
    const SHORT: usize = 120;
    const BEFORE: usize = 20;
    if expected.len() <= SHORT && found.len() <= SHORT {
        return format!("expected `{expected}`, found `{found}`");
    }
    let (mut ours, mut theirs) = (expected.lines(), found.lines());
    for number in 1.. {
        let (ours, theirs) = match (ours.next(), theirs.next()) {
            (None, None) => break,
            (ours, theirs) if ours == theirs => continue,
            lines => lines,
        };
        let both = ours
            .unwrap_or_default()
            .chars()
            .zip(theirs.unwrap_or_default().chars());
        let equal = both.take_while(|(one, other)| one == other).count();
        let text = |line: Option<&str>| match line {
            Some(line) => {
                let cut = equal.saturating_sub(BEFORE);
                let shown: String = line.chars().skip(cut).take(SHORT).collect();
                format!("`{}{shown}`", if cut > 0 { "…" } else { "" })
            }
            None => "nothing".to_owned(),
        };
        return format!("line {number}: expected {}, found {}", text(ours), text(theirs));
    }
    "they differ in the ends of their lines".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_where_it_is() {
        assert_eq!(difference("a", "b"), "expected `a`, found `b`");
        let long = "0123456789".repeat(20);
        let (one, other) = (format!("first\n{long}1"), format!("first\n{long}2"));
        assert_eq!(
            difference(&one, &other),
            "line 2: expected `…012345678901234567891`, found `…012345678901234567892`"
        );
        assert_eq!(
            difference(&one, "first"),
            format!("line 2: expected `{}`, found nothing", &long[..120])
        );
    }
}
