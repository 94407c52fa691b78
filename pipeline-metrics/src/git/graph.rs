use std::collections::HashMap;
use std::sync::Arc;

/// Commits and their parents, as a version control system knows them; how it is read is somebody else's work.
///
/// A parent that is not in the graph, as in a shallow clone, is as good as none.
///
/// ```
/// use pipeline_metrics::CommitGraph;
///
/// // a ── b ── c
/// //       ╲ d ╱
/// let mut graph = CommitGraph::new();
/// graph.add("a", []);
/// graph.add("b", ["a"]);
/// graph.add("d", ["b"]);
/// graph.add("c", ["b", "d"]);
/// let shas: Vec<_> = graph.between("c", Some("a")).collect();
/// assert_eq!(shas, ["c", "b", "d"]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct CommitGraph {
    /// By number: the sha, and whether somebody added it, or only named it as a parent.
    shas: Vec<(Arc<str>, bool)>,
    numbers: HashMap<Arc<str>, u32>,
    /// By number: the numbers of the parents.
    parents: Vec<Vec<u32>>,
}

impl CommitGraph {
    /// No commits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a commit with its parents, in any order; a commit that is added again gains the parents that are new.
    pub fn add<'s>(&mut self, sha: &str, parents: impl IntoIterator<Item = &'s str>) {
        let number = self.number(sha);
        self.shas[number as usize].1 = true;
        for parent in parents {
            let parent = self.number(parent);
            let known = &mut self.parents[number as usize];
            if !known.contains(&parent) {
                known.push(parent);
            }
        }
    }

    /// How many commits have been added.
    pub fn len(&self) -> usize {
        self.shas.iter().filter(|(_, added)| *added).count()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The commits that came with `new` since `old`: those that `new` reaches and `old` does not, both ends as
    /// git has them (`git log old..new`); all that `new` reaches, when there is no `old`. Breadth first: nearest
    /// first, and of equally near ones that behind the earlier parent.
    ///
    /// A `new` that is not in the graph gives itself and nothing else, as the refdiff of `DevLake` does.
    pub fn between<'g>(&'g self, new: &'g str, old: Option<&str>) -> impl Iterator<Item = &'g str> {
        let mut seen = vec![false; self.shas.len()];
        if let Some(old) = old.and_then(|old| self.numbers.get(old)) {
            self.walk(*old, &mut seen, |_| {});
        }
        let mut found = Vec::new();
        match self.numbers.get(new) {
            Some(new) => self.walk(*new, &mut seen, |number| {
                found.push(&*self.shas[number as usize].0)
            }),
            None => found.push(new),
        }
        found.into_iter()
    }

    /// For each commit, the first of some heads that reaches it: a number from 0, in the order in which they are
    /// given. One that none reaches is not in it.
    pub(super) fn first_heads<'h>(&self, heads: impl IntoIterator<Item = &'h str>) -> Vec<Vec<&Arc<str>>> {
        let mut seen = vec![false; self.shas.len()];
        let of_head = |head| {
            let mut found = Vec::new();
            if let Some(number) = self.numbers.get(head) {
                self.walk(*number, &mut seen, |number| {
                    found.push(&self.shas[number as usize].0)
                });
            }
            found
        };
        heads.into_iter().map(of_head).collect()
    }

    /// Visits all that is reached and has not been seen, breadth first. What was seen has been walked to its
    /// roots, so each commit is looked at once however many walks there are.
    fn walk(&self, from: u32, seen: &mut [bool], mut visit: impl FnMut(u32)) {
        if std::mem::replace(&mut seen[from as usize], true) {
            return;
        }
        let mut next = vec![from];
        let mut at = 0;
        while let Some(&number) = next.get(at) {
            at += 1;
            visit(number);
            for &parent in &self.parents[number as usize] {
                if !std::mem::replace(&mut seen[parent as usize], true) {
                    next.push(parent);
                }
            }
        }
    }

    fn number(&mut self, sha: &str) -> u32 {
        if let Some(number) = self.numbers.get(sha) {
            return *number;
        }
        // A graph of four thousand million commits does not fit into memory.
        let number = self.shas.len() as u32;
        let sha: Arc<str> = sha.into();
        self.shas.push((Arc::clone(&sha), false));
        self.parents.push(Vec::new());
        self.numbers.insert(sha, number);
        number
    }
}
