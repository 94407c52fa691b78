use pipeline_core::{ArtifactName, ArtifactRef, CanonicalError, Digest, canonical_json};
use semver::{BuildMetadata, Version};
use serde::{Deserialize, Serialize};

/// The version of the form on disk.
const FORMAT: u32 = 1;

/// What the catalog says of one name and version: a small file, written once. It carries the digest of
/// itself, so that no changed byte goes unseen.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    artifact: ArtifactRef,
    format: u32,
    /// The digest of the canonical JSON of the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seal: Option<Digest>,
}

/// The bytes of a record.
pub(super) fn write(artifact: &ArtifactRef) -> Result<Vec<u8>, CanonicalError> {
    let mut record = Record {
        artifact: artifact.clone(),
        format: FORMAT,
        seal: None,
    };
    record.seal = Some(Digest::of_data(&record)?);
    canonical_json(&record)
}

/// Reads a record that [`write`] wrote, and nothing else.
pub(super) fn read(bytes: &[u8]) -> Result<ArtifactRef, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if record.format != FORMAT {
        return Err(format!(
            "it has format {}; this version reads format {FORMAT}",
            record.format
        ));
    }
    if write(&record.artifact).is_ok_and(|written| written == bytes) {
        Ok(record.artifact)
    } else {
        Err("its seal does not fit its content".to_owned())
    }
}

/// Whether a record is the one of this name and version, and not one under a wrong name.
pub(super) fn check_place(found: &ArtifactRef, name: &ArtifactName, version: &Version) -> Result<(), String> {
    if found.name == *name && plain(&found.version) == plain(version) {
        Ok(())
    } else {
        Err(format!("it is the record of {} {}", found.name, found.version))
    }
}

/// A version without its build metadata: what the catalog tells versions apart by.
pub(super) fn plain(version: &Version) -> Version {
    Version {
        build: BuildMetadata::EMPTY,
        ..version.clone()
    }
}

/// The name of a record's file.
pub(super) fn file_name(version: &Version) -> String {
    format!("{}.json", plain(version))
}

/// The version that a file is the record of, if its name is one that [`file_name`] gives.
pub(super) fn version_of(file_name: &str) -> Option<Version> {
    let version: Version = file_name.strip_suffix(".json")?.parse().ok()?;
    (self::file_name(&version) == file_name).then_some(version)
}
