use std::any::Any;
use std::fmt;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// What a fuzz target begins with, to run it among the ordinary tests: every seed, and mutants of them that are the same
/// each time. A fuzzer finds more; this needs none, and keeps what was found from coming back.
///
/// ```
/// use pipeline_core::testing::Seeds;
///
/// let seeds = Seeds::new([b"1.4.0".to_vec(), b"2.0.0-rc.1".to_vec()]);
/// seeds.feed(200, |input| {
///     let _ = semver::Version::parse(&String::from_utf8_lossy(input));
/// })?;
/// let found = seeds.feed(200, |input| assert!(input.contains(&b'.'), "no dot")).unwrap_err();
/// assert!(!found.input.contains(&b'.') && found.to_string().starts_with("no dot: "), "{found}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Seeds(Vec<Vec<u8>>);

/// An input that a target does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// The input: a seed, once the target is repaired.
    pub input: Vec<u8>,
    /// What the target said when it panicked.
    pub said: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: b\"{}\"", self.said, self.input.escape_ascii())
    }
}

impl std::error::Error for Found {}

impl Seeds {
    /// These seeds.
    pub fn new(seeds: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(seeds.into_iter().collect())
    }

    /// The files of a folder, in the order of their names.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or there is none in it.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let files: io::Result<Vec<_>> = fs::read_dir(folder)?
            .map(|file| file.map(|file| file.path()))
            .collect();
        let mut files = files?;
        files.sort();
        if files.is_empty() {
            let none = format!("there is no seed in {}", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, none));
        }
        files.iter().map(fs::read).collect::<io::Result<_>>().map(Self)
    }

    /// Gives every seed to a target, then so many mutants.
    ///
    /// # Errors
    ///
    /// The first input at which the target panics.
    pub fn feed(&self, mutants: usize, target: impl Fn(&[u8])) -> Result<(), Found> {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mutants = (0..mutants).filter_map(|_| self.mutant(&mut numbers));
        for input in self.0.iter().cloned().chain(mutants) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                let said = said(&*panic).to_owned();
                return Err(Found { input, said });
            }
        }
        Ok(())
    }

    /// A seed with a few changes; `None` without seeds.
    fn mutant(&self, numbers: &mut Numbers) -> Option<Vec<u8>> {
        let mut bytes = numbers.one_of(&self.0)?.clone();
        for _ in 0..=numbers.below(6) {
            let at = numbers.below(bytes.len() + 1);
            let end = (at + 1 + numbers.below(24)).min(bytes.len());
            match numbers.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
                1 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let copy = bytes[at..end].to_vec();
                    let to = numbers.below(bytes.len() + 1);
                    bytes.splice(to..to, copy);
                }
                4 => {
                    let other = numbers.one_of(&self.0)?;
                    let from = numbers.below(other.len() + 1);
                    let until = (from + numbers.below(64)).min(other.len());
                    bytes.splice(at..at, other[from..until].iter().copied());
                }
                _ => {
                    let piece = numbers.one_of(PIECES)?;
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        Some(bytes)
    }
}

/// What means something in the forms that are read here: JSON, TOML, paths, numbers at their ends.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\n",
    b"\0",
    b"{",
    b"}",
    b"[[",
    b"]",
    b",",
    b"=",
    b"/",
    b"..",
    b">",
    b"0",
    b"18446744073709551615",
    b"-1",
    b"null",
    "ë".as_bytes(),
    b"\xff",
];

/// Numbers that look random and are the same each time (xorshift, Marsaglia 2003).
#[derive(Debug)]
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one_of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() {
            return None;
        }
        list.get(self.below(list.len()))
    }
}

fn said(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "it panicked",
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn mutants_are_many_and_the_same_each_time() {
        let seeds = Seeds::new([b"threads = 4\n".to_vec(), b"[table]\n".to_vec()]);
        let fed = || {
            let inputs = RefCell::new(Vec::new());
            seeds
                .feed(500, |input| inputs.borrow_mut().push(input.to_vec()))
                .unwrap();
            inputs.into_inner()
        };
        let first = fed();
        assert_eq!(first.len(), 502);
        assert_eq!(first[..2], seeds.0);
        assert_eq!(first, fed());
        let different: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(different.len() > 450, "{}", different.len());
    }

    #[test]
    fn without_seeds_there_is_nothing_to_feed() {
        Seeds::new([]).feed(10, |_| panic!("fed")).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let error = Seeds::read(dir.path()).unwrap_err();
        assert!(error.to_string().starts_with("there is no seed in "), "{error}");
        fs::write(dir.path().join("b"), "2").unwrap();
        fs::write(dir.path().join("a"), "1").unwrap();
        assert_eq!(Seeds::read(dir.path()).unwrap().0, [b"1", b"2"]);
    }
}
