use std::fmt;

use serde::Serialize;

use crate::Digest;

/// What a policy found: for each kind of statement that it asks for whether there is one, and for each envelope what was
/// expected of it and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "an artifact is believed only if the report allows it"]
pub struct Report {
    /// What it is about.
    pub subject: String,
    /// What there must be.
    pub requirements: Vec<Requirement>,
    /// The envelopes, in the order in which they were given.
    pub attestations: Vec<AttestationReport>,
}

/// A kind of statement that there must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The kind.
    pub predicate_type: String,
    /// The number, from 0, of the first envelope that proves it; `None` when none does.
    pub proven_by: Option<usize>,
}

/// What was found in one envelope. What is behind the first rule that does not hold was not looked at where it would
/// have meant to believe what is not proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttestationReport {
    /// The digest of the payload.
    pub payload: Digest,
    /// The keys whose signatures count, by name.
    pub keys: Vec<String>,
    /// The kind of statement, once it is known who signed it.
    pub predicate_type: Option<String>,
    /// The rules, in the order in which they were looked at.
    pub checks: Vec<Check>,
}

impl AttestationReport {
    /// Whether every rule holds.
    pub fn holds(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|check| check.holds)
    }
}

/// One rule, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The rule.
    pub rule: Rule,
    /// What the policy asks for.
    pub expected: String,
    /// What there is; shortened, without control characters.
    pub found: String,
    /// Whether that is good.
    pub holds: bool,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The envelope holds a statement.
    PayloadType,
    /// Enough accepted keys signed it.
    Signatures,
    /// The payload is a sound statement.
    Statement,
    /// The statement is about the artifact.
    Subject,
    /// The statement is about the artifact's table of contents.
    Tree,
    /// The statement is of a kind that is asked for.
    PredicateType,
    /// It says that what it tells of went well; asked of test results and verification summaries.
    Result,
    /// The provenance is sound, and there are rules for it.
    Provenance,
    /// The builder is trusted.
    Builder,
    /// Enough of the keys may speak for that builder.
    KeysOfBuilder,
    /// The kind of build is accepted.
    BuildType,
    /// The parameters of the build are all known.
    Parameters,
    /// The code comes from an accepted repository.
    Source,
    /// The code comes from an accepted branch or tag.
    Ref,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PayloadType => "payload type",
            Self::Signatures => "signatures",
            Self::Statement => "statement",
            Self::Subject => "subject",
            Self::Tree => "tree",
            Self::PredicateType => "predicate type",
            Self::Result => "result",
            Self::Provenance => "provenance",
            Self::Builder => "builder",
            Self::KeysOfBuilder => "keys of builder",
            Self::BuildType => "build type",
            Self::Parameters => "parameters",
            Self::Source => "source",
            Self::Ref => "ref",
        })
    }
}

impl Report {
    /// Whether everything that the policy asks for is proven.
    #[must_use]
    pub fn allowed(&self) -> bool {
        let proven = |requirement: &Requirement| requirement.proven_by.is_some();
        !self.requirements.is_empty() && self.requirements.iter().all(proven)
    }

    /// The report, if it allows the artifact.
    ///
    /// # Errors
    ///
    /// When it does not; the error holds the report.
    pub fn into_result(self) -> Result<Self, Denied> {
        if self.allowed() {
            Ok(self)
        } else {
            Err(Denied(Box::new(self)))
        }
    }
}

impl fmt::Display for Report {
    /// Lines for people: the verdict, what is missing, then each envelope with its rules.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.allowed() { "proven" } else { "NOT PROVEN" };
        write!(f, "{verdict}: {}", self.subject)?;
        if self.requirements.is_empty() {
            write!(f, "\n  the policy asks for nothing, so nothing is proven")?;
        }
        for Requirement {
            predicate_type,
            proven_by,
        } in &self.requirements
        {
            match proven_by {
                Some(index) => write!(f, "\n  {predicate_type}: attestation {}", index + 1)?,
                None if self.attestations.is_empty() => {
                    write!(f, "\n  {predicate_type}: missing, there is no attestation")?;
                }
                None => write!(f, "\n  {predicate_type}: missing, no attestation proves it")?,
            }
        }
        for (index, attestation) in self.attestations.iter().enumerate() {
            write!(
                f,
                "\n\nattestation {} ({})",
                index + 1,
                attestation.payload.short()
            )?;
            for check in &attestation.checks {
                let mark = if check.holds { "ok" } else { "NO" };
                write!(f, "\n  {mark} {:15} {}", check.rule, check.found)?;
                if !check.holds {
                    write!(f, "\n     {:15} expected {}", "", check.expected)?;
                }
            }
        }
        Ok(())
    }
}

/// An artifact that a policy does not accept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Denied(pub Box<Report>);

/// A text from outside, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    const MOST: usize = 400;
    let mut shown: String = text.escape_debug().take(MOST).collect();
    if text.chars().count() > MOST {
        shown.push('…');
    }
    shown
}
