/// A text as one line of at most so many characters: what is no text becomes a space, what is too long is cut.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most + 1).map(visible).collect();
    if line.chars().count() > most {
        line.pop();
        line.push('…');
    }
    line.trim_end().to_owned()
}

/// A text as at most so many lines of at most so many characters, broken between words where there are any.
pub(super) fn wrapped(text: &str, most: usize, lines: usize) -> Vec<String> {
    let text = one_line(text, most * lines);
    let mut wrapped: Vec<String> = Vec::new();
    let mut room = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if let Some(line) = wrapped.last_mut()
            && length < room
        {
            line.push(' ');
            line.push_str(word);
            room -= length + 1;
            continue;
        }
        let letters: Vec<char> = word.chars().collect();
        wrapped.extend(letters.chunks(most).map(|part| part.iter().collect::<String>()));
        room = most - (length - 1) % most - 1;
    }
    if wrapped.len() > lines {
        wrapped.truncate(lines);
        if let Some(last) = wrapped.last_mut()
            && !last.ends_with('…')
        {
            last.push_str(" …");
        }
    }
    wrapped
}

/// The character, or a space for what would break a line or turn the text around it.
pub(super) fn visible(character: char) -> char {
    match character {
        character if character.is_control() => ' ',
        '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => ' ',
        character => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_text_breaks_between_words() {
        let text = "the tests of the router say no, and loudly";
        assert_eq!(
            wrapped(text, 20, 3),
            ["the tests of the", "router say no, and", "loudly"]
        );
        assert_eq!(wrapped(text, 20, 2), ["the tests of the", "router say no, and …"]);
        assert_eq!(wrapped("abcdefghij k", 4, 9), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("ab cd", 5, 1), ["ab cd"]);
        assert_eq!(wrapped(" \n ", 5, 1), [""; 0]);
    }

    #[test]
    fn a_line_is_one_line_and_bounded() {
        assert_eq!(one_line("a\nb\tc\u{202e}d", 10), "a b c d");
        assert_eq!(one_line("äöüß", 4), "äöüß");
        assert_eq!(one_line("äöüßx", 4), "äöüß…");
        assert_eq!(one_line("ends \n", 9), "ends");
    }
}
