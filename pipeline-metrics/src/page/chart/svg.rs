/// Begins a text that is no text of the drawing, but what the element before it is. [`plain`](crate::show::plain) texts
/// have no such letter.
pub(super) const TITLE: char = '\u{1}';

/// A drawing in fewer letters: what `style.css` says of every element need not stand at each of them, and what is
/// usual need not be said. Titles get into their elements.
pub(super) fn slim(svg: &str) -> String {
    let mut slim = String::with_capacity(svg.len() / 2);
    let mut lines = svg.lines();
    while let Some(line) = lines.next() {
        if !line.starts_with("<text ") {
            slim.push_str(&without(line));
            slim.push('\n');
            continue;
        }
        // A text stands on a line of its own.
        let text = lines.next().unwrap_or_default();
        let end = lines.next().unwrap_or_default();
        match text.strip_prefix(TITLE) {
            Some(title) => title_of_last(&mut slim, title),
            None => {
                slim.push_str(&without(line));
                slim.push_str(text);
                slim.push_str(end);
                slim.push('\n');
            }
        }
    }
    slim
}

fn without(line: &str) -> String {
    const USUAL: [&str; 7] = [
        " opacity=\"1\"",
        " stroke=\"none\"",
        " fill=\"none\"",
        " dy=\"0.5ex\"",
        " font-family=\"sans-serif\"",
        " font-size=\"48\"",
        " text-anchor=\"start\"",
    ];
    let mut line = line.to_owned();
    for usual in USUAL {
        line = line.replace(usual, "");
    }
    // Of lines it is inherited from the drawing, and nothing else has one.
    for width in [" stroke-width=\"4\"", " stroke-width=\"1\""] {
        line = line.replace(width, "");
    }
    line.replace(" \"/>", "\"/>")
}

fn title_of_last(slim: &mut String, title: &str) {
    let Some(element) = slim.trim_end().strip_suffix("/>") else {
        return;
    };
    let length = element.len();
    let name = element
        .rsplit('<')
        .next()
        .and_then(|element| element.split(' ').next());
    let end = format!("><title>{title}</title></{}>\n", name.unwrap_or_default());
    slim.truncate(length);
    slim.push_str(&end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_says_what_is_unusual() {
        let svg = "<circle cx=\"1\" cy=\"2\" r=\"14\" opacity=\"1\" fill=\"#1F5F99\" stroke=\"none\" stroke-width=\"1\"/>\n\
                   <text x=\"0\" y=\"0\" opacity=\"1\">\n\u{1}7 weeks\n</text>\n\
                   <text x=\"0\" y=\"9\" dy=\"0.5ex\" text-anchor=\"start\" font-size=\"48\" opacity=\"1\">\n opacity=&quot;1&quot;\n</text>\n\
                   <polyline fill=\"none\" opacity=\"1\" stroke=\"#59636E\" stroke-width=\"6\" points=\"1,2 3,4 \"/>\n";
        assert_eq!(
            slim(svg),
            "<circle cx=\"1\" cy=\"2\" r=\"14\" fill=\"#1F5F99\"><title>7 weeks</title></circle>\n\
             <text x=\"0\" y=\"9\"> opacity=&quot;1&quot;</text>\n\
             <polyline stroke=\"#59636E\" stroke-width=\"6\" points=\"1,2 3,4\"/>\n"
        );
    }
}
