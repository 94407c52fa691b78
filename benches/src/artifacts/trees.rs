//! Trees to pack: the same bytes each time, from a seed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::ground::Ground;
use crate::Failure;

/// Random numbers that are the same each time (SplitMix64, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit as u64) as usize
    }

    /// Between 0 and 1, without both.
    fn unit(&mut self) -> f64 {
        ((self.number() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// A size around a mean, as sizes of files are: lognormal (Box and Muller 1958).
    fn size(&mut self, mean: f64, sigma: f64) -> usize {
        let normal = (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos();
        (mean.ln() - sigma * sigma / 2.0 + sigma * normal).exp() as usize
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend(self.number().to_le_bytes());
        }
        bytes.truncate(size);
        bytes
    }
}

/// A tree that was made.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) path: PathBuf,
    pub(super) files: u32,
    pub(super) bytes: u64,
}

/// One file of random bytes.
pub(super) fn large(ground: &Ground, bytes: u64) -> Result<Made, Failure> {
    let path = ground.path("large");
    if !path.exists() {
        fs::create_dir(&path)?;
        let mut file = File::create(path.join("image"))?;
        let mut chance = Chance(1);
        let mut left = bytes;
        while left > 0 {
            let piece = left.min(8 << 20);
            file.write_all(&chance.bytes(piece as usize))?;
            left -= piece;
        }
        ground.flush()?;
    }
    Ok(Made {
        path,
        files: 1,
        bytes,
    })
}

/// Text files as of a configuration, 100 in each directory, 4 KB in the mean.
pub(super) fn many(ground: &Ground, files: u32) -> Result<Made, Failure> {
    let path = ground.path(&format!("many-{files}"));
    let mut chance = Chance(2);
    let text = yaml(&mut chance, 1 << 20);
    let is_new = !path.exists();
    let mut bytes = 0;
    for number in 0..files {
        let size = chance.size(4_006.0, 1.0).min(text.len() / 2);
        let from = chance.below(text.len() - size);
        let content = [
            format!("name: file-{number}\n").as_bytes(),
            &text[from..from + size],
        ]
        .concat();
        bytes += content.len() as u64;
        if is_new {
            let directory = path.join(format!(
                "region-{:02}/service-{:03}",
                number / 100 % 20,
                number / 100
            ));
            if number % 100 == 0 {
                fs::create_dir_all(&directory)?;
            }
            fs::write(directory.join(format!("file-{:05}.yaml", number)), content)?;
        }
    }
    if is_new {
        ground.flush()?;
    }
    Ok(Made { path, files, bytes })
}

/// So many names of a hundred small files, 100 in each directory: to whoever packs them they are files of their own, and
/// they are made faster and take less room.
pub(super) fn names(ground: &Ground, files: u32) -> Result<Made, Failure> {
    const CONTENTS: u32 = 100;
    let (path, from) = (ground.empty("names")?, ground.empty("contents")?);
    let content = |number: u32| format!("name: file-{number}\n{}", "-".repeat(5 * number as usize));
    for number in 0..CONTENTS {
        fs::write(from.join(number.to_string()), content(number))?;
    }
    let mut bytes = 0;
    for number in 0..files {
        let directory = path.join(format!(
            "region-{:02}/service-{:04}",
            number / 100 % 20,
            number / 100
        ));
        if number % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        let name = directory.join(format!("file-{number:06}.yaml"));
        fs::hard_link(from.join((number % CONTENTS).to_string()), name)?;
        bytes += content(number % CONTENTS).len() as u64;
    }
    ground.flush()?;
    Ok(Made { path, files, bytes })
}

fn yaml(chance: &mut Chance, size: usize) -> Vec<u8> {
    const WORDS: [&str; 16] = [
        "image",
        "replicas",
        "port",
        "memory",
        "limit",
        "name",
        "value",
        "region",
        "subnet",
        "policy",
        "retention",
        "enabled",
        "timeout",
        "owner",
        "selector",
        "labels",
    ];
    let mut text = Vec::with_capacity(size + 80);
    while text.len() < size {
        let depth = 2 * chance.below(4);
        let (one, two) = (WORDS[chance.below(16)], WORDS[chance.below(16)]);
        let number = chance.number() >> 40;
        text.extend(format!("{:depth$}{one}-{two}: {number}\n", "").bytes());
    }
    text
}

/// Where the files lie that are edited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edits {
    /// In a tenth of the directories, which are edited whole.
    Together,
    /// In all directories.
    Scattered,
}

/// Two versions of a tree, and what changed.
#[derive(Debug)]
pub(super) struct Versions {
    pub(super) one: Made,
    pub(super) two: Made,
    /// The bytes of all files of the second that the first has not.
    pub(super) changed: u64,
}

/// A tree of 295 MB with one large file, and the next version of it: 1,000 bytes inserted early in the large file and
/// 24 pieces of 128 KiB of it overwritten, a tenth of the others edited (an eleventh, when they are scattered), 10 removed, 10
/// added. When it should be quick, a tenth of it.
pub(super) fn versions(ground: &Ground, quick: bool, edits: Edits) -> Result<Versions, Failure> {
    let share = if quick { 10 } else { 1 };
    // There are 40 directories, and the files go round.
    let every = match edits {
        Edits::Together => 10,
        Edits::Scattered => 11,
    };
    let (one, two) = (ground.empty("one")?, ground.empty("two")?);
    let mut chance = Chance(3);
    let (mut before, mut after, mut changed) = ((0, 0), (0, 0), 0);
    let put = |tree: &Path, name: &str, bytes: &[u8], total: &mut (u32, u64)| -> Result<(), Failure> {
        let path = tree.join(name);
        fs::create_dir_all(path.parent().ok_or("a name")?)?;
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(bytes)?;
        file.flush()?;
        total.0 += 1;
        total.1 += bytes.len() as u64;
        Ok(())
    };
    let mut large = chance.bytes(153_600_000 / share as usize);
    put(&one, "lib/large.so", &large, &mut before)?;
    for _ in 0..24 {
        let at = chance.below(large.len() - (128 << 10));
        large[at..at + (128 << 10)].copy_from_slice(&chance.bytes(128 << 10));
    }
    large.splice(5_000..5_000, chance.bytes(1_000));
    put(&two, "lib/large.so", &large, &mut after)?;
    changed += large.len() as u64;

    for number in 0..3_345 / share {
        let name = format!("share/{:02}/part-{number:04}", number % 40);
        let size = chance.size(42_500.0, 1.3).min(8 << 20);
        let mut bytes = chance.bytes(size + 64);
        let removed = number % 335 == 7;
        put(&one, &name, &bytes, &mut before)?;
        if removed {
            continue;
        }
        if number % every == 3 {
            let at = chance.below(bytes.len());
            bytes.splice(at..at, *b"edited");
            changed += bytes.len() as u64;
        }
        put(&two, &name, &bytes, &mut after)?;
    }
    for number in 0..10 {
        let bytes = chance.bytes(42_500);
        changed += bytes.len() as u64;
        put(&two, &format!("share/new/part-{number}"), &bytes, &mut after)?;
    }
    ground.flush()?;
    let made = |path, (files, bytes)| Made { path, files, bytes };
    Ok(Versions {
        one: made(one, before),
        two: made(two, after),
        changed,
    })
}

/// The bytes of all files below a directory.
pub(super) fn size(directory: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for file in fs::read_dir(directory)? {
        let file = file?;
        let metadata = file.metadata()?;
        sum += if metadata.is_dir() {
            size(&file.path())?
        } else {
            metadata.len()
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_the_same_each_time() {
        let make = || {
            let dir = tempfile::tempdir().unwrap();
            let ground = Ground::open(Some(dir.path()), true).unwrap();
            let many = many(&ground, 300).unwrap();
            assert_eq!(size(&many.path).unwrap(), many.bytes);
            let versions = versions(&ground, true, Edits::Together).unwrap();
            assert_eq!(size(&versions.one.path).unwrap(), versions.one.bytes);
            assert_eq!(size(&versions.two.path).unwrap(), versions.two.bytes);
            assert!(versions.changed < versions.two.bytes);
            let first = fs::read(many.path.join("region-00/service-000/file-00000.yaml")).unwrap();
            (many.bytes, versions.one.bytes, versions.changed, first)
        };
        let made = make();
        assert_eq!(make(), made);
        assert!((600_000..2_400_000).contains(&made.0), "{}", made.0);
        assert!(made.3.starts_with(b"name: file-0\n"));
    }
}
