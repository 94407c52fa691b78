/// A text as HTML and SVG want it, inside of elements and of quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Control characters are not allowed in a document, and those for the direction of text would turn what
            // follows.
            '\n' | '\t' => safe.push(letter),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.push('\u{fffd}'),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

/// A name for links within the page: lower case letters, digits and hyphens.
pub(crate) fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return "section".to_owned();
    }
    words.join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_is_markup() {
        assert_eq!(
            escaped("<script>\"'&\u{1b}[2J\u{202e}x"),
            "&lt;script&gt;&quot;&#39;&amp;\u{fffd}[2J\u{fffd}x"
        );
        assert_eq!(
            slug("What is live where, since when?"),
            "what-is-live-where-since-when"
        );
        assert_eq!(slug("<>\""), "section");
    }
}
