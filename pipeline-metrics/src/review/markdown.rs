use crate::show::plain;

/// A text as Markdown shows it: without what would be markup there, on one line.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => {
                safe.push('\\');
                safe.push(letter);
            }
            letter => safe.push(letter),
        }
    }
    safe
}

/// A table; the first column is text, and those named in `numbers` are numbers.
pub(crate) fn table(head: &[&str], numbers: &[usize], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    let rule = (0..head.len()).map(|place| if numbers.contains(&place) { "---:" } else { "---" });
    text += &line(rule.map(str::to_owned).collect());
    for row in rows {
        text += &line(row.clone());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_elsewhere_is_markup() {
        assert_eq!(
            escaped("a|b\n# <b> [x](y) `z`"),
            "a\\|b\u{fffd}# &lt;b&gt; \\[x\\](y) \\`z\\`"
        );
    }
}
