use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use pipeline_core::{ArtifactEntry, EntryKind};

use super::parent;
use crate::limits;

/// How many links Linux follows before it gives up (`path_resolution(7)`).
const MAX_HOPS: usize = 40;

/// Whether following a link ever leaves the tree, even on the way. A link that leads nowhere or in a circle stays inside.
/// It may lead through others, so its own text does not tell; `target_of` tells the target of the link at a path, if
/// there is one.
pub(crate) fn leads_out<E>(
    path: &str,
    target: &str,
    mut target_of: impl FnMut(&str) -> Result<Option<String>, E>,
) -> Result<bool, E> {
    let mut at = parent(path).unwrap_or_default().to_owned();
    let mut ahead = target.to_owned();
    let mut from = 0;
    let mut hops = 0;
    while from < ahead.len() {
        let part = ahead[from..].split('/').next().unwrap_or_default();
        let rest = ahead.len().min(from + part.len() + 1);
        from = rest;
        match part {
            "" | "." => {}
            ".." if at.is_empty() => return Ok(true),
            ".." => at.truncate(parent(&at).map_or(0, str::len)),
            name => {
                let directory = at.len();
                if directory > 0 {
                    at.push('/');
                }
                at.push_str(name);
                if let Some(next) = target_of(&at)? {
                    hops += 1;
                    if hops >= MAX_HOPS {
                        return Ok(false);
                    }
                    if next.starts_with('/') {
                        return Ok(true);
                    }
                    at.truncate(directory);
                    (ahead, from) = (format!("{next}/{}", &ahead[rest..]), 0);
                }
            }
        }
    }
    Ok(false)
}

/// At which entries there may be a link at a path: eight bytes for each link.
#[derive(Debug, Default)]
pub(crate) struct LinkIndex(Vec<u64>);

/// The bits of an index; above them are those of a hash of the path.
const INDEX_BITS: u32 = 20;
const INDEX: u64 = (1 << INDEX_BITS) - 1;
const _: () = assert!(limits::MAX_ENTRIES as u64 <= INDEX);

impl LinkIndex {
    /// Adds a link, which is the entry with this index.
    pub(crate) fn add(&mut self, path: &str, index: u32) {
        self.0.push(hash(path) | u64::from(index));
    }

    /// To be called when all links were added.
    pub(crate) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The target of the link at a path, if there is one; `entry` reads the entry with an index.
    pub(crate) fn target<E>(
        &self,
        path: &str,
        mut entry: impl FnMut(u32) -> Result<ArtifactEntry, E>,
    ) -> Result<Option<String>, E> {
        for index in self.at(path) {
            let found = entry(index)?;
            if let EntryKind::Symlink { target } = found.kind
                && found.path == path
            {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// The indices of the links that may lie at a path; whether one does, its entry tells. Mostly none or one.
    fn at(&self, path: &str) -> impl Iterator<Item = u32> {
        let hash = hash(path);
        let first = self.0.partition_point(|number| *number < hash);
        let same = self.0[first..]
            .iter()
            .take_while(move |number| **number & !INDEX == hash);
        // The bits of an index fit.
        same.map(|number| (number & INDEX) as u32)
    }
}

fn hash(path: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(path) << INDEX_BITS
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn escapes(links: &[(&str, &str)], path: &str, target: &str) -> bool {
        let target_of = |path: &str| {
            let link = links.iter().find(|(link, _)| *link == path);
            Ok::<_, Infallible>(link.map(|(_, target)| (*target).to_owned()))
        };
        let Ok(out) = leads_out(path, target, target_of);
        out
    }

    #[test]
    fn links_are_followed_through_links() {
        let links = [("d/e/s", "../../r"), ("loop", "loop")];
        assert!(!escapes(&links, "d/l", "../x"));
        assert!(escapes(&links, "d/l", "../../x"));
        assert!(escapes(&links, "l", ".."));
        assert!(escapes(&links, "l", "../tree/x"), "out and in again");
        // Its own text stays inside; through `d/e/s` it leads out.
        assert!(escapes(&links, "d/e/l", "s/../../x"));
        assert!(!escapes(&links, "d/e/l", "s/../x"));
        assert!(!escapes(&links, "d/e/l", "s//./..///x/"));
        assert!(!escapes(&links, "loop", "loop"));
    }

    #[test]
    fn a_link_through_one_that_is_absolute_leads_out() {
        assert!(escapes(&[("s", "/etc")], "l", "s/x"));
        assert!(!escapes(&[("s", "etc")], "l", "s/x"));
    }

    /// The system is asked how many it follows.
    #[test]
    fn so_many_links_are_followed_as_the_system_follows() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        for count in [MAX_HOPS - 1, MAX_HOPS, MAX_HOPS + 1] {
            let path = |number: usize| format!("{count}-{number}");
            for number in 1..count {
                std::os::unix::fs::symlink(path(number + 1), dir.path().join(path(number))).unwrap();
            }
            std::os::unix::fs::symlink("file", dir.path().join(path(count))).unwrap();
            let is_followed = std::fs::metadata(dir.path().join(path(1))).is_ok();
            assert_eq!(is_followed, count <= MAX_HOPS, "{count}");

            // So is a way out behind as many.
            let names: Vec<_> = (1..=count + 1).map(path).collect();
            let mut links: Vec<_> = names.windows(2).map(|pair| (&*pair[0], &*pair[1])).collect();
            links[count - 1].1 = "..";
            assert_eq!(escapes(&links, &path(1), &path(2)), is_followed, "{count}");
        }
    }

    #[test]
    fn a_hash_that_two_paths_share_makes_no_link() {
        let mut index = LinkIndex::default();
        index.add("a", 0);
        let target = |path: &str| {
            let entry = |_| {
                Ok::<_, Infallible>(ArtifactEntry {
                    path: path.to_owned(),
                    kind: EntryKind::Symlink {
                        target: "x".to_owned(),
                    },
                })
            };
            let Ok(target) = index.target("a", entry);
            target
        };
        assert_eq!((target("a"), target("b")), (Some("x".to_owned()), None));
    }

    #[test]
    fn links_are_found_by_their_path() {
        let mut index = LinkIndex::default();
        let path = |number: u32| format!("lib/{number}.so");
        (0..1000).for_each(|number| index.add(&path(number), 7 * number));
        index.sort();
        for number in 0..1000 {
            assert_eq!(index.at(&path(number)).collect::<Vec<_>>(), [7 * number]);
        }
        assert_eq!(index.at("lib").count(), 0);
    }
}
