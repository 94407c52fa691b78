use std::collections::VecDeque;

/// How many bytes lie between two cuts at least; about twice as many do on average.
///
/// It comes in steps of a sixteenth to an eighth, so that it is the same for two versions of nearly the same size. Most
/// cuts of one step are cuts of the next: what comes first among many comes first among few.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spacing(pub(super) u64);

impl Spacing {
    /// So wide that nothing is cut.
    pub(super) const NO_CUTS: Self = Self(u64::MAX);

    /// Rounded up to a number of four binary digits and zeros.
    pub(super) fn at_least(bytes: u64) -> Self {
        let digits = u64::BITS - bytes.leading_zeros();
        let unit = 1 << digits.saturating_sub(4);
        bytes.checked_next_multiple_of(unit).map_or(Self::NO_CUTS, Self)
    }

    /// The next step.
    pub(super) fn wider(self) -> Self {
        Self::at_least(self.0.saturating_add(1))
    }
}

/// Where a series of items is cut: before each item that comes first among all that begin less than the spacing before or
/// behind it. `K` says what comes first: the least.
///
/// So where it is cut depends on the neighbourhood alone: an item that changes, comes or goes moves a cut or two.
#[derive(Debug)]
pub(super) struct Cuts<K> {
    spacing: u64,
    cuts: Vec<Cut>,
    /// Of those that begin less than the spacing before the present one, the ones that nothing behind them comes before:
    /// their keys grow from the front to the back.
    near: VecDeque<Candidate<K>>,
    at: u64,
    is_begun: bool,
}

/// There is a cut before this item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) index: u32,
    /// Where the item begins.
    pub(super) at: u64,
}

/// An item that may be behind a cut, or keeps others from it.
#[derive(Debug)]
struct Candidate<K> {
    cut: Cut,
    key: K,
    /// Nothing shortly before it comes first.
    leads: bool,
}

impl<K: Ord> Cuts<K> {
    pub(super) fn new(Spacing(spacing): Spacing) -> Self {
        Self {
            spacing,
            cuts: Vec::new(),
            near: VecDeque::new(),
            at: 0,
            is_begun: false,
        }
    }

    /// Adds the next item: its index, its key, its bytes. Of equal keys the one before comes first.
    pub(super) fn add(&mut self, index: u32, key: K, size: u64) {
        while let Some(first) = self.near.front()
            && self.at - first.cut.at >= self.spacing
        {
            self.cuts.extend(first.leads.then_some(first.cut));
            self.near.pop_front();
        }
        while self.near.back().is_some_and(|last| last.key > key) {
            self.near.pop_back();
        }
        self.near.push_back(Candidate {
            cut: Cut { index, at: self.at },
            key,
            // The beginning is no cut, and none is close to it.
            leads: self.is_begun && self.near.is_empty(),
        });
        self.at = self.at.saturating_add(size);
        self.is_begun = true;
    }

    /// Where the last item ends.
    pub(super) fn end(&self) -> u64 {
        self.at
    }

    /// All cuts, in the order of the items.
    pub(super) fn finish(mut self) -> Vec<Cut> {
        let last = self.near.into_iter().filter(|last| last.leads);
        self.cuts.extend(last.map(|last| last.cut));
        self.cuts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spacing_grows_by_a_sixteenth_to_an_eighth() {
        const KIB: u64 = 1024;
        let mut last = Spacing::at_least(64 * KIB);
        assert_eq!(last, Spacing(64 * KIB));
        for bytes in (64 * KIB..100 * 1024 * KIB).step_by(4096) {
            let spacing = Spacing::at_least(bytes);
            assert!(
                spacing.0 >= bytes && spacing.0 <= bytes + bytes / 8,
                "{bytes}: {spacing:?}"
            );
            assert!(spacing == last || spacing == last.wider(), "{bytes}: {spacing:?}");
            last = spacing;
        }
        assert_eq!(Spacing::NO_CUTS.wider(), Spacing::NO_CUTS);
    }

    #[test]
    fn equals_are_cut_nowhere_but_before_the_first() {
        let cut = |keys: &[u32]| {
            let mut cuts = Cuts::new(Spacing(3));
            for (index, key) in (0..).zip(keys) {
                cuts.add(index, *key, 1);
            }
            let cuts = cuts.finish().into_iter();
            cuts.map(|cut| cut.index).collect::<Vec<_>>()
        };
        assert!(cut(&[0; 40]).is_empty());
        assert_eq!(cut(&[0, 9, 9, 5, 5, 5, 5, 5, 5, 5, 5]), [3]);
    }
}
