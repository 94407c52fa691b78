use pipeline_core::{ArtifactEntry, EntryKind};

use super::link_index::{LinkIndex, PathHash};
use super::parent;
use crate::limits;

/// How many links Linux follows before it gives up (`path_resolution(7)`).
const MAX_HOPS: usize = 40;

/// The links of a tree, by their paths, and how much was asked of them: they may lead through each other, so that the text of
/// one does not tell where it leads, and following all of them can be forty times as much as there is to read.
///
/// Of each link there are ten bytes; the rest is read when it is needed, at most [`limits::MAX_LINK_HOPS`] times in all. So
/// following all of them goes through as many parts of paths as their targets have, and those that are read once more each
/// time.
#[derive(Debug)]
pub(crate) struct Links {
    index: LinkIndex,
    /// Some that were read lately: most trees have few that many others lead through.
    recent: Vec<Option<(u32, ArtifactEntry)>>,
    /// The directory of the link before, which is that of the next one mostly.
    directory: Place,
    /// How many were looked at.
    hops: usize,
    most: usize,
}

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// It stays in the tree: also one that leads nowhere or in a circle.
    Inside,
    /// It leaves the tree, if only on the way.
    Out,
    /// That is not known: with it, links lead through others more often than is followed.
    Unknown,
}

const RECENT: usize = 256;

impl Default for Links {
    fn default() -> Self {
        Self {
            index: LinkIndex::default(),
            recent: Vec::new(),
            directory: Place::default(),
            hops: 0,
            most: limits::MAX_LINK_HOPS,
        }
    }
}

impl Links {
    /// Adds a link, which is the entry with this index.
    pub(crate) fn add(&mut self, path: &str, index: u32) {
        self.index.add(PathHash::of(path), index);
    }

    /// To be called when all links were added.
    pub(crate) fn sort(&mut self) {
        self.index.sort();
        self.recent.resize(RECENT, None);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn at_most(mut self, hops: usize) -> Self {
        self.most = hops;
        self
    }

    /// Where following a link leads. It may lead through others; `entry` reads the entry with an index.
    pub(crate) fn follow<E>(
        &mut self,
        path: &str,
        target: &str,
        mut entry: impl FnMut(u32) -> Result<ArtifactEntry, E>,
    ) -> Result<Lead, E> {
        let directory = parent(path).unwrap_or_default();
        if self.directory.path != directory {
            self.directory = Place::default();
            self.directory.enter_all(directory);
        }
        let mut at = self.directory.clone();
        // What is still to be gone through: of each text the rest, the last one first.
        let mut ahead = vec![(target.to_owned(), 0)];
        let mut hops = 0;
        while let Some((text, from)) = ahead.last_mut() {
            let Some(part) = text.get(*from..).and_then(|rest| rest.split('/').next()) else {
                ahead.pop();
                continue;
            };
            *from += part.len() + 1;
            match part {
                "" | "." => {}
                ".." => {
                    if !at.leave() {
                        return Ok(Lead::Out);
                    }
                }
                name => {
                    at.enter(name);
                    match self.target(&at, &mut entry)? {
                        Found::Nothing => {}
                        Found::TooMuch => return Ok(Lead::Unknown),
                        Found::Link(next) => {
                            hops += 1;
                            if hops >= MAX_HOPS {
                                return Ok(Lead::Inside);
                            }
                            if next.starts_with('/') {
                                return Ok(Lead::Out);
                            }
                            at.leave();
                            ahead.push((next.to_owned(), 0));
                        }
                    }
                }
            }
        }
        Ok(Lead::Inside)
    }

    /// What is known of a path: links with its hash are looked at, mostly none or one.
    fn target<E>(
        &mut self,
        at: &Place,
        mut entry: impl FnMut(u32) -> Result<ArtifactEntry, E>,
    ) -> Result<Found<'_>, E> {
        let mut found = None;
        for index in self.index.with(at.hash()) {
            self.hops += 1;
            if self.hops > self.most {
                return Ok(Found::TooMuch);
            }
            let slot = index as usize % RECENT;
            if !matches!(&self.recent[slot], Some((known, _)) if *known == index) {
                self.recent[slot] = Some((index, entry(index)?));
            }
            if matches!(&self.recent[slot], Some((_, entry)) if entry.path == at.path) {
                found = Some(slot);
                break;
            }
        }
        match found.and_then(|slot| self.recent[slot].as_ref()) {
            Some((_, entry)) => Ok(match &entry.kind {
                EntryKind::Symlink { target } => Found::Link(target),
                _ => Found::Nothing,
            }),
            None => Ok(Found::Nothing),
        }
    }
}

/// A path below the tree, gone to part by part.
#[derive(Debug, Clone, Default)]
struct Place {
    path: String,
    /// The hash of each path that this begins with, but that of the tree itself.
    hashes: Vec<PathHash>,
}

impl Place {
    fn hash(&self) -> PathHash {
        self.hashes.last().copied().unwrap_or_default()
    }

    fn enter(&mut self, name: &str) {
        self.hashes.push(self.hash().below(name));
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
    }

    fn enter_all(&mut self, path: &str) {
        path.split('/')
            .filter(|name| !name.is_empty())
            .for_each(|name| self.enter(name));
    }

    /// `false` when it is the tree itself.
    fn leave(&mut self) -> bool {
        self.path.truncate(parent(&self.path).map_or(0, str::len));
        self.hashes.pop().is_some()
    }
}

/// What there is at a path.
enum Found<'a> {
    Nothing,
    Link(&'a str),
    TooMuch,
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn entry(path: &str, target: &str) -> ArtifactEntry {
        ArtifactEntry {
            path: path.to_owned(),
            kind: EntryKind::Symlink {
                target: target.to_owned(),
            },
        }
    }

    /// Links that are looked up in a list, and how many were read.
    struct List(Vec<ArtifactEntry>, usize);

    impl List {
        fn links(&self) -> Links {
            let mut links = Links::default();
            for (index, entry) in self.0.iter().enumerate() {
                links.add(&entry.path, index as u32);
            }
            links.sort();
            links
        }

        fn follow(&mut self, links: &mut Links, path: &str, target: &str) -> Lead {
            let Ok(lead) = links.follow(path, target, |index| {
                self.1 += 1;
                Ok::<_, Infallible>(self.0[index as usize].clone())
            });
            lead
        }
    }

    #[test]
    fn links_are_followed_through_links() {
        let mut list = List(vec![entry("d/e/s", "../../r"), entry("loop", "loop")], 0);
        let mut links = list.links();
        let mut out = |path: &str, target: &str| list.follow(&mut links, path, target) == Lead::Out;
        assert!(!out("d/l", "../x"));
        assert!(out("d/l", "../../x"));
        assert!(out("l", ".."));
        assert!(out("l", "../tree/x"), "out and in again");
        // Its own text stays inside; through `d/e/s` it leads out.
        assert!(out("d/e/l", "s/../../x"));
        assert!(!out("d/e/l", "s/../x"));
        assert!(!out("d/e/l", "s//./..///x/"));
        assert!(!out("loop", "loop"));
    }

    fn escapes(links: &[(&str, &str)], path: &str, target: &str) -> bool {
        let entries = links.iter().map(|(path, target)| entry(path, target));
        let mut list = List(entries.collect(), 0);
        list.follow(&mut list.links(), path, target) == Lead::Out
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
        let mut links = Links::default();
        links.add("a", 0);
        links.sort();
        // The index says that there is one at `a`; the entry says where it really is.
        let mut follow = |path: &str| {
            links.recent.fill(None);
            let Ok(lead) = links.follow("x", "a/..", |_| Ok::<_, Infallible>(entry(path, "..")));
            lead
        };
        assert_eq!((follow("a"), follow("b")), (Lead::Out, Lead::Inside));
    }

    #[test]
    fn links_are_found_by_their_path() {
        let path = |number: u32| format!("lib/{number}.so");
        let mut list = List((0..1000).map(|number| entry(&path(number), "..")).collect(), 0);
        let mut links = list.links();
        for number in 0..1000 {
            // It leads to what lies below the tree, and the other one out of it.
            assert_eq!(list.follow(&mut links, "x", &path(number)), Lead::Inside);
            assert_eq!(
                list.follow(&mut links, "x", &format!("{}/..", path(number))),
                Lead::Out
            );
        }
        assert_eq!(links.hops, 2000);
        for other in ["lib", "lib/1000.so", "lib/1.so.1", "1.so"] {
            assert_eq!(list.follow(&mut links, "x", other), Lead::Inside);
        }
        assert_eq!((links.hops, list.1), (2000, 1000), "each was read once");
    }

    /// Each of many links in a deep directory, with a long target: what is gone through is their own text.
    #[test]
    fn what_is_no_link_costs_no_search() {
        let deep = "d/".repeat(400);
        let mut list = List(
            (0..2000)
                .map(|number| entry(&format!("{deep}{number}"), "x"))
                .collect(),
            0,
        );
        let mut links = list.links();
        let target = format!("{}x", "x/".repeat(500));
        for number in 0..2000 {
            assert_eq!(
                list.follow(&mut links, &format!("{deep}{number}"), &target),
                Lead::Inside
            );
        }
        let searches = links.index.searches.get();
        // Of a million parts of paths.
        assert!(searches < 200_000, "{searches}");
        assert_eq!((links.hops, list.1), (0, 0));
    }

    /// Links that each lead through forty with long texts: what is ahead is not written anew for each.
    #[test]
    fn what_is_ahead_stays_as_it_is() {
        let path = |number: usize| format!("{number:02}");
        let tail = "/x".repeat(500);
        let chain =
            (0..MAX_HOPS - 2).map(|number| entry(&path(number), &format!("{}{tail}", path(number + 1))));
        let mut list = List(chain.collect(), 0);
        // Behind all of them, and behind the last of what they say, a way out: up from where forty times the tail leads.
        let up = "/..".repeat((MAX_HOPS - 2) * 500 + 2);
        let mut links = list.links();
        assert_eq!(
            list.follow(&mut links, "x", &format!("00{}", &up[..up.len() - 3])),
            Lead::Inside
        );
        assert_eq!(list.follow(&mut links, "x", &format!("00{up}")), Lead::Out);
    }

    /// A million links that each lead through forty: no more is read than is allowed, and it is told of which it is not known.
    #[test]
    fn no_more_links_are_followed_than_is_allowed() {
        const CHAIN: u32 = 3000;
        // Far from each other, so that none is at hand.
        let path = |number: u32| format!("{:04}", number * 1009 % CHAIN);
        let chain = (0..CHAIN).map(|number| entry(&path(number), &path(number + 1)));
        let mut list = List(chain.collect(), 0);
        let (most, each) = (10_000, MAX_HOPS);
        let mut links = list.links().at_most(most);
        let mut known = 0;
        for round in 0.. {
            match list.follow(&mut links, "x", &path(round * 701)) {
                Lead::Inside => known += 1,
                lead => {
                    assert_eq!(lead, Lead::Unknown);
                    break;
                }
            }
        }
        assert_eq!(known, most / each);
        assert!(list.1 <= most && list.1 > most / 2, "{} were read", list.1);
        // What leads through no other is known still.
        assert_eq!(list.follow(&mut links, "d/x", "../y/z"), Lead::Inside);
        assert_eq!(list.follow(&mut links, "d/x", "../../y"), Lead::Out);
        assert_eq!(list.follow(&mut links, "x", "0000"), Lead::Unknown);
    }
}
