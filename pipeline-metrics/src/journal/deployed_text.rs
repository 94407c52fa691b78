use std::borrow::Cow;

use pipeline_core::{Purpose, Tier};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use super::delivered::{Brought, Delivered, kind};
use crate::Sha;
use crate::instant::Instants;
use crate::moment::micros;

/// The version of `environment.deployed` whose form is known here.
const VERSION: u16 = 1;

/// Reads out of the text of an `environment.deployed` what facts need. The configuration, the artifacts and the names of
/// the run are most of the text; they must be there, and are passed over.
///
/// `None` of every text that is not of the usual form, with escapes in a revision, say. Then
/// [`Deployed`](pipeline_core::Deployed) tells what it means, so that this never depends on who read it.
pub(super) fn read(version: u16, json: &str) -> Option<Delivered<'_>> {
    if version != VERSION {
        return None;
    }
    let text: Text<'_> = serde_json::from_str(json).ok()?;
    Some(Delivered {
        component: text.release.component,
        version: text.release.version,
        release: text.release_digest,
        production: text.tier == Tier::Production,
        unchanged: text.unchanged,
        kind: kind(text.purpose),
        started: text.started_at,
        revision: text.revision.map(Into::into),
        revisions: text.revisions.into_iter().map(Into::into).collect(),
    })
}

/// The fields of [`Deployed`](pipeline_core::Deployed) as far as facts need them.
#[derive(Deserialize)]
struct Text<'a> {
    tier: Tier,
    #[serde(borrow)]
    release: TextOfRelease<'a>,
    #[serde(borrow)]
    release_digest: Cow<'a, str>,
    #[serde(default)]
    unchanged: bool,
    #[serde(default)]
    purpose: Purpose,
    #[serde(borrow, default)]
    revision: Option<TextOfRevision<'a>>,
    #[serde(borrow, default)]
    revisions: Vec<TextOfRevision<'a>>,
    #[serde(deserialize_with = "moment")]
    started_at: i64,
    #[serde(rename = "run")]
    _run: IgnoredAny,
    #[serde(rename = "stage")]
    _stage: IgnoredAny,
    #[serde(rename = "pipeline")]
    _pipeline: IgnoredAny,
    #[serde(rename = "configuration")]
    _configuration: IgnoredAny,
    #[serde(rename = "configuration_digest")]
    _configuration_digest: IgnoredAny,
    #[serde(default, rename = "requested_at")]
    _requested_at: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextOfRelease<'a> {
    #[serde(borrow)]
    component: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(rename = "artifacts")]
    _artifacts: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextOfRevision<'a> {
    id: &'a str,
    #[serde(deserialize_with = "moment")]
    at: i64,
    #[serde(default, rename = "summary")]
    _summary: IgnoredAny,
}

/// A moment in microseconds.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    match Instants::default().parse(text.as_bytes()) {
        Some(usual) => Ok(usual),
        None => text.parse().map(micros).map_err(D::Error::custom),
    }
}

impl<'a> From<TextOfRevision<'a>> for Brought<'a> {
    fn from(text: TextOfRevision<'a>) -> Self {
        Self {
            sha: Sha::new(text.id),
            at: text.at,
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
    use jiff::Timestamp;

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
            let spaced = text.replace("\"tier\":", " \"tier\" : ");
            prop_assert_eq!(read(VERSION, &spaced), Some((&deployed).into()));
            for wrong in [format!("{text}]"), format!("[{text}")] {
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
