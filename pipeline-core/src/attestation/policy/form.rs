use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::{Accepted, AcceptedKey, Policy, ProvenanceRules};
use crate::Timestamp;
use crate::attestation::{KeyError, Predicate, Provenance, PublicKey, RUN_BUILD_TYPE};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Form {
    format: Spanned<u32>,
    threshold: Option<Spanned<NonZeroUsize>>,
    predicate_types: Option<Spanned<Vec<String>>>,
    keys: BTreeMap<String, Spanned<KeyForm>>,
    provenance: Option<Spanned<ProvenanceForm>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeyForm {
    file: Option<Spanned<String>>,
    pem: Option<Spanned<String>>,
    builders: Option<Spanned<Vec<String>>>,
    valid_from: Option<Spanned<Datetime>>,
    valid_until: Option<Spanned<Datetime>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ProvenanceForm {
    builders: Spanned<Vec<String>>,
    build_types: Option<Spanned<Vec<String>>>,
    sources: Spanned<AcceptedForm>,
    refs: Spanned<AcceptedForm>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected \"any\" or a list of patterns")]
enum AcceptedForm {
    Word(String),
    Patterns(Vec<String>),
}

/// What is wrong, and at which byte.
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
    pub(super) source: Option<KeyError>,
}

fn fault<T>(at: &Spanned<T>, message: impl Into<String>) -> Fault {
    Fault {
        at: at.span().start,
        message: message.into(),
        source: None,
    }
}

impl Form {
    pub(super) fn policy(self, read: impl Fn(&str) -> Result<PublicKey, KeyError>) -> Result<Policy, Fault> {
        if *self.format.get_ref() != 1 {
            let message = format!("format {} is not known: expected 1", self.format.get_ref());
            return Err(fault(&self.format, message));
        }
        let predicate_types = match self.predicate_types {
            Some(types) => some(types, "`predicate-types`")?,
            None => vec![Provenance::TYPE.to_owned()],
        };
        let provenance = match self.provenance {
            Some(rules) if predicate_types.iter().any(|kind| kind == Provenance::TYPE) => {
                Some(rules.into_inner().rules()?)
            }
            Some(rules) => {
                let message = format!("`provenance` has no use: `{}` is not asked for", Provenance::TYPE);
                return Err(fault(&rules, message));
            }
            None if predicate_types.iter().any(|kind| kind == Provenance::TYPE) => {
                let message = format!(
                    "`{}` is asked for, but there is no `[provenance]`",
                    Provenance::TYPE
                );
                return Err(fault(&self.format, message));
            }
            None => None,
        };
        let mut keys: Vec<AcceptedKey> = Vec::new();
        for (name, form) in self.keys {
            let key = form.get_ref().key(&name, &form, &read, provenance.as_ref())?;
            let id = key.verifier.key_id();
            if let Some(same) = keys.iter().find(|known| known.verifier.key_id() == id) {
                let message = format!("keys `{}` and `{name}` are the same key", same.name);
                return Err(fault(&form, message));
            }
            keys.push(key);
        }
        let threshold = match &self.threshold {
            Some(asked) if asked.get_ref().get() > keys.len() => {
                let message = format!("{} keys must sign, but there are {}", asked.get_ref(), keys.len());
                return Err(fault(asked, message));
            }
            Some(asked) => *asked.get_ref(),
            None if keys.is_empty() => return Err(fault(&self.format, "there are no `keys`")),
            None => NonZeroUsize::MIN,
        };
        Ok(Policy {
            predicate_types,
            keys,
            threshold,
            provenance,
        })
    }
}

impl KeyForm {
    fn key(
        &self,
        name: &str,
        at: &Spanned<Self>,
        read: impl Fn(&str) -> Result<PublicKey, KeyError>,
        provenance: Option<&ProvenanceRules>,
    ) -> Result<AcceptedKey, Fault> {
        let (key, place) = match (&self.file, &self.pem) {
            (Some(file), None) => (read(file.get_ref()), file),
            (None, Some(pem)) => (PublicKey::from_pem(pem.get_ref().trim_start()), pem),
            _ => return Err(fault(at, format!("key `{name}` needs one of `file` and `pem`"))),
        };
        let key = key.map_err(|error| Fault {
            source: Some(error),
            ..fault(place, format!("key `{name}` cannot be used"))
        })?;
        if let (Some(own), Some(rules)) = (&self.builders, provenance)
            && let Some(unknown) = own.get_ref().iter().find(|own| !rules.builders.contains(own))
        {
            let message = format!("`{unknown}` is not among `provenance.builders`");
            return Err(fault(own, message));
        }
        let (valid_from, valid_until) = (moment(&self.valid_from)?, moment(&self.valid_until)?);
        if let (Some(from), Some(until)) = (valid_from, valid_until)
            && until <= from
        {
            return Err(fault(at, format!("key `{name}` is never valid")));
        }
        Ok(AcceptedKey {
            builders: self.builders.as_ref().map(|own| own.get_ref().clone()),
            valid_from,
            valid_until,
            ..AcceptedKey::new(name, Arc::new(key))
        })
    }
}

impl ProvenanceForm {
    fn rules(self) -> Result<ProvenanceRules, Fault> {
        Ok(ProvenanceRules {
            builders: some(self.builders, "`provenance.builders`")?,
            build_types: match self.build_types {
                Some(types) => some(types, "`provenance.build-types`")?,
                None => vec![RUN_BUILD_TYPE.to_owned()],
            },
            sources: accepted(self.sources, "`provenance.sources`")?,
            refs: accepted(self.refs, "`provenance.refs`")?,
        })
    }
}

/// A list with something in it: an empty one accepts nothing, which nobody means.
fn some(list: Spanned<Vec<String>>, what: &str) -> Result<Vec<String>, Fault> {
    if list.get_ref().iter().all(String::is_empty) {
        return Err(fault(&list, format!("{what} is empty")));
    }
    Ok(list.into_inner())
}

fn accepted(form: Spanned<AcceptedForm>, what: &str) -> Result<Accepted, Fault> {
    match form.get_ref() {
        AcceptedForm::Word(word) if word == "any" => Ok(Accepted::Any),
        AcceptedForm::Word(word) => {
            let message = format!("{what} is `{word}`: expected \"any\" or a list of patterns");
            Err(fault(&form, message))
        }
        AcceptedForm::Patterns(patterns) if patterns.is_empty() => Err(fault(
            &form,
            format!("{what} is empty: to ask for nothing, say \"any\""),
        )),
        AcceptedForm::Patterns(patterns) => Ok(Accepted::only(patterns.iter().map(String::as_str))),
    }
}

fn moment(written: &Option<Spanned<Datetime>>) -> Result<Option<Timestamp>, Fault> {
    let Some(written) = written else {
        return Ok(None);
    };
    let text = written.get_ref().to_string();
    text.parse().map(Some).map_err(|_| {
        let message = format!(
            "`{text}` is no moment: expected a date, a time and an offset, as in 2027-01-01T00:00:00Z"
        );
        fault(written, message)
    })
}
