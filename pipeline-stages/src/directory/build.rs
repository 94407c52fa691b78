use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pipeline_core::{Configuration, Release};

use super::file::{self, FileError};
use super::layout::{Layout, UNFINISHED};
use super::manifest::Manifest;
use super::template::{NotRendered, render_all};
use super::tree::{self, Node, Tree};

/// A directory beside the releases in which the next one is built. Its name is new each time, so that a
/// dropped call that still writes does so to nobody's harm.
pub(super) fn begin(layout: &Layout) -> Result<PathBuf, FileError> {
    let releases = layout.releases();
    let made = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&releases);
    let made = made
        .map_err(FileError::at("create a directory in", &releases))?
        .keep();
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&made, open).map_err(FileError::at("set the mode of", &made))?;
    Ok(made)
}

/// Where an artifact of a release goes: straight to `app` if it is alone, else below it under its name.
pub(super) fn place(building: &Path, release: &Release, artifact: &str) -> PathBuf {
    let app = building.join("app");
    match release.artifacts.len() {
        1 => app,
        _ => app.join(artifact),
    }
}

/// Adds the configuration and the manifest to the artifacts, makes all of it last, and gives it its name.
pub(super) fn finish(
    layout: &Layout,
    building: &Path,
    release: Release,
    configuration: Configuration,
) -> Result<String, NotRendered> {
    let (app, config) = (building.join("app"), building.join("config"));
    fs::create_dir(&config).map_err(FileError::at("create", &config))?;
    render_all(&app, &tree::list(&app)?, &config, &configuration)?;

    let tree = tree::list(building)?;
    let bad = |node: &Node| matches!(node, Node::Special | Node::Unreadable { .. });
    if let Some((path, _)) = tree.iter().find(|(_, node)| bad(node)) {
        return Err(NotRendered::Refused(format!(
            "`{path}` is no file, directory or link"
        )));
    }
    let invalid = |error: &dyn std::error::Error| NotRendered::Refused(error.to_string());
    let manifest = Manifest::new(release, configuration, tree.clone()).map_err(|error| invalid(&error))?;
    let bytes = serde_json::to_vec_pretty(&manifest).map_err(|error| invalid(&error))?;
    file::replace(building, Manifest::FILE, &bytes)?;
    make_last(building, &tree)?;

    let name = free_name(layout, &manifest)?;
    let path = layout.release(&name);
    fs::rename(building, &path).map_err(FileError::at("create", &path))?;
    file::sync(&layout.releases())?;
    Ok(name)
}

fn make_last(building: &Path, tree: &Tree) -> Result<(), FileError> {
    for (path, node) in tree {
        if matches!(node, Node::File { .. } | Node::Directory { .. }) {
            file::sync(&building.join(path))?;
        }
    }
    file::sync(building)
}

/// The first name that is not taken. One is taken when what is live drifted: it must stay until the link
/// is switched.
fn free_name(layout: &Layout, manifest: &Manifest) -> Result<String, FileError> {
    let base = Layout::name_of(&manifest.release_digest, &manifest.configuration_digest);
    let taken = layout.names(false)?;
    let mut name = base.clone();
    let mut number = 1;
    while taken.contains(&name) {
        number += 1;
        name = format!("{base}.{number}");
    }
    Ok(name)
}
