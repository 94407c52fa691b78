use serde::Deserialize;
use serde_json::Value;

use super::kind::{CYCLONE_DX, CYCLONE_DX_XML, ENVELOPE, SIGSTORE, SPDX, SPDX_TEXT, TEST_RESULT};

/// The types of some bytes: of the artifact, and of the part that holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recognised {
    pub(super) artifact_type: String,
    pub(super) media_type: String,
}

/// The fields that tell the forms of JSON apart. All others are passed over and not kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marks {
    bom_format: Option<String>,
    spdx_version: Option<String>,
    #[serde(rename = "@context")]
    context: Option<Value>,
    payload_type: Option<String>,
    payload: Option<String>,
    media_type: Option<String>,
}

/// What some bytes are, when they say it themselves.
pub(super) fn recognise(bytes: &[u8]) -> Option<Recognised> {
    let same = |kind: &str| Recognised {
        artifact_type: kind.to_owned(),
        media_type: kind.to_owned(),
    };
    let start = bytes
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(bytes)
        .trim_ascii_start();
    match start.first()? {
        b'{' => json(start).as_deref().map(same),
        b'<' => match root(start)? {
            b"testsuites" | b"testsuite" => Some(Recognised {
                artifact_type: TEST_RESULT.to_owned(),
                media_type: "application/xml".to_owned(),
            }),
            b"bom" => Some(same(CYCLONE_DX_XML)),
            _ => None,
        },
        _ => {
            let comments = |line: &&[u8]| line.is_empty() || line.starts_with(b"#");
            let first = start
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::trim_ascii)
                .find(|line| !comments(line))?;
            first.starts_with(b"SPDXVersion:").then(|| same(SPDX_TEXT))
        }
    }
}

fn json(bytes: &[u8]) -> Option<String> {
    let marks: Marks = serde_json::from_slice(bytes).ok()?;
    let mentions = |value: &Value, what: &str| match value {
        Value::String(text) => text.contains(what),
        Value::Array(list) => list
            .iter()
            .any(|one| one.as_str().is_some_and(|text| text.contains(what))),
        _ => false,
    };
    if marks.bom_format.as_deref() == Some("CycloneDX") {
        Some(CYCLONE_DX.to_owned())
    } else if marks
        .spdx_version
        .is_some_and(|version| version.starts_with("SPDX-"))
        || marks
            .context
            .is_some_and(|context| mentions(&context, "spdx.org/rdf/"))
    {
        Some(SPDX.to_owned())
    } else if marks.payload_type.is_some() && marks.payload.is_some() {
        Some(ENVELOPE.to_owned())
    } else {
        marks.media_type.filter(|kind| kind.starts_with(SIGSTORE))
    }
}

/// The name of the first element of XML, behind declarations and comments.
fn root(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        bytes = bytes.trim_ascii_start().strip_prefix(b"<")?;
        let end: &[u8] = match bytes.first()? {
            b'?' => b"?>",
            b'!' if bytes.starts_with(b"!--") => b"-->",
            b'!' => b">",
            _ => break,
        };
        let at = bytes.windows(end.len()).position(|window| window == end)?;
        bytes = &bytes[at + end.len()..];
    }
    let end = bytes
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte))?;
    let name = &bytes[..end];
    // Without its prefix.
    Some(name.rsplit(|byte| *byte == b':').next().unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_what_it_is_is_recognised() {
        for (bytes, artifact, media) in [
            (
                r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"a":[1]}]}"#,
                CYCLONE_DX,
                CYCLONE_DX,
            ),
            (r#" {"spdxVersion":"SPDX-2.3","name":"x"}"#, SPDX, SPDX),
            (
                r#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}"#,
                SPDX,
                SPDX,
            ),
            (
                "\u{feff}# made by a tool\n\nSPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n",
                SPDX_TEXT,
                SPDX_TEXT,
            ),
            (
                r#"{"payload":"e30=","payloadType":"x","signatures":[]}"#,
                ENVELOPE,
                ENVELOPE,
            ),
            (
                r#"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{}}"#,
                "application/vnd.dev.sigstore.bundle.v0.3+json",
                "application/vnd.dev.sigstore.bundle.v0.3+json",
            ),
            (
                "<?xml version=\"1.0\"?>\n<!-- > -->\n<testsuites tests=\"1\"/>",
                TEST_RESULT,
                "application/xml",
            ),
            (
                "<b:bom xmlns:b=\"http://cyclonedx.org/schema/bom/1.6\">",
                CYCLONE_DX_XML,
                CYCLONE_DX_XML,
            ),
        ] {
            let found = recognise(bytes.as_bytes()).unwrap_or_else(|| panic!("{bytes}"));
            assert_eq!((&*found.artifact_type, &*found.media_type), (artifact, media));
        }
        for other in [
            "",
            "  ",
            "{",
            "{}",
            r#"{"bomFormat":"cyclonedx"}"#,
            r#"{"bomFormat":1}"#,
            r#"{"mediaType":"application/json"}"#,
            "SPDX",
            "<html>",
            "<?xml",
            "<!-- never closed",
            "hello",
        ] {
            assert_eq!(recognise(other.as_bytes()), None, "{other}");
        }
    }
}
