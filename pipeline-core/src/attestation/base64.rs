use base64ct::{Base64, Base64Url, Encoding};

/// Writes base64 with the standard alphabet and padding.
pub(super) fn encode(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

/// Reads base64: padded, of one alphabet, without white space or bits that say nothing. Envelopes may use the standard
/// alphabet or the one for URLs ([DSSE](https://github.com/secure-systems-lab/dsse/blob/master/envelope.md)).
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    if text.contains(['-', '_']) {
        Base64Url::decode_vec(text).ok()
    } else {
        Base64::decode_vec(text).ok()
    }
}

/// Optional bytes as base64 text, for `#[serde(with)]`.
pub(super) mod optional {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_deref().map(super::encode).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| super::decode(&text).ok_or_else(|| D::Error::custom("expected padded base64")))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling_in_each_alphabet() {
        // RFC 4648, section 10, and two bytes whose spelling differs between the alphabets.
        for (bytes, texts) in [
            (&b""[..], [""; 2]),
            (b"f", ["Zg=="; 2]),
            (b"fo", ["Zm8="; 2]),
            (b"foobar", ["Zm9vYmFy"; 2]),
            (b"\xfb\xff", ["+/8=", "-_8="]),
        ] {
            assert_eq!(encode(bytes), texts[0]);
            for text in texts {
                assert_eq!(decode(text).as_deref(), Some(bytes), "{text}");
            }
        }
        for bad in [
            "Zg", "Zg=", "Zg===", "Zh==", "Zm8", "Zm9=", "Zm9v\n", " Zm9v", "Zm9v=", "=", "====", "+_8=",
            "-/8=", "Zm9vé",
        ] {
            assert_eq!(decode(bad), None, "{bad:?} was taken");
        }
    }
}
