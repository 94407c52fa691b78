use jiff::Timestamp;

use super::delivered::{Brought, Delivered};
use crate::instant::Instants;
use crate::log::stop;
use crate::moment::micros;
use crate::{DeploymentKind, Sha};

/// The version of `environment.deployed` whose form is known here.
const VERSION: u16 = 1;

/// Reads out of the text of an `environment.deployed` what facts need. The configuration, the artifacts and the names of
/// the run are most of the text; they must be there, and are passed over.
///
/// `None` of every text that is not of the usual form: compact, each field once, no escapes in what is needed. Then
/// [`Deployed`](pipeline_core::Deployed) tells what it means, so that this never depends on who read it.
pub(super) fn read(version: u16, json: &str) -> Option<Delivered<'_>> {
    let mut text = DeployedText {
        json,
        at: 0,
        instants: Instants::default(),
    };
    let delivered = text.deployed()?;
    (version == VERSION && text.at == json.len()).then_some(delivered)
}

struct DeployedText<'a> {
    json: &'a str,
    at: usize,
    instants: Instants,
}

/// The fields that are always there, as bits of a set, and those that may be.
mod field {
    pub(super) const TIER: u32 = 1;
    pub(super) const RELEASE: u32 = 1 << 1;
    pub(super) const RELEASE_DIGEST: u32 = 1 << 2;
    pub(super) const STARTED: u32 = 1 << 3;
    pub(super) const RUN: u32 = 1 << 4;
    pub(super) const STAGE: u32 = 1 << 5;
    pub(super) const PIPELINE: u32 = 1 << 6;
    pub(super) const CONFIGURATION: u32 = 1 << 7;
    pub(super) const CONFIGURATION_DIGEST: u32 = 1 << 8;
    pub(super) const ALWAYS: u32 = (1 << 9) - 1;

    pub(super) const UNCHANGED: u32 = 1 << 9;
    pub(super) const PURPOSE: u32 = 1 << 10;
    pub(super) const REVISION: u32 = 1 << 11;
    pub(super) const REVISIONS: u32 = 1 << 12;
    pub(super) const REQUESTED: u32 = 1 << 13;

    /// Of a release.
    pub(super) const COMPONENT: u32 = 1;
    pub(super) const VERSION: u32 = 1 << 1;
    pub(super) const ARTIFACTS: u32 = 1 << 2;
    pub(super) const OF_RELEASE: u32 = COMPONENT | VERSION | ARTIFACTS;

    /// Of a revision.
    pub(super) const ID: u32 = 1;
    pub(super) const AT: u32 = 1 << 1;
    pub(super) const OF_REVISION: u32 = ID | AT;
    pub(super) const SUMMARY: u32 = 1 << 2;
}

impl<'a> DeployedText<'a> {
    fn deployed(&mut self) -> Option<Delivered<'a>> {
        let mut delivered = Delivered {
            component: "".into(),
            version: "".into(),
            release: "".into(),
            production: false,
            unchanged: false,
            kind: DeploymentKind::Planned,
            started: 0,
            revision: None,
            revisions: Vec::new(),
        };
        let seen = self.object(|text, key| {
            Some(match key {
                "run" => text.pass(field::RUN)?,
                "stage" => text.pass(field::STAGE)?,
                "pipeline" => text.pass(field::PIPELINE)?,
                "tier" => {
                    delivered.production = match text.plain()? {
                        "production" => true,
                        "development" | "testing" | "staging" => false,
                        _ => return None,
                    };
                    field::TIER
                }
                "release" => {
                    text.release(&mut delivered)?;
                    field::RELEASE
                }
                "release_digest" => {
                    delivered.release = text.plain()?.into();
                    field::RELEASE_DIGEST
                }
                "configuration" => text.pass(field::CONFIGURATION)?,
                "configuration_digest" => text.pass(field::CONFIGURATION_DIGEST)?,
                "unchanged" => {
                    delivered.unchanged = text.truth()?;
                    field::UNCHANGED
                }
                "purpose" => {
                    delivered.kind = match text.plain()? {
                        "planned" => DeploymentKind::Planned,
                        "rework" => DeploymentKind::Rework,
                        _ => return None,
                    };
                    field::PURPOSE
                }
                "revision" => {
                    delivered.revision = Some(text.revision()?);
                    field::REVISION
                }
                "revisions" => {
                    text.revisions(&mut delivered.revisions)?;
                    field::REVISIONS
                }
                "requested_at" => text.pass(field::REQUESTED)?,
                "started_at" => {
                    delivered.started = text.moment()?;
                    field::STARTED
                }
                _ => return None,
            })
        })?;
        (seen & field::ALWAYS == field::ALWAYS).then_some(delivered)
    }

    fn release(&mut self, delivered: &mut Delivered<'a>) -> Option<()> {
        let seen = self.object(|text, key| {
            Some(match key {
                "component" => {
                    delivered.component = text.plain()?.into();
                    field::COMPONENT
                }
                "version" => {
                    delivered.version = text.plain()?.into();
                    field::VERSION
                }
                "artifacts" => text.pass(field::ARTIFACTS)?,
                _ => return None,
            })
        })?;
        (seen == field::OF_RELEASE).then_some(())
    }

    fn revisions(&mut self, revisions: &mut Vec<Brought<'a>>) -> Option<()> {
        self.take(b'[')?;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            revisions.push(self.revision()?);
            if self.take(b',').is_none() {
                return self.take(b']');
            }
        }
    }

    fn revision(&mut self) -> Option<Brought<'a>> {
        let (mut id, mut at) = ("", 0);
        let seen = self.object(|text, key| {
            Some(match key {
                "id" => {
                    id = text.plain()?;
                    field::ID
                }
                "at" => {
                    at = text.moment()?;
                    field::AT
                }
                "summary" => text.pass(field::SUMMARY)?,
                _ => return None,
            })
        })?;
        let sha = Sha::new(id);
        (seen & field::OF_REVISION == field::OF_REVISION).then_some(Brought { sha, at })
    }

    /// An object with at least one field and no field twice; `field` reads a value and tells the bit of its key.
    fn object(&mut self, mut field: impl FnMut(&mut Self, &str) -> Option<u32>) -> Option<u32> {
        let mut seen = 0;
        self.take(b'{')?;
        loop {
            let key = self.plain()?;
            self.take(b':')?;
            let bit = field(self, key)?;
            if seen & bit != 0 {
                return None;
            }
            seen |= bit;
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(seen);
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.json.as_bytes()[self.at..]
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        let is = self.rest().first() == Some(&byte);
        self.at += usize::from(is);
        is.then_some(())
    }

    /// A text of ASCII in quotes, without escapes.
    fn plain(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        self.at += stop(self.rest())?;
        let text = self.json.get(start..self.at)?;
        self.take(b'"')?;
        Some(text)
    }

    fn moment(&mut self) -> Option<i64> {
        let text = self.plain()?;
        let usual = self.instants.parse(text.as_bytes());
        usual.or_else(|| text.parse::<Timestamp>().ok().map(micros))
    }

    fn truth(&mut self) -> Option<bool> {
        let truth = self.rest().starts_with(b"true");
        if !truth && !self.rest().starts_with(b"false") {
            return None;
        }
        self.at += if truth { 4 } else { 5 };
        Some(truth)
    }

    /// Passes over a value, and tells the bit of its key.
    fn pass(&mut self, bit: u32) -> Option<u32> {
        let mut depth = 0_usize;
        loop {
            match self.rest().first()? {
                b'"' => self.pass_text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // A number, or a word.
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.rest().first()?, b',' | b'}' | b']') {
                return Some(bit);
            }
        }
    }

    fn pass_text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            self.at += stop(self.rest())?;
            match self.rest().first()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' if self.rest().len() > 1 => self.at += 2,
                b'\\' => return None,
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pipeline_core::{ArtifactRef, Configuration, Deployed, Digest, Purpose, Release, Revision, Tier};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn revisions() -> impl Strategy<Value = Vec<Revision>> {
        let at = (0..4_000_000_000_i64, 0..1_000_000_000_i32);
        let at = at.prop_map(|(second, nano)| Timestamp::new(second, nano).unwrap());
        let one = ("[0-9a-f]{40}|v[0-9.]{1,5}", at, "|[ -~é\n\"\\\\]{1,9}");
        let one = one.prop_map(|(id, at, summary)| Revision { id, at, summary });
        prop::collection::vec(one, 0..5)
    }

    fn deployed() -> impl Strategy<Value = Deployed> {
        let tier = prop::sample::select(vec![
            Tier::Development,
            Tier::Testing,
            Tier::Staging,
            Tier::Production,
        ]);
        let value = prop::sample::select(vec![
            json!("a \"quoted\" \\ text, {[é"),
            json!([1, -2.5e3, null, [], {}]),
            json!({"a": {"b": [true, {"c": "}]"}]}, "d": ""}),
        ]);
        let some = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
        (tier, value, some, "[a-z][a-z0-9-]{0,8}", revisions()).prop_map(
            |(tier, value, (rework, unchanged, own, requested), name, revisions)| {
                let artifact = ArtifactRef {
                    name: name.parse().unwrap(),
                    version: "1.20.3-rc.1+b".parse().unwrap(),
                    digest: Digest::of(&name),
                };
                let release = Release {
                    component: name.parse().unwrap(),
                    version: artifact.version.clone(),
                    artifacts: BTreeMap::from([(name.parse().unwrap(), artifact)]),
                };
                let mut configuration = Configuration::empty("shop".parse().unwrap());
                configuration.values.insert("key \\ \"é\"".to_owned(), value);
                let at: Timestamp = "2025-01-06T12:00:00.123456789Z".parse().unwrap();
                Deployed {
                    run: "r1".parse().unwrap(),
                    stage: "deploy".parse().unwrap(),
                    pipeline: "p".parse().unwrap(),
                    tier,
                    release_digest: release.digest().unwrap(),
                    release,
                    configuration_digest: configuration.digest().unwrap(),
                    configuration,
                    unchanged,
                    purpose: if rework { Purpose::Rework } else { Purpose::Planned },
                    revision: revisions.first().filter(|_| own).cloned(),
                    revisions,
                    requested_at: requested.then_some(at),
                    started_at: at,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_text_says_what_was_written(deployed in deployed()) {
            let text = serde_json::to_string(&deployed).unwrap();
            prop_assert_eq!(read(VERSION, &text), Some((&deployed).into()), "{}", text);
            prop_assert_eq!(read(VERSION + 1, &text), None);
            for wrong in [format!("{text} "), format!("[{text}"), text.replace("\"tier\":", "\"tier\": ")] {
                prop_assert_eq!(read(VERSION, &wrong), None);
            }
        }

        #[test]
        fn a_field_is_there_once(deployed in deployed(), at in 0..20_usize) {
            let text = serde_json::to_string(&deployed).unwrap();
            let value = serde_json::to_value(&deployed).unwrap();
            let fields = value.as_object().unwrap();
            let (key, value) = fields.iter().nth(at % fields.len()).unwrap();
            let twice = format!("{{\"{key}\":{value},{}", &text[1..]);
            prop_assert_eq!(read(VERSION, &twice), None);
            let mut without = fields.clone();
            without.remove(key);
            let without = serde_json::to_string(&without).unwrap();
            let known = serde_json::from_str::<Deployed>(&without).ok();
            prop_assert_eq!(read(VERSION, &without), known.as_ref().map(Into::into), "{}", without);
        }

        #[test]
        fn a_mangled_text_says_nothing_else_than_to_all(deployed in deployed(), at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8) {
            let mut text = serde_json::to_string(&deployed).unwrap().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let Ok(text) = String::from_utf8(text) else { return Ok(()) };
            // What is passed over may be wrong, so that only this reads it.
            if let (Some(told), Ok(known)) = (read(VERSION, &text), serde_json::from_str::<Deployed>(&text)) {
                prop_assert_eq!(told, (&known).into(), "{}", text);
            }
        }
    }
}
