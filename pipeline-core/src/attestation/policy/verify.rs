use super::report::shown;
use super::result_claim::{PASSED, result};
use super::{AcceptedKey, AttestationReport, Check, Policy, Report, Requirement, Rule, Subject};
use crate::attestation::{Envelope, Predicate, Provenance, ResourceDescriptor, STATEMENT_PAYLOAD, Statement};
use crate::{Digest, Timestamp};

/// The rules of one envelope, as they are looked at.
#[derive(Debug, Default)]
pub(super) struct Checks(Vec<Check>);

impl Checks {
    /// Notes what became of a rule, and says it.
    pub(super) fn note(
        &mut self,
        rule: Rule,
        holds: bool,
        expected: impl Into<String>,
        found: impl AsRef<str>,
    ) -> bool {
        self.0.push(Check {
            rule,
            expected: expected.into(),
            found: shown(found.as_ref()),
            holds,
        });
        holds
    }
}

impl Policy {
    /// What the policy says of a subject, given some envelopes, with the keys that are valid at a time: usually now. When
    /// something was signed is only known from those who signed it, and so is not asked.
    pub fn verify(&self, envelopes: &[Envelope], subject: &Subject, at: Timestamp) -> Report {
        let examine = |envelope| self.examine(envelope, subject, at);
        let attestations: Vec<_> = envelopes.iter().map(examine).collect();
        let proven_by = |predicate_type: &String| {
            attestations
                .iter()
                .position(|report| report.predicate_type.as_ref() == Some(predicate_type) && report.holds())
        };
        let requirement = |predicate_type: &String| Requirement {
            proven_by: proven_by(predicate_type),
            predicate_type: predicate_type.clone(),
        };
        Report {
            subject: subject.to_string(),
            requirements: self.predicate_types.iter().map(requirement).collect(),
            attestations,
        }
    }

    fn examine(&self, envelope: &Envelope, subject: &Subject, at: Timestamp) -> AttestationReport {
        let mut checks = Checks::default();
        let mut report = AttestationReport {
            payload: Digest::of(envelope.unverified_payload()),
            keys: Vec::new(),
            predicate_type: None,
            checks: Vec::new(),
        };
        let signers = self.signers(envelope, at, &mut checks);
        report.keys = signers.iter().map(|key| key.name.clone()).collect();
        if signers.len() >= self.threshold.get()
            && let Some(statement) = statement(envelope, &mut checks)
        {
            self.examine_statement(&statement, &signers, subject, &mut checks);
            report.predicate_type = Some(statement.predicate_type);
        }
        report.checks = checks.0;
        report
    }

    /// The accepted keys that signed an envelope, each once.
    fn signers<'a>(
        &'a self,
        envelope: &Envelope,
        at: Timestamp,
        checks: &mut Checks,
    ) -> Vec<&'a AcceptedKey> {
        let signed = envelope.signed_by(self.keys.iter().map(|key| &*key.verifier));
        let mut signers: Vec<&AcceptedKey> = Vec::new();
        let mut found = Vec::new();
        for key in &self.keys {
            let id = key.verifier.key_id();
            if !signed.contains(&id) || signers.iter().any(|known| known.verifier.key_id() == id) {
                continue;
            }
            if key.is_valid(at) {
                signers.push(key);
                found.push(format!("key `{}`", key.name));
            } else {
                found.push(format!("key `{}`, which is not valid at {at}", key.name));
            }
        }
        if found.is_empty() {
            found.push(match envelope.signatures().len() {
                0 => "no signature".to_owned(),
                1 => "1 signature, by no accepted key or of other bytes".to_owned(),
                n => format!("{n} signatures, by no accepted key or of other bytes"),
            });
        }
        let names: Vec<_> = self.keys.iter().map(|key| format!("`{}`", key.name)).collect();
        let expected = match self.threshold.get() {
            1 => format!("a signature by one of {}", names.join(", ")),
            n => format!("signatures by {n} different keys of {}", names.join(", ")),
        };
        let enough = signers.len() >= self.threshold.get();
        checks.note(Rule::Signatures, enough, expected, found.join("; "));
        signers
    }

    fn examine_statement(
        &self,
        statement: &Statement,
        signers: &[&AcceptedKey],
        subject: &Subject,
        checks: &mut Checks,
    ) {
        let found = subject.find(statement);
        let text = names(statement, found);
        checks.note(Rule::Subject, found.is_some(), subject.to_string(), text);
        if let Some((tree, found)) = subject.find_tree(statement) {
            let text = names(statement, found);
            checks.note(Rule::Tree, found.is_some(), tree.to_string(), text);
        }
        let found = &statement.predicate_type;
        let asked = self.predicate_types.contains(found);
        let expected = self.predicate_types.join("` or `");
        checks.note(Rule::PredicateType, asked, format!("`{expected}`"), found);
        // A test that failed was also signed by whoever ran it.
        if let Some(said) = result(statement) {
            let found = if said.is_empty() { "nothing is said" } else { said };
            checks.note(Rule::Result, said == PASSED, PASSED, found);
        }
        if found != Provenance::TYPE {
            return;
        }
        let Some(rules) = &self.provenance else {
            checks.note(Rule::Provenance, false, "rules in the policy", "none");
            return;
        };
        match statement.predicate::<Provenance>() {
            Ok(provenance) => {
                checks.note(Rule::Provenance, true, "sound provenance", "it is sound");
                rules.examine(&provenance, signers, self.threshold, checks);
            }
            Err(error) => {
                checks.note(Rule::Provenance, false, "sound provenance", error.to_string());
            }
        }
    }
}

/// The statement in an envelope that is signed as it must be.
fn statement(envelope: &Envelope, checks: &mut Checks) -> Option<Statement> {
    let found = envelope.payload_type();
    if !checks.note(
        Rule::PayloadType,
        found == STATEMENT_PAYLOAD,
        STATEMENT_PAYLOAD,
        found,
    ) {
        return None;
    }
    match Statement::parse(envelope.unverified_payload()) {
        Ok(statement) => {
            checks.note(
                Rule::Statement,
                true,
                "an in-toto statement, version 1",
                "it is one",
            );
            Some(statement)
        }
        Err(error) => {
            let found = error.to_string();
            checks.note(Rule::Statement, false, "an in-toto statement, version 1", found);
            None
        }
    }
}

/// The subject that was found, or the first few of those that there are.
fn names(statement: &Statement, found: Option<&ResourceDescriptor>) -> String {
    const MOST: usize = 4;
    let subjects = found.map_or(&statement.subjects[..], std::slice::from_ref);
    let name = |subject: &ResourceDescriptor| {
        let digests = subject.digest.iter();
        let digests: Vec<_> = digests.map(|(name, digest)| format!("{name}:{digest}")).collect();
        format!(
            "{} ({})",
            subject.name.as_deref().unwrap_or("?"),
            digests.join(", ")
        )
    };
    let mut names: Vec<_> = subjects.iter().take(MOST).map(name).collect();
    if subjects.len() > MOST {
        names.push(format!("and {} more", subjects.len() - MOST));
    }
    names.join(", ")
}
