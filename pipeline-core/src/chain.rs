use std::error::Error;
use std::fmt;

/// The texts of an error and all that caused it, outermost first.
pub fn error_chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Wrappers that pass on the text of what they wrap say nothing new.
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts
}

/// Shows an error and all that caused it on one line: `outer: inner: innermost`.
///
/// ```
/// use pipeline_core::ChainDisplay;
///
/// let error = "x".parse::<pipeline_core::SecretRef>().unwrap_err();
/// assert!(ChainDisplay(&error).to_string().starts_with("`x` is not a secret reference"));
/// ```
#[derive(Debug)]
pub struct ChainDisplay<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ChainDisplay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&error_chain(self.0).join(": "))
    }
}
