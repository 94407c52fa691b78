use std::num::NonZeroUsize;

use super::source_claim::SourceClaim;
use super::verify::Checks;
use super::{AcceptedKey, ProvenanceRules, Rule};
use crate::attestation::Provenance;

impl ProvenanceRules {
    /// Looks at what provenance says whose signatures are good.
    pub(super) fn examine(
        &self,
        provenance: &Provenance,
        signers: &[&AcceptedKey],
        threshold: NonZeroUsize,
        checks: &mut Checks,
    ) {
        let builder = &provenance.run_details.builder.id;
        checks.note(
            Rule::Builder,
            self.builders.contains(builder),
            list(&self.builders),
            builder,
        );

        // Whoever holds the key of one builder must not speak for another.
        let speakers = signers.iter().filter(|key| key.speaks_for(builder));
        let speakers: Vec<_> = speakers.map(|key| key.name.clone()).collect();
        let enough = speakers.len() >= threshold.get();
        let expected = format!("{threshold} that may speak for the builder");
        checks.note(Rule::KeysOfBuilder, enough, expected, list(&speakers));

        let build = &provenance.build_definition;
        let known = self.build_types.contains(&build.build_type);
        checks.note(Rule::BuildType, known, list(&self.build_types), &build.build_type);

        let claim = SourceClaim::of(build);
        let said = claim.as_ref().err().map_or("they are known", String::as_str);
        checks.note(
            Rule::Parameters,
            claim.is_ok(),
            "only parameters of the build type",
            said,
        );

        let claim = claim.unwrap_or_default();
        for (rule, accepted, found) in [
            (Rule::Source, &self.sources, claim.repository),
            (Rule::Ref, &self.refs, claim.reference),
        ] {
            let good = accepted.accepts(found.as_deref());
            checks.note(
                rule,
                good,
                accepted.to_string(),
                found.as_deref().unwrap_or("nothing is said"),
            );
        }
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        names => format!("`{}`", names.join("` or `")),
    }
}
