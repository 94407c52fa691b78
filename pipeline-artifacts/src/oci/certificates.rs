use super::OciError;

/// The certificates in a text, each for itself.
pub(super) fn certificates(pem: &str) -> Result<Vec<String>, OciError> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let refused = |reason| OciError::refused("`roots`", reason);
    // What stands between them is for people.
    let mut parts = pem.split(BEGIN);
    let before = parts.next().unwrap_or_default();
    let certificates = parts.map(|part| {
        let end = part
            .find(END)
            .ok_or_else(|| refused("a certificate in it has no end"))?;
        Ok(format!("{BEGIN}{}{END}\n", &part[..end]))
    });
    let certificates = certificates.collect::<Result<Vec<_>, OciError>>()?;
    match certificates.is_empty() && !before.trim().is_empty() {
        true => Err(refused("there is no certificate in it; expected PEM")),
        false => Ok(certificates),
    }
}
