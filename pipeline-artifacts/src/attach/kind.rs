use std::fmt;

use serde::Serialize;

/// A DSSE envelope, whatever it holds.
pub(super) const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// CycloneDX in JSON and in XML, as registered.
pub(super) const CYCLONE_DX: &str = "application/vnd.cyclonedx+json";
pub(super) const CYCLONE_DX_XML: &str = "application/vnd.cyclonedx+xml";
/// SPDX in JSON and in its own form of lines, as registered.
pub(super) const SPDX: &str = "application/spdx+json";
pub(super) const SPDX_TEXT: &str = "text/spdx";
/// A bundle of Sigstore; the version is part of the type.
pub(super) const SIGSTORE: &str = "application/vnd.dev.sigstore.bundle";
/// Results of tests, in whatever form the part's own type says.
pub(super) const TEST_RESULT: &str = "application/vnd.release-pipeline.test-result.v1";
/// A text for people.
pub(super) const NOTE: &str = "application/vnd.release-pipeline.note.v1";

/// What an attachment is, by its types: what those say who attached it, and nothing that is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AttachmentKind {
    /// An envelope with SLSA provenance.
    Provenance,
    /// An envelope with a statement of another kind.
    Statement,
    /// A list of what is in the artifact.
    Sbom(SbomForm),
    /// A signature over its manifest, in the form of another tool.
    Signature,
    /// What tests of it found.
    TestResult,
    /// A text for people.
    Note,
    /// Something else.
    Other,
}

/// The form of a software bill of materials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SbomForm {
    /// [CycloneDX](https://cyclonedx.org), in JSON or XML.
    CycloneDx,
    /// [SPDX](https://spdx.dev), in JSON or as lines of tags and values.
    Spdx,
}

impl AttachmentKind {
    /// The kind of an artifact type; of an envelope, with what it says to hold.
    pub(super) fn of(artifact_type: &str, predicate_type: Option<&str>) -> Self {
        let predicate = predicate_type.unwrap_or_default();
        match artifact_type {
            ENVELOPE if predicate.starts_with("https://slsa.dev/provenance/") => Self::Provenance,
            ENVELOPE if predicate.starts_with("https://in-toto.io/attestation/test-result/") => {
                Self::TestResult
            }
            ENVELOPE | "application/vnd.in-toto+json" => Self::Statement,
            CYCLONE_DX | CYCLONE_DX_XML => Self::Sbom(SbomForm::CycloneDx),
            SPDX | SPDX_TEXT => Self::Sbom(SbomForm::Spdx),
            TEST_RESULT => Self::TestResult,
            NOTE => Self::Note,
            "application/vnd.cncf.notary.signature" => Self::Signature,
            other if other.starts_with(SIGSTORE) || other.starts_with("application/vnd.dev.cosign.") => {
                Self::Signature
            }
            _ => Self::Other,
        }
    }
}

impl fmt::Display for AttachmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Provenance => "provenance",
            Self::Statement => "statement",
            Self::Sbom(SbomForm::CycloneDx) => "SBOM (CycloneDX)",
            Self::Sbom(SbomForm::Spdx) => "SBOM (SPDX)",
            Self::Signature => "signature",
            Self::TestResult => "test result",
            Self::Note => "note",
            Self::Other => "other",
        })
    }
}
