use std::io::{BufWriter, Write};
use std::path::Path;

use pipeline_artifacts::{ArtifactQuery, Attachment, Comparison, LocalStore, NewAttachment, StoredArtifact};
use pipeline_core::{ArtifactEntry, ArtifactName, ArtifactRef, ChainDisplay, EntryKind};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Value, json};

use crate::answer::{Answer, Exit, Problem};
use crate::host::Host;

/// The artifact that a query means.
pub fn find(store: &LocalStore, query: &str) -> Result<ArtifactRef, Problem> {
    let query: ArtifactQuery = query.parse().map_err(input)?;
    store.catalog().select(&query).map_err(input)
}

/// A mistake of the caller.
pub fn input(error: impl std::error::Error + 'static) -> Problem {
    Problem::input(ChainDisplay(&error).to_string())
}

fn open(store: &LocalStore, query: &str) -> Result<StoredArtifact, Problem> {
    Ok(store.artifact(&find(store, query)?)?)
}

/// `release artifact list [NAME]`
pub fn list(host: &Host, name: Option<&str>) -> Result<Answer, Problem> {
    let catalog = host.artifacts.catalog();
    let all = match name {
        Some(name) => vec![catalog.versions(&ArtifactName::new(name)?)?],
        None => catalog.all()?,
    };
    let (mut listed, mut text) = (Vec::new(), String::new());
    for versions in &all {
        for entry in versions.kept().rev() {
            let revision = entry.revision.as_deref();
            text.push_str(&format!(
                "  {:<24} {:<14} {}  {:>10} B  {}{}\n",
                versions.name(),
                entry.version.to_string(),
                entry.digest.short(),
                entry.bytes.unwrap_or_default(),
                revision.map_or("no revision".to_owned(), |id| format!("revision {}", short(id))),
                if entry.yanked { ", yanked" } else { "" },
            ));
            listed.push(json!({
                "name": versions.name(),
                "version": entry.version,
                "digest": entry.digest,
                "tree": entry.tree,
                "bytes": entry.bytes,
                "published_at": entry.published_at,
                "revision": revision,
                "yanked": entry.yanked,
            }));
        }
    }
    if listed.is_empty() {
        text.push_str(&match name {
            Some(name) => format!("no artifact is called `{name}`; without a name, all are listed\n"),
            None => "no artifacts\n".to_owned(),
        });
    }
    Ok(Answer::new(Exit::Succeeded, json!({ "artifacts": listed }), text))
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// `release artifact show ARTIFACT`
pub fn show(host: &Host, query: &str) -> Result<Answer, Problem> {
    let store = &host.artifacts;
    let artifact = open(store, query)?;
    let reference = artifact.reference();
    let record = store.catalog().record(&reference.name, &reference.version)?;
    let attached = store.attachments(&reference.digest)?;
    let (mut files, mut bytes) = (0, 0_u64);
    for entry in artifact.entries() {
        if let EntryKind::File { size, .. } = entry?.kind {
            files += 1;
            bytes = bytes.saturating_add(size);
        }
    }
    let tree = artifact.tree()?;
    let mut text = format!("{} {}\n", reference.name, reference.version);
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<10} {value}\n"));
    line("digest", reference.digest.to_string());
    line("tree", tree.to_string());
    line(
        "content",
        format!(
            "{} entries, of which {files} are files with {bytes} B, in {} blobs",
            artifact.entries().len(),
            artifact.layers().len()
        ),
    );
    if let Some(record) = &record {
        if let Some(at) = record.published_at {
            line("published", at.to_string());
        }
        if let Some(run) = &record.run {
            line("run", run.to_string());
        }
        if let Some(revision) = &record.revision {
            line(
                "revision",
                format!("{} {}", short(&revision.id), revision.summary),
            );
        }
        for revision in record.revisions.iter().take(10) {
            line("new", format!("{} {}", short(&revision.id), revision.summary));
        }
    }
    for one in &attached {
        line(
            "attached",
            format!("{} of {} B, {}", one.kind(), one.size(), one.digest.short()),
        );
    }
    let attached: Vec<Value> = attached.iter().map(attachment).collect();
    let data = json!({
        "artifact": reference,
        "tree": tree,
        "files": files,
        "record": record,
        "attachments": attached,
    });
    Ok(Answer::new(Exit::Succeeded, data, text))
}

fn attachment(one: &Attachment) -> Value {
    json!({ "kind": one.kind().to_string(), "predicate_type": one.predicate_type(), "attachment": one })
}

/// `release artifact diff BEFORE AFTER`
pub fn diff(host: &Host, before: &str, after: &str) -> Result<Answer, Problem> {
    let found = Comparison::of(&open(&host.artifacts, before)?, &open(&host.artifacts, after)?)?;
    let exit = if found.is_same() {
        Exit::Succeeded
    } else {
        Exit::Failed
    };
    Ok(Answer::new(
        exit,
        json!({ "comparison": found }),
        found.to_string(),
    ))
}

/// `release artifact files ARTIFACT`: prints each entry as it is read, because there may be a million; for a program, in
/// the document of `--json`.
pub fn files(host: &Host, query: &str, document: Option<Value>) -> Result<Answer, Problem> {
    let artifact = open(&host.artifacts, query)?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    if let Some(document) = document {
        let listing = Listing { document, artifact };
        match serde_json::to_writer_pretty(&mut out, &listing) {
            Err(error) if !error.is_io() => return Err(Problem::failure(error.to_string())),
            // Whoever reads has read enough.
            _ => drop(out.write_all(b"\n").and_then(|()| out.flush())),
        }
        return Ok(Answer::said());
    }
    for entry in artifact.entries() {
        let ArtifactEntry { path, kind } = entry?;
        let written = match kind {
            EntryKind::File { size, executable, .. } => {
                let mode = if executable { "755" } else { "644" };
                writeln!(out, "{mode} {size:>12}  {path}")
            }
            EntryKind::Directory => writeln!(out, "dir {:>12}  {path}/", ""),
            EntryKind::Symlink { target } => writeln!(out, "lnk {:>12}  {path} -> {target}", ""),
        };
        if written.is_err() {
            break;
        }
    }
    // Here too: that nobody reads any more is no failure.
    let _ = out.flush();
    Ok(Answer::said())
}

/// A document with the entries of an artifact, which are read while it is written.
struct Listing {
    document: Value,
    artifact: StoredArtifact,
}

impl Serialize for Listing {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("artifact", self.artifact.reference())?;
        map.serialize_entry("entries", &Lines(&self.artifact))?;
        for (key, value) in self.document.as_object().into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

struct Lines<'a>(&'a StoredArtifact);

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.entries().len()))?;
        for entry in self.0.entries() {
            let entry = entry.map_err(|error| S::Error::custom(ChainDisplay(&error)))?;
            list.serialize_element(&entry)?;
        }
        list.end()
    }
}

/// `release artifact cat ARTIFACT PATH`: the bytes as they are, unless `--json` asks for a document.
pub fn cat(host: &Host, query: &str, path: &str, json: bool) -> Result<Answer, Problem> {
    let artifact = open(&host.artifacts, query)?;
    let kind = artifact.entry(path)?.map(|entry| entry.kind);
    if !matches!(kind, Some(EntryKind::File { .. })) {
        return Err(Problem::input(format!(
            "{0} has no file `{path}`; list them with: release artifact files {query}",
            artifact.reference()
        )));
    }
    if json {
        let bytes = artifact.file(path)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let data = json!({ "artifact": artifact.reference(), "path": path, "text": text });
        return Ok(Answer::new(Exit::Succeeded, data, text));
    }
    let mut out = std::io::stdout().lock();
    artifact.copy_file(path, &mut out)?;
    out.flush()?;
    Ok(Answer::silent())
}

/// `release artifact attach ARTIFACT FILE`
pub fn attach(host: &Host, query: &str, file: &Path, media_type: Option<&str>) -> Result<Answer, Problem> {
    let artifact = find(&host.artifacts, query)?;
    let bytes =
        std::fs::read(file).map_err(|error| Problem::input(format!("{}: {error}", file.display())))?;
    let new = match media_type {
        Some(kind) => NewAttachment::new(kind, kind, bytes),
        None => NewAttachment::recognise(bytes)
            .map_err(|error| Problem::input(format!("{}: {error}", file.display())))?,
    };
    let attached = host.artifacts.attach(&artifact.digest, &new).map_err(input)?;
    let text = format!(
        "attached to {artifact}: {} {}\n",
        attached.kind(),
        attached.digest
    );
    Ok(Answer::new(Exit::Succeeded, attachment(&attached), text))
}
