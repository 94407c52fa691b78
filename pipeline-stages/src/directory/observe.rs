use pipeline_core::{Digest, LiveRelease};

use super::file::FileError;
use super::layout::{Current, Layout};
use super::manifest::Manifest;
use super::tree::{self, Node};

/// How often a look is repeated when the link changed meanwhile.
const TRIES: u32 = 10;

/// What is live, without a lock: when the link changes meanwhile, the look is taken again.
pub(super) fn live(layout: &Layout) -> Result<Option<LiveRelease>, FileError> {
    let mut before = layout.current()?;
    for _ in 0..TRIES {
        let live = look(layout, &before);
        let after = layout.current()?;
        if before == after {
            return Ok(live);
        }
        before = after;
    }
    Ok(look(layout, &before))
}

fn look(layout: &Layout, current: &Current) -> Option<LiveRelease> {
    match current {
        Current::Nothing => None,
        Current::Release(name) => Some(release(layout, name)),
        Current::Elsewhere(target) => Some(unknown(format!(
            "`current` points to `{}`, which is no release of this environment",
            target.display()
        ))),
    }
}

/// The state of a release's directory.
pub(super) fn release(layout: &Layout, name: &str) -> LiveRelease {
    let directory = layout.release(name);
    let manifest = match Manifest::read(&directory) {
        Ok(manifest) => manifest,
        Err(reason) => return unknown(format!("`{name}/{}` {reason}", Manifest::FILE)),
    };
    let drift = match tree::list(&directory) {
        Ok(mut found) => {
            match found.remove(Manifest::FILE) {
                Some(Node::File { .. }) => {}
                _ => return unknown(format!("`{name}/{}` is no file", Manifest::FILE)),
            }
            tree::drift(manifest.tree(), &found)
        }
        Err(error) => vec![format!("`{name}` cannot be listed: {}", error.source)],
    };
    LiveRelease {
        release: manifest.release_digest,
        configuration: manifest.configuration_digest,
        drift,
    }
}

/// Something is live, and nobody can tell what.
fn unknown(why: String) -> LiveRelease {
    LiveRelease {
        release: Digest::ZERO,
        configuration: Digest::ZERO,
        drift: vec![why],
    }
}
