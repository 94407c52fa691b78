use oci_client::RegistryOperation;
use pipeline_core::{ArtifactName, ArtifactRef, Digest, Revision, StoreError, Timestamp};
use semver::Version;

use super::remote::tag;
use super::transfer::blobs;
use super::{OciError, PullReport, Remote, Transferred};
use crate::form::Manifest;
use crate::store::blocking;
use crate::{BlobId, LocalStore, Publication, RecordedBuild, limits};

impl Remote {
    /// Pulls an artifact, and all that is attached to it, into a store, and publishes it there under a name and the
    /// version. What is there is not moved again. With a digest, that artifact and no other is taken, wherever the tag
    /// points.
    ///
    /// What it may have is limited by the [limits](crate::Limits) of the store: the sizes in its manifest are held against
    /// them before a blob is moved, then its table of contents before the rest is.
    ///
    /// The time of publication is `now`: when it came here. Its run, its revision and the revisions since the version before
    /// are taken from the newest [provenance](crate::RecordedBuild) that is attached to just this artifact, whoever signed
    /// it: so that it is found by its revision. They are claims, as a name and a version are; what may be believed is for
    /// [`check_origin`](LocalStore::check_origin) and a policy to say. Without provenance they stay unknown.
    ///
    /// # Errors
    ///
    /// [`OciError::NotFound`] when there is no such version; [`OciError::Refused`] when it is no artifact of ours or not the
    /// one with the digest; [`OciError::TooLarge`] when it has more than the limits of the store allow; when the store has
    /// another artifact under the name and version.
    pub async fn pull(
        &self,
        store: &LocalStore,
        name: &ArtifactName,
        version: &Version,
        digest: Option<&Digest>,
        now: Timestamp,
    ) -> Result<PullReport, OciError> {
        self.log_in(RegistryOperation::Pull).await?;
        let tag = tag(version);
        let place = format!("{}:{tag}", self.name());
        let which = digest.map_or(tag, ToString::to_string);
        let bytes = self.manifest(&which).await?.ok_or_else(|| OciError::NotFound {
            what: format!("{}:{which}", self.name()),
        })?;
        let manifest = Manifest::parse_artifact(&bytes).map_err(|reason| {
            OciError::refused(
                format!("{}:{which}", self.name()),
                format!("it is no artifact: {reason}"),
            )
        })?;
        let of = store.clone();
        // What is put in between is not collected before the record keeps it.
        let _lease = blocking(move || of.lease()).await??;
        let mut moved = Transferred::default();
        self.pull_contents(store, &manifest, &place, &mut moved).await?;
        self.pull_blobs(store, rest(&manifest), &mut moved).await?;
        let of = store.clone();
        let artifact = ArtifactRef {
            name: name.clone(),
            version: version.clone(),
            digest: blocking(move || of.add_blob(&bytes)).await??,
        };
        let attachments = self.pull_attachments(store, &artifact, &mut moved).await?;
        // Last: nobody sees it without what is attached to it.
        let of = store.clone();
        let published = blocking(move || {
            let publication = claimed(&of, artifact, now);
            of.publish_with(publication)
        });
        let artifact = published.await??.artifact;
        Ok(PullReport {
            artifact,
            place,
            moved,
            attachments: attachments.taken,
            skipped: attachments.skipped,
            more_are_listed: attachments.is_cut,
        })
    }

    /// Pulls the table of contents alone, and refuses an artifact that has more than is taken, or has other layers.
    async fn pull_contents(
        &self,
        store: &LocalStore,
        manifest: &Manifest,
        place: &str,
        moved: &mut Transferred,
    ) -> Result<(), OciError> {
        let Some((toc, _)) = manifest.parts() else {
            return Ok(());
        };
        let too_large = |source| OciError::TooLarge {
            what: place.to_owned(),
            source,
        };
        match store.check_sizes(manifest) {
            Ok(checked) => checked.map_err(too_large)?,
            Err(StoreError::Refused { reason, .. }) => return Err(OciError::refused(place, reason)),
            Err(error) => return Err(error.into()),
        }
        let blob = BlobId {
            digest: toc.digest,
            size: toc.size,
        };
        self.pull_blobs(store, vec![blob], moved).await?;
        let (of, manifest) = (store.clone(), manifest.clone());
        match blocking(move || of.check_contents(&manifest)).await? {
            Ok(checked) => checked.map_err(too_large),
            // Its bytes are those of its digest, so it was so when it was pushed.
            Err(StoreError::Damaged { reason, .. }) => Err(OciError::refused(place, reason)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The blobs that a manifest needs besides its table of contents.
fn rest(manifest: &Manifest) -> Vec<BlobId> {
    let toc = manifest.parts().map(|(toc, _)| toc.digest);
    let mut blobs = blobs(manifest);
    blobs.retain(|blob| Some(blob.digest) != toc);
    blobs
}

/// What is known of an artifact that was pulled, as the provenance says that came with it.
fn claimed(store: &LocalStore, artifact: ArtifactRef, now: Timestamp) -> Publication {
    let build = RecordedBuild::claimed(store, &artifact).into_iter().next();
    let mut publication = Publication::new(artifact).at(now);
    let Some(build) = build else {
        return publication;
    };
    publication.run = Some(build.run);
    // A stranger may have written it: what does not fit into a record, or is no text to show, is left out.
    let plain =
        |new: &Revision| !new.id.contains(char::is_control) && !new.summary.contains(char::is_control);
    let size = |new: &Revision| new.id.len() + new.summary.len() + REVISION_BYTES;
    let mut room = limits::MAX_RECORD / 2;
    let mut fits = |new: &Revision| {
        room = room.saturating_sub(size(new));
        plain(new) && room > 0
    };
    publication.revision = build.committed.filter(&mut fits);
    publication.revisions = build.revisions.into_iter().filter(fits).collect();
    publication
}

/// What a revision takes in a record besides its texts, at most.
const REVISION_BYTES: usize = 128;
