/// How finely small files are cut into bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Fineness {
    /// One for about 2.2 MB of all files, but not many more than 130: a new version shares with the one before it nearly
    /// all that lies in other directories than what was edited.
    #[default]
    Coarse,
    /// About 300: a new version shares a little more. Pushing it to a registry takes longer.
    Fine,
}
