//! The fuzz targets, bounded: every seed, and mutants of them that are the same each time. `PROPTEST_CASES` says how
//! many.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use proptest::test_runner::Config;

mod targets;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Random numbers that are the same each time (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const PIECES: [&[u8]; 16] = [
    b"\"",
    b"..",
    b"\n",
    b"\0",
    b"{",
    b"}",
    b"/",
    b"]",
    b",",
    b">",
    b"0",
    b"18446744073709551615",
    b"-1",
    b"null",
    "ë".as_bytes(),
    b"\xff",
];

fn mutant(seeds: &[Vec<u8>], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seeds[numbers.below(seeds.len())].clone();
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
                let other = &seeds[numbers.below(seeds.len())];
                let from = numbers.below(other.len() + 1);
                let until = (from + numbers.below(64)).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
            _ => {
                let piece = PIECES[numbers.below(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Runs a target `share` times as often as a property is tried.
fn run(name: &str, share: u32, target: fn(&[u8])) {
    let seeds = seeds(name);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let count = (Config::default().cases * share) as usize;
    let mutants = (0..count).map(|_| mutant(&seeds, &mut numbers));
    for input in seeds.clone().into_iter().chain(mutants) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
            let path = std::env::temp_dir().join(format!("pipeline-fuzz-{name}"));
            fs::write(&path, &input).unwrap();
            let said = panic.downcast_ref::<String>().map_or("", String::as_str);
            panic!(
                "{}: {said}: {:?}",
                path.display(),
                String::from_utf8_lossy(&input)
            );
        }
    }
}

#[test]
fn archives() {
    run("archive", 1, targets::archive::run);
}

#[test]
fn manifests() {
    run("manifest", 2, targets::manifest::run);
}

#[test]
fn layouts() {
    run("layout", 1, targets::layout::run);
}

#[test]
fn paths() {
    run("path", 1, targets::path::run);
}
