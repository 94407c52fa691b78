use super::spec::Listed;

/// The lists of names of many stages, one behind another: what stages come after, need and produce. A large graph has
/// millions of names, and memory in as many pieces is not given back when they are gone.
#[derive(Debug, Default)]
pub(super) struct Lists {
    text: String,
    /// For each name its place in its list, and where it ends in the text.
    names: Vec<(usize, usize)>,
    /// For each stage where its three lists end among the names.
    ends: Vec<usize>,
}

impl Lists {
    /// The lists of the next stage: what it comes after, what it needs, and what it produces.
    pub(super) fn push(&mut self, lists: [Vec<Listed>; 3]) {
        for list in lists {
            for Listed { at, name } in list {
                self.text.push_str(&name);
                self.names.push((at, self.text.len()));
            }
            self.ends.push(self.names.len());
        }
    }

    /// What a stage comes after, with the place of each in its list.
    pub(super) fn after(&self, stage: u32) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.list(stage as usize * 3)
    }

    /// What a stage needs.
    pub(super) fn needs(&self, stage: u32) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.list(stage as usize * 3 + 1)
    }

    /// What a stage produces.
    pub(super) fn produces(&self, stage: u32) -> impl ExactSizeIterator<Item = (usize, &str)> {
        self.list(stage as usize * 3 + 2)
    }

    fn list(&self, number: usize) -> impl ExactSizeIterator<Item = (usize, &str)> {
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        (start..self.ends[number]).map(|name| {
            let start = name.checked_sub(1).map_or(0, |before| self.names[before].1);
            let (at, end) = self.names[name];
            (at, &self.text[start..end])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(names: &[(usize, &str)]) -> Vec<Listed> {
        let names = names.iter();
        let listed = names.map(|&(at, name)| Listed {
            at,
            name: name.to_owned(),
        });
        listed.collect()
    }

    #[test]
    fn lists_are_read_as_they_were_written() {
        let mut lists = Lists::default();
        let all = [
            [vec![(0, "a"), (2, "ä\n")], vec![], vec![(0, "")]],
            [vec![], vec![], vec![]],
            [vec![(1, "b")], vec![(0, "c"), (1, "d")], vec![]],
        ];
        for [after, needs, produces] in &all {
            lists.push([listed(after), listed(needs), listed(produces)]);
        }
        for (stage, [after, needs, produces]) in (0..).zip(&all) {
            assert_eq!(lists.after(stage).collect::<Vec<_>>(), *after);
            assert_eq!(lists.needs(stage).collect::<Vec<_>>(), *needs);
            assert_eq!(lists.produces(stage).collect::<Vec<_>>(), *produces);
        }
    }
}
