use pipeline_core::Digest;

use super::Fineness;
use super::cuts::{Cut, Cuts, Spacing};
use super::sizes::{KIB, MIB};

/// A tar of fewer bytes is one bundle.
const ONE_BUNDLE: u64 = 4 * MIB;
/// How many bundles there are at most, about; twice as many, when all directories are as large as the spacing.
const BUNDLES: u64 = 140;
/// There is one for as many bytes of all files, large ones among them: a layer costs a registry as much as a megabyte does,
/// and a push is to cost at most one and a half times that of a single layer.
const PER_BUNDLE: u64 = 2_150_000;
/// The same for [`Fineness::Fine`].
const FINE_BUNDLES: u64 = 320;
/// The least spacing: half a bundle.
const LEAST: u64 = 128 * KIB;
/// The same for [`Fineness::Fine`].
const FINE_LEAST: u64 = 64 * KIB;

/// The spacing for so many bytes of the tar in bundles, and so many in all files.
pub(super) fn spacing(bundled: u64, content: u64, fineness: Fineness) -> Spacing {
    let count = (content / PER_BUNDLE).clamp(1, BUNDLES);
    match fineness {
        Fineness::Coarse if bundled < ONE_BUNDLE => Spacing::NO_CUTS,
        Fineness::Coarse => Spacing::at_least((bundled / count / 2).max(LEAST)),
        Fineness::Fine => Spacing::at_least((bundled / FINE_BUNDLES / 2).max(FINE_LEAST)),
    }
}

/// Where bundles end.
///
/// First is an entry with which another directory begins, the nearer to the root the earlier: what changes together lies
/// together. Among equals a hash of the path decides. A file that is edited, comes or goes changes one bundle, seldom two.
#[derive(Debug)]
pub(super) struct BundleCuts {
    cuts: Cuts<Key>,
    before: Option<String>,
}

/// The least comes first.
type Key = (usize, u64);

impl BundleCuts {
    pub(super) fn new(spacing: Spacing) -> Self {
        Self {
            cuts: Cuts::new(spacing),
            before: None,
        }
    }

    /// Adds the next entry in the order of the tar: its index, its path, its bytes in the tar.
    pub(super) fn add(&mut self, index: u32, path: &str, size: u64) {
        let key = self.before.as_deref().map_or((0, 0), |before| key(before, path));
        self.cuts.add(index, key, size);
        match &mut self.before {
            Some(before) => path.clone_into(before),
            None => self.before = Some(path.to_owned()),
        }
    }

    /// Where the last entry ends.
    pub(super) fn end(&self) -> u64 {
        self.cuts.end()
    }

    /// All cuts, in the order of the tar. They count the bytes without what is in no bundle.
    pub(super) fn finish(self) -> Vec<Cut> {
        self.cuts.finish()
    }
}

/// When an entry comes, for the one that lies before it in the tar.
fn key(before: &str, path: &str) -> Key {
    let same = same_directories(before, path);
    match path[same..].split_once('/') {
        // The first of its directory, or of the one above that: named for what is new.
        Some((new, _)) => (depth(&path[..same]), hash(&path[..same + new.len()])),
        None => (usize::MAX, hash(path)),
    }
}

/// How many bytes of the path are directories of both, with the `/` behind the last.
fn same_directories(before: &str, path: &str) -> usize {
    let same = before.bytes().zip(path.bytes()).take_while(|(a, b)| a == b);
    let same = same.count();
    path.as_bytes()[..same]
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |slash| slash + 1)
}

fn depth(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

fn hash(path: &str) -> u64 {
    let digest = Digest::of(path);
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    type File = (String, u64);

    fn cut(spacing: u64, files: &[File]) -> Vec<u32> {
        let mut cuts = BundleCuts::new(Spacing(spacing));
        let mut begins = Vec::new();
        for (index, (path, size)) in (0..).zip(files) {
            begins.push(cuts.end());
            cuts.add(index, path, *size);
        }
        let cuts = cuts.finish();
        assert!(cuts.iter().all(|cut| begins[cut.index as usize] == cut.at));
        cuts.iter().map(|cut| cut.index).collect()
    }

    /// The definition, word by word.
    fn slowly(spacing: u64, files: &[File]) -> Vec<u32> {
        let begins = files.iter().scan(0, |at, (_, size)| {
            *at += size;
            Some(*at - size)
        });
        let begins: Vec<u64> = begins.collect();
        let key = |index: usize| match index {
            0 => (0, 0),
            _ => key(&files[index - 1].0, &files[index].0),
        };
        let keys: Vec<(Key, usize)> = (0..files.len()).map(|index| (key(index), index)).collect();
        let near = |a: usize, b: usize| begins[a].abs_diff(begins[b]) < spacing;
        let comes_first = |this: usize| {
            let mut others = (0..files.len()).filter(|other| *other != this && near(*other, this));
            others.all(|other| keys[this] < keys[other])
        };
        let cuts = (1..files.len()).filter(|index| comes_first(*index));
        cuts.map(|index| index as u32).collect()
    }

    fn files() -> impl Strategy<Value = Vec<File>> {
        let name = prop::sample::select(vec!["a", "b", "c", "d/a", "d/b", "e/f/g", "e/f/h", "e/i"]);
        prop::collection::btree_map((name, 0..40_u32), 1..60_u64, 1..120).prop_map(|files| {
            let path = |((name, number), size)| (format!("{name}/{number}"), size);
            let mut files: Vec<File> = files.into_iter().map(path).collect();
            files.sort();
            files
        })
    }

    /// Directories of files of very different sizes, the same each time.
    fn tree(files: u64) -> Vec<File> {
        let size = |number: u64| {
            let random = hash(&format!("size {number}"));
            // Some forty kilobytes in the mean, up to a megabyte.
            512 + (random % 80_000) * if random >> 60 == 0 { 12 } else { 1 }
        };
        let path = |number: u64| format!("lib/{:03}/{number:06}", number / 70);
        (0..files).map(|number| (path(number), size(number))).collect()
    }

    fn total(files: &[File]) -> u64 {
        files.iter().map(|(_, size)| size).sum()
    }

    /// The bytes of all bundles of the second that are none of the first, when the default cuts both.
    fn new_bytes(one: &[File], two: &[File]) -> u64 {
        let bundles = |files: &[File]| -> HashSet<Vec<File>> {
            let Spacing(spacing) = spacing(total(files), 1 << 40, Fineness::Coarse);
            let cuts = cut(spacing, files);
            let begins = std::iter::once(0).chain(cuts.iter().copied());
            let ends = cuts.iter().copied().chain([files.len() as u32]);
            let bundle = |(begin, end): (u32, u32)| files[begin as usize..end as usize].to_vec();
            begins.zip(ends).map(bundle).collect()
        };
        let before = bundles(one);
        let new = bundles(two).into_iter().filter(|bundle| !before.contains(bundle));
        new.map(|bundle| total(&bundle)).sum()
    }

    proptest! {
        #[test]
        fn a_cut_comes_first_among_its_neighbours(files in files(), spacing in 1..400_u64) {
            let cuts = cut(spacing, &files);
            prop_assert_eq!(&cuts, &slowly(spacing, &files));
            // So there are never many.
            prop_assert!(cuts.len() as u64 <= total(&files) / spacing);
        }
    }

    #[test]
    fn the_spacing_is_never_too_small() {
        assert_eq!(spacing(0, 0, Fineness::Fine), Spacing(FINE_LEAST));
        let coarse = |bundled| spacing(bundled, 1 << 40, Fineness::Coarse);
        assert_eq!(coarse(ONE_BUNDLE - 1), Spacing::NO_CUTS);
        assert_eq!(coarse(ONE_BUNDLE), Spacing(LEAST));
    }

    #[test]
    fn there_are_some_hundred_and_thirty_bundles() {
        for files in [1_500, 3_000, 10_000] {
            let files = tree(files);
            let Spacing(spacing) = spacing(total(&files), 1 << 40, Fineness::Coarse);
            let count = cut(spacing, &files).len() + 1;
            assert!((100..=165).contains(&count), "{count} of {}", files.len());
        }
    }

    #[test]
    fn a_bundle_is_as_large_as_a_push_can_bear() {
        let bundles = |bundled: u64, content: u64| {
            let Spacing(spacing) = spacing(bundled, content, Fineness::Coarse);
            bundled / spacing / 2
        };
        assert_eq!(bundles(24_000_000, 20_000_000), 8);
        assert_eq!(bundles(240_000_000, 200_000_000), 91);
        // Beside large files, bundles may be small.
        assert_eq!(bundles(139_000_000, 293_000_000), 132);
        assert_eq!(bundles(1_000_000_000, 1_000_000_000), 136);
    }

    #[test]
    fn another_directory_is_a_better_place_than_another_file() {
        // Forty directories of a thousand KiB.
        let files: Vec<File> = (0..400)
            .map(|number| (format!("d/{:02}/{number:03}", number / 10), 100 * KIB))
            .collect();
        let cuts = cut(400 * KIB, &files);
        let begin_directories = (1..40).map(|number| number * 10).collect::<Vec<u32>>();
        let missing = begin_directories.iter().find(|index| !cuts.contains(index));
        assert_eq!(missing, None, "{cuts:?}");
    }

    #[test]
    fn an_edited_a_new_and_a_missing_file_change_a_bundle_each() {
        let one = tree(3_000);
        let bundle = total(&one) / 100;
        for number in (7..3_000).step_by(299) {
            let mut two = one.clone();
            two[number].1 += 700;
            assert!(new_bytes(&one, &two) < 5 * bundle, "edited {number}");
            two.remove(number);
            assert!(new_bytes(&one, &two) < 5 * bundle, "removed {number}");
            let name = format!("{}-new", one[number].0);
            two = one.clone();
            two.insert(number + 1, (name, 5_000));
            assert!(new_bytes(&one, &two) < 5 * bundle, "added {number}");
        }
    }

    #[test]
    fn a_tree_that_grows_keeps_most_of_its_bundles() {
        let (mut steps, mut kept) = (0, 0);
        for files in (1_500..3_000).step_by(60) {
            let (one, two) = (tree(files), tree(files + files / 33));
            let spacing = |files: &[File]| spacing(total(files), 1 << 40, Fineness::Coarse);
            let (all, grown) = (total(&two), total(&two) - total(&one));
            let new = new_bytes(&one, &two);
            if spacing(&one) == spacing(&two) {
                kept += 1;
                assert!(new < grown + all / 50, "{files}: {new} of {all}");
            } else {
                steps += 1;
                // Over a step, too, there is something to share.
                assert!(new < all / 2, "{files}: {new} of {all}");
            }
        }
        assert!(steps >= 2 && kept > 15, "{steps} {kept}");
    }

    #[test]
    fn the_cuts_are_a_form_that_does_not_change_by_accident() {
        // Whoever changes them gives every artifact another digest: say so in docs/format.md and in the list of changes.
        let files = tree(3_000);
        let Spacing(spacing) = spacing(total(&files), 1 << 40, Fineness::Coarse);
        let cuts = cut(spacing, &files);
        insta::assert_debug_snapshot!((spacing, cuts.len(), &cuts[..8]), @r"
        (
            786432,
            137,
            [
                7,
                15,
                21,
                30,
                42,
                70,
                111,
                126,
            ],
        )
        ");
    }
}
