use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};

/// Where the next page of a list is (distribution specification 1.1, "Listing Referrers"; RFC 8288): `None` when this was
/// the last one.
///
/// # Errors
///
/// When it is not where the list is: nobody is sent elsewhere by a list.
pub(super) fn next_page(headers: &HeaderMap, list: &Url) -> Result<Option<Url>, String> {
    let links = headers.get_all(LINK).iter().filter_map(|link| link.to_str().ok());
    let Some(target) = links
        .flat_map(Links)
        .find_map(|(target, rest)| is_next(rest).then_some(target))
    else {
        return Ok(None);
    };
    let next = list
        .join(target)
        .map_err(|_| "its next page has no address".to_owned())?;
    match next.origin() == list.origin() {
        true => Ok(Some(next)),
        false => Err("its next page is on another server".to_owned()),
    }
}

/// The links of a header, each with its parameters.
struct Links<'a>(&'a str);

impl<'a> Iterator for Links<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (_, link) = self.0.split_once('<')?;
        let (target, rest) = link.split_once('>')?;
        // Commas stand between links, and in texts.
        let (parameters, after) = outside_texts(rest, ',');
        self.0 = after;
        Some((target, parameters))
    }
}

/// Splits at the first such character that is in no quoted text.
fn outside_texts(text: &str, at: char) -> (&str, &str) {
    let mut is_quoted = false;
    let end = text.find(|c| {
        is_quoted ^= c == '"';
        c == at && !is_quoted
    });
    match end {
        Some(end) => (&text[..end], &text[end + at.len_utf8()..]),
        None => (text, ""),
    }
}

/// Whether the parameters of a link say that it leads to what comes next.
fn is_next(mut parameters: &str) -> bool {
    while !parameters.is_empty() {
        let (parameter, rest) = outside_texts(parameters, ';');
        parameters = rest;
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let mut relations = value.trim().trim_matches('"').split_whitespace();
        if name.trim().eq_ignore_ascii_case("rel") && relations.any(|is| is.eq_ignore_ascii_case("next")) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn next(links: &[&'static str]) -> Result<Option<String>, String> {
        let list = Url::parse("https://registry.example.com/v2/shop/referrers/sha256:00?n=2").unwrap();
        let links = links.iter().map(|link| (LINK, HeaderValue::from_static(link)));
        next_page(&links.collect(), &list).map(|next| next.map(String::from))
    }

    #[test]
    fn the_next_page_is_where_the_list_is() {
        let here = |rest: &str| Ok(Some(format!("https://registry.example.com{rest}")));
        assert_eq!(next(&[]), Ok(None));
        assert_eq!(next(&[r#"</v2/a?last=b>; rel="next""#]), here("/v2/a?last=b"));
        assert_eq!(
            next(&["<?n=2&last=c> ; REL = Next"]),
            here("/v2/shop/referrers/sha256:00?n=2&last=c")
        );
        assert_eq!(next(&["<https://registry.example.com/x>;rel=next"]), here("/x"));
        // Among others, in one header or more, and with other parameters.
        assert_eq!(
            next(&[r#"</0>; rel="first"; title="a, <b>; rel=next", </1>; title=";"; rel="last next""#]),
            here("/1")
        );
        assert_eq!(next(&["</0>; rel=prev", "</1>; rel=next"]), here("/1"));
        for none in [
            "",
            "</1>",
            "</1>; rel=prev",
            "</1",
            "/1; rel=next",
            "</1>; relation=next",
        ] {
            assert_eq!(next(&[none]), Ok(None), "{none}");
        }
        for elsewhere in [
            "<https://elsewhere.example.com/x>; rel=next",
            "<http://registry.example.com/x>; rel=next",
            "<https://registry.example.com:444/x>; rel=next",
            "<//elsewhere.example.com/x>; rel=next",
            "<file:///etc/passwd>; rel=next",
        ] {
            assert!(next(&[elsewhere]).is_err(), "{elsewhere}");
        }
        assert!(next(&["<https://[>; rel=next"]).is_err());
    }
}
