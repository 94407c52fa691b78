use semver::{Comparator, Op, Version, VersionReq};

use super::CatalogEntry;

/// Which versions of a name may be chosen.
///
/// A yanked version never is. A pre-release is when the requirement names a pre-release of the same version
/// (Cargo's rule), or when it is asked for with [`Selection::with_pre_releases`]; then it counts as the release
/// that it leads to, unless it comes before a version that the requirement spells out (npm's
/// `includePrerelease`):
///
/// | requirement, pre-releases asked for | `1.2.0-rc.1` | `1.3.0-rc.1` | `2.0.0-rc.1` |
/// |---|---|---|---|
/// | `^1.2` | yes | yes | no |
/// | `^1.2.0`, `>=1.2.0, <2.0.0` | no: it comes before 1.2.0 | yes | no |
/// | `*` | yes | yes | yes |
///
/// ```
/// use pipeline_artifacts::Selection;
///
/// let selection = Selection::range("^1.2".parse()?);
/// assert!(selection.includes(&"1.3.0".parse()?) && !selection.includes(&"1.3.0-rc.1".parse()?));
/// assert!(selection.with_pre_releases().includes(&"1.3.0-rc.1".parse()?));
/// # Ok::<(), semver::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    requirement: VersionReq,
    pre_releases: bool,
}

impl Selection {
    /// Every version that is no pre-release.
    pub fn any() -> Self {
        Self::default()
    }

    /// What a requirement allows, by the rules of Cargo.
    pub fn range(requirement: VersionReq) -> Self {
        Self {
            requirement,
            pre_releases: false,
        }
    }

    /// And the pre-releases of those.
    #[must_use]
    pub fn with_pre_releases(mut self) -> Self {
        self.pre_releases = true;
        self
    }

    /// The requirement.
    pub fn requirement(&self) -> &VersionReq {
        &self.requirement
    }

    /// Whether a version is included, whatever its standing.
    pub fn includes(&self, version: &Version) -> bool {
        if self.requirement.matches(version) {
            return true;
        }
        if !self.pre_releases || version.pre.is_empty() {
            return false;
        }
        let release = Version {
            pre: semver::Prerelease::EMPTY,
            ..version.clone()
        };
        let not_before = |from: &Comparator| {
            let (Some(minor), Some(patch)) = (from.minor, from.patch) else {
                return true;
            };
            let lower = Version {
                pre: from.pre.clone(),
                ..Version::new(from.major, minor, patch)
            };
            match from.op {
                Op::Exact => *version == lower,
                Op::Greater | Op::GreaterEq | Op::Tilde | Op::Caret => version.cmp_precedence(&lower).is_ge(),
                _ => true,
            }
        };
        // Comparators that name a pre-release hold the release only of their own version: strip them.
        let released = VersionReq {
            comparators: self
                .requirement
                .comparators
                .iter()
                .map(without_pre_release)
                .collect(),
        };
        released.matches(&release) && self.requirement.comparators.iter().all(not_before)
    }

    /// Whether a version that is kept may be chosen.
    pub(super) fn allows(&self, entry: &CatalogEntry) -> bool {
        !entry.yanked && self.includes(&entry.version)
    }
}

fn without_pre_release(from: &Comparator) -> Comparator {
    Comparator {
        pre: semver::Prerelease::EMPTY,
        ..from.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pre_releases_only_when_asked() {
        let cases = [
            // requirement, version, plain, with pre-releases
            ("^1.2", "1.2.0", true, true),
            ("^1.2", "1.2.0-rc.1", false, true),
            ("^1.2", "1.3.0-rc.1", false, true),
            ("^1.2", "2.0.0-rc.1", false, false),
            ("^1.2.0", "1.2.0-rc.1", false, false),
            (">=1.2.0", "1.2.0-rc.1", false, false),
            (">=1.2.0, <2.0.0", "1.9.0-rc.1", false, true),
            ("<2.0.0", "2.0.0-rc.1", false, false),
            ("<=2.0.0", "2.0.0-rc.1", false, true),
            ("=1.2.0", "1.2.0-rc.1", false, false),
            ("=1.2.0-rc.1", "1.2.0-rc.1", true, true),
            (">=1.2.0-rc.1", "1.2.0-rc.2", true, true),
            (">=1.2.0-rc.1", "1.2.0-rc.0", false, false),
            (">=1.2.0-rc.1", "1.3.0-rc.0", false, true),
            (">=1.2.0-rc.1, ~1.2", "1.2.0-rc.2", false, true),
            (">=1.2.0-rc.1, ~1.2", "1.2.0-rc.0", false, false),
            ("~1.2", "1.2.9-a", false, true),
            ("~1.2", "1.3.0-a", false, false),
            ("*", "1.0.0-a", false, true),
            (">1.2.0", "1.2.0-rc.1", false, false),
            (">1.2.0", "1.2.1-rc.1", false, true),
        ];
        for (requirement, version, without, with) in cases {
            let selection = Selection::range(requirement.parse().unwrap());
            let version = version.parse().unwrap();
            assert_eq!(
                selection.includes(&version),
                without,
                "{version} in {requirement}"
            );
            let selection = selection.with_pre_releases();
            assert_eq!(
                selection.includes(&version),
                with,
                "{version} in {requirement}, asked"
            );
        }
    }
}
