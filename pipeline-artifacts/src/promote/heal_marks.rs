use pipeline_core::{ArtifactName, ChainDisplay, StoreError};
use semver::Version;

use crate::catalog::{Layout, as_far_as_known};
use crate::{LocalStore, Mark, MarkKind, Standing};

impl LocalStore {
    /// The mark that was taken, or why none was.
    pub(super) fn heal_mark(
        &self,
        name: &ArtifactName,
        version: &Version,
        number: u32,
        from: &Self,
    ) -> Result<Result<Mark, String>, StoreError> {
        let theirs = match self.mark_of_copy(name, version, number, from) {
            Ok(theirs) => theirs,
            Err(why) => return Ok(Err(why)),
        };
        let layout = Layout::of(self, name);
        let change = layout.lock()?;
        {
            let _gate = self.commit_lock()?;
            // Somebody else may have healed it.
            match self.catalog().one_mark(name, version, number) {
                Ok(Some(found)) if found == theirs => return Ok(Ok(found)),
                Ok(Some(_)) => return Ok(Err("it is whole, and says something else".to_owned())),
                Ok(None) | Err(_) => {}
            }
            if !self.catalog().replace_mark(&theirs)? {
                return Ok(Err("it is no file: move it away first".to_owned()));
            }
        }
        as_far_as_known(change.anew())?;
        Ok(Ok(theirs))
    }

    /// A mark of another store, as far as that is a copy of this one; or why it is not taken.
    fn mark_of_copy(
        &self,
        name: &ArtifactName,
        version: &Version,
        number: u32,
        from: &Self,
    ) -> Result<Mark, String> {
        let said = |error: StoreError| ChainDisplay(&error).to_string();
        let (ours, theirs) = (self.catalog(), from.catalog());
        let lacks = || "the other store does not have it".to_owned();
        let own = ours.record(name, version).map_err(said)?;
        let own = own.ok_or_else(|| "its version has no record".to_owned())?;
        let other = theirs.record(name, version).map_err(said)?.ok_or_else(lacks)?;
        let (own, other) = (own.artifact.digest, other.artifact.digest);
        if own != other {
            return Err(format!("the other store says {other}; here it is {own}"));
        }
        let known = self.known_entry(name, version);
        let gaps = ours.gaps(name, Some(version)).map_err(said)?;
        let is_gone = |at: u32| at == number || gaps.iter().any(|gap| gap.number == at);
        let (mut standing, mut found, mut is_followed) = (Standing::default(), None, false);
        // Whether it is removed there, by a mark that is not here, or that nobody can read.
        let mut is_claimed = false;
        loop {
            let at = standing.marks + 1;
            let (own, other) = (
                ours.one_mark(name, version, at),
                theirs.one_mark(name, version, at),
            );
            let other = other.map_err(said)?;
            match (own, other) {
                // A copy may be older than what happened last, and another store may go its own way from there.
                (Ok(None), _) if !is_gone(at) => break,
                (_, None) => break,
                (Ok(Some(own)), Some(other)) if own != other => {
                    return Err(format!("the other store has not the same mark {at}"));
                }
                (own, Some(other)) => {
                    if at == number {
                        found = Some(other.clone());
                    }
                    let is_here = matches!(own, Ok(Some(_)));
                    is_followed |= at > number && is_here;
                    match other.kind {
                        MarkKind::Removed => is_claimed = !is_here,
                        MarkKind::Restored => is_claimed = false,
                        MarkKind::Yanked | MarkKind::Unyanked => {}
                    }
                    standing.apply(other);
                }
            }
        }
        let found = found.ok_or_else(lacks)?;
        let comes_to = (standing.yanked.is_some(), standing.removed.is_some());
        match known.filter(|known| known.marks == standing.marks) {
            Some(known) if (known.yanked, known.removed) != comes_to => {
                Err("what the other store says is not how the version stood here".to_owned())
            }
            None if is_claimed && !is_followed => Err(
                "the other store says that it was removed, and nothing here does; remove it again, or take the file away"
                    .to_owned(),
            ),
            _ => Ok(found),
        }
    }
}
