use std::collections::BTreeMap;
use std::io::{self, Read};

use fastcdc::v2020::FastCDC;

use super::PackError;
use super::cuts::{Cut, Cuts, Spacing};
use super::error::unreadable;
use super::plan::{LayerPlan, Plan};
use super::root::Root;
use super::scan::Tree;
use super::sizes::{KIB, MIB};
use super::source::Opener;
use crate::crew::in_parallel_on;
use crate::limits;

/// The least spacing: half a piece.
const LEAST: u64 = 64 * KIB;
/// The bytes of a grain on average: far less than the spacing, so that a cut has many places to choose from.
const GRAIN: u64 = 8 * KIB;
/// How many grains there are at most, about, until they are as large as they can be.
const GRAINS: u64 = 131_072;
const LARGEST_GRAIN: u64 = MIB;
/// How many bytes of a file are read at once, or more of large grains.
const BUFFER: usize = 512 * 1024;

/// Where large files are cut by their content: how many bytes each piece has, for each file.
///
/// A file is cut into *grains* first, by `FastCDC`. Pieces are cut like bundles, before the grain that comes first among
/// its neighbours; so a change moves the cuts close to it and no others, and there are as many pieces as there may be
/// layers: not half as many, which a least and a largest piece would leave of them in the worst case.
#[derive(Debug)]
pub(super) struct Chunks(BTreeMap<u32, Vec<u64>>);

/// Some bytes that belong together.
#[derive(Debug, Clone, Copy)]
struct Grain {
    size: u64,
    /// The CRC-32 of the grain before it.
    key: u32,
}

impl Chunks {
    /// Reads the large files of a plan, and cuts them as finely as the layers allow that the plan leaves.
    pub(super) fn find(root: &Root, tree: &Tree, plan: &Plan, threads: usize) -> Result<Self, PackError> {
        let large = plan.layers.iter().filter_map(|layer| match layer {
            LayerPlan::Large { index, size } => Some((*index, *size)),
            LayerPlan::Bundle(_) => None,
        });
        let large: Vec<(u32, u64)> = large.collect();
        let total = large
            .iter()
            .fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
        let grain = grain(total);
        let found = in_parallel_on(threads, &large, |(index, size)| {
            grains(root, tree, (*index, *size), grain)
        });
        let found: Vec<Vec<Grain>> = found.into_iter().collect::<Result<_, PackError>>()?;
        let room = limits::MAX_LAYERS.saturating_sub(plan.layers.len());
        let pieces = large.iter().zip(cut(&found, total, room));
        let pieces = pieces.map(|((index, size), cuts)| (*index, sizes(&cuts, *size)));
        Ok(Self(pieces.collect()))
    }

    /// The bytes of each piece of a large file.
    pub(super) fn of(&self, index: u32) -> &[u64] {
        self.0.get(&index).map_or(&[], Vec::as_slice)
    }
}

/// How many bytes a grain has on average, of files of so many bytes together.
fn grain(total: u64) -> usize {
    let mut grain = GRAIN;
    while total / grain > GRAINS && grain < LARGEST_GRAIN {
        grain *= 2;
    }
    // At most a mebibyte.
    grain as usize
}

/// The grains of a file. It may change meanwhile: that is noticed when the pieces are made.
fn grains(
    root: &Root,
    tree: &Tree,
    (index, size): (u32, u64),
    grain: usize,
) -> Result<Vec<Grain>, PackError> {
    let record = tree.listing.get(index)?;
    let source = Opener::new(root).open(&record)?;
    let most = 4 * grain;
    let mut buffer = Buffer::new(BUFFER.max(2 * most));
    let mut file = (&source.file).take(size);
    let mut grains = Vec::new();
    // The first comes before all others: there is no cut close to it.
    let mut key = 0;
    loop {
        let is_last = buffer
            .fill(&mut file)
            .map_err(|error| unreadable(&source.full(), error))?;
        let bytes = buffer.bytes();
        let cutter = FastCDC::new(bytes, grain / 4, grain, most);
        let mut at = 0;
        // Where more bytes could follow, the next ones tell where a grain ends.
        while bytes.len() - at >= most || (is_last && at < bytes.len()) {
            let (_, end) = cutter.cut(at, bytes.len() - at);
            let found = &bytes[at..end];
            grains.push(Grain {
                size: found.len() as u64,
                key,
            });
            key = crc32fast::hash(found);
            at = end;
        }
        if is_last {
            return Ok(grains);
        }
        buffer.take(at);
    }
}

/// Where files are cut: before which grains, so that there are no more cuts than there is room for.
fn cut(files: &[Vec<Grain>], total: u64, room: usize) -> Vec<Vec<Cut>> {
    // A sixteenth of the room is for chance, and steps of the spacing mostly leave some more.
    let wanted = (room as u64 * 15 / 16).max(1);
    let mut spacing = Spacing::at_least((total / wanted / 2).max(LEAST));
    loop {
        let cut = |grains: &Vec<Grain>| {
            let mut cuts = Cuts::new(spacing);
            for (number, grain) in (0..).zip(grains) {
                cuts.add(number, grain.key, grain.size);
            }
            cuts.finish()
        };
        let cuts: Vec<Vec<Cut>> = files.iter().map(cut).collect();
        if cuts.iter().map(Vec::len).sum::<usize>() <= room {
            return cuts;
        }
        spacing = spacing.wider();
    }
}

/// How many bytes each piece of a file has.
fn sizes(cuts: &[Cut], size: u64) -> Vec<u64> {
    let begins = std::iter::once(0).chain(cuts.iter().map(|cut| cut.at));
    let ends = cuts.iter().map(|cut| cut.at).chain([size]);
    begins.zip(ends).map(|(begin, end)| end - begin).collect()
}

/// Some bytes of a file, and those behind them later.
struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn new(size: usize) -> Self {
        Self {
            bytes: vec![0; size],
            filled: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// Fills it; whether the file ends.
    fn fill(&mut self, file: &mut impl Read) -> io::Result<bool> {
        while self.filled < self.bytes.len() {
            match file.read(&mut self.bytes[self.filled..]) {
                Ok(0) => return Ok(true),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Gives up bytes at the front.
    fn take(&mut self, count: usize) {
        self.bytes.copy_within(count..self.filled, 0);
        self.filled -= count;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Grains of random keys, with some runs of equal ones.
    fn files() -> impl Strategy<Value = Vec<Vec<Grain>>> {
        let key = prop_oneof![9 => any::<u32>(), 1 => Just(7)];
        let grain = (1..5_u64, key).prop_map(|(size, key)| {
            let size = size * GRAIN / 2;
            Grain { size, key }
        });
        let file = prop::collection::vec(grain, 256..1_800).prop_map(|mut grains| {
            grains[0].key = 0;
            grains
        });
        prop::collection::vec(file, 1..6)
    }

    fn size(grains: &[Grain]) -> u64 {
        grains.iter().map(|grain| grain.size).sum()
    }

    fn total(files: &[Vec<Grain>]) -> u64 {
        files.iter().map(|grains| size(grains)).sum()
    }

    /// As if by chance, the same each time.
    fn mixed(number: u64) -> u32 {
        let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        ((mixed ^ mixed >> 32) & 0xffff_ffff) as u32
    }

    /// Like the grains of a large file of random bytes.
    fn noise(count: u64, seed: u64) -> Vec<Grain> {
        let number = |number: u64| mixed(number ^ seed << 40);
        let grain = |at: u64| Grain {
            size: GRAIN / 4 + u64::from(number(2 * at)) % (3 * GRAIN / 2),
            key: if at == 0 { 0 } else { number(2 * at + 1) },
        };
        (0..count).map(grain).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_the_file_and_not_too_many(files in files(), room in 0..60_usize) {
            let cuts = cut(&files, total(&files), room);
            prop_assert!(cuts.iter().map(Vec::len).sum::<usize>() <= room);
            for (grains, cuts) in files.iter().zip(&cuts) {
                let pieces = sizes(cuts, size(grains));
                prop_assert_eq!(pieces.len(), cuts.len() + 1);
                prop_assert_eq!(pieces.iter().sum::<u64>(), size(grains));
                // The last one may be short.
                let (_, others) = pieces.split_last().unwrap();
                prop_assert!(others.iter().all(|piece| *piece >= LEAST), "{:?}", pieces);
                for cut in cuts {
                    prop_assert_eq!(size(&grains[..cut.index as usize]), cut.at);
                }
            }
        }
    }

    #[test]
    fn most_of_the_room_is_used() {
        for (seed, room) in [(1, 100), (2, 250), (3, 267), (4, 380)] {
            let files = [noise(12_000, seed), noise(8_000, seed + 10)];
            let cuts = cut(&files, total(&files), room);
            let count = cuts.iter().map(Vec::len).sum::<usize>();
            assert!((room * 3 / 4..=room).contains(&count), "{count} of {room}");
        }
        // Where pieces would be too small, there are fewer.
        let small = [noise(800, 5)];
        let count = cut(&small, total(&small), 380)[0].len();
        assert!((20..60).contains(&count), "{count}");
    }

    #[test]
    fn content_that_is_cut_more_often_than_by_chance_finds_room_too() {
        // A key that comes first, always as far behind the last one as the spacing is: twice as many cuts as on average.
        let (room, size) = (100, 1 << 30);
        let Spacing(spacing) = Spacing::at_least(size / 93 / 2);
        let grain = |at: u64| Grain {
            size: spacing / 8,
            key: match at % 8 {
                0 => mixed(at) / 2,
                _ => u32::MAX,
            },
        };
        let files = [(0..8 * size / spacing).map(grain).collect::<Vec<_>>()];
        let cuts = cut(&files, size, room);
        assert!((room / 4..=room).contains(&cuts[0].len()), "{}", cuts[0].len());
    }

    #[test]
    fn an_edit_and_an_insertion_move_the_cuts_beside_them_alone() {
        let one = [noise(18_000, 6)];
        let before = cut(&one, total(&one), 267);
        let mut two = one.clone();
        two[0][6_000] = Grain { size: 9_000, key: 1 };
        two[0].insert(12_000, Grain { size: 9_000, key: 77 });
        let after = cut(&two, total(&two), 267);
        // Told by the keys of the grains behind them.
        let keys = |files: &[Vec<Grain>], cuts: &[Vec<Cut>]| -> Vec<u32> {
            let cuts = cuts[0].iter();
            cuts.map(|cut| files[0][cut.index as usize].key).collect()
        };
        let (before, after) = (keys(&one, &before), keys(&two, &after));
        let gone = before.iter().filter(|key| !after.contains(key)).count();
        assert!(before.len() > 200, "{}", before.len());
        assert!((1..=4).contains(&gone), "{gone} of {}", before.len());
    }

    #[test]
    fn grains_grow_so_that_they_stay_few() {
        assert_eq!(grain(0), 8 << 10);
        assert_eq!(grain(1 << 30), 8 << 10);
        assert_eq!(grain(3 << 30), 32 << 10);
        assert_eq!(grain(1 << 50), 1 << 20);
        for power in 22..38 {
            assert!((1 << power) / grain(1 << power) as u64 <= 2 * GRAINS);
        }
    }

    #[test]
    fn a_buffer_reads_on_behind_what_was_taken() {
        let bytes: Vec<u8> = (0..=255).collect();
        let mut file = bytes.as_slice();
        let mut buffer = Buffer::new(100);
        assert!(!buffer.fill(&mut file).unwrap());
        buffer.take(70);
        assert!(!buffer.fill(&mut file).unwrap());
        assert_eq!(buffer.bytes(), &bytes[70..170]);
        buffer.take(100);
        assert!(buffer.fill(&mut file).unwrap());
        assert_eq!(buffer.bytes(), &bytes[170..]);
    }
}
