use std::fs;
use std::path::Path;

use pipeline_core::{Configuration, ConfigurationValue};
use strsim::levenshtein;

use super::file::FileError;
use super::tree::{Node, Tree};

/// How the name of a template ends.
const SUFFIX: &str = ".template";

/// Why a release was not given its configuration.
#[derive(Debug)]
pub(super) enum NotRendered {
    /// A template does not fit the configuration.
    Refused(String),
    /// A file failed.
    File(FileError),
}

impl From<FileError> for NotRendered {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// Renders every template below `app` to the same path below `config`, without the suffix.
pub(super) fn render_all(
    app: &Path,
    found: &Tree,
    config: &Path,
    configuration: &Configuration,
) -> Result<(), NotRendered> {
    for (path, node) in found {
        let (Some(target), Node::File { mode, .. }) = (path.strip_suffix(SUFFIX), node) else {
            continue;
        };
        if target.is_empty() || target.ends_with('/') {
            continue; // a file that is called `.template`
        }
        let source = app.join(path);
        let bytes = fs::read(&source).map_err(FileError::at("read", &source))?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| NotRendered::Refused(format!("template `{path}` is not UTF-8")))?;
        let rendered = render(&text, configuration).map_err(|(line, reason)| {
            NotRendered::Refused(format!("template `{path}`, line {line}: {reason}"))
        })?;
        let target = config.join(target);
        write(&target, &rendered, mode)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, mode: &str) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(FileError::at("create", directory))?;
    }
    let mut options = fs::OpenOptions::new();
    // Two templates never mean one file.
    let file = options.write(true).create_new(true).open(path);
    let mut file = file.map_err(FileError::at("create", path))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(FileError::at("write", path))?;
    let mode = u32::from_str_radix(mode, 8).unwrap_or(0o644);
    let permissions = fs::Permissions::from_mode(mode);
    fs::set_permissions(path, permissions).map_err(FileError::at("set the mode of", path))
}

/// Replaces `{{ dotted.key }}` by its value, and `{{{{` by `{{`. An error comes with its line, from 1.
fn render(template: &str, configuration: &Configuration) -> Result<String, (usize, String)> {
    let mut rendered = String::with_capacity(template.len());
    for (number, line) in template.split_inclusive('\n').enumerate() {
        let number = number + 1;
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            rendered.push_str(before);
            if let Some(after) = after.strip_prefix("{{") {
                rendered.push_str("{{");
                rest = after;
                continue;
            }
            let Some((key, after)) = after.split_once("}}") else {
                return Err((
                    number,
                    "`{{` has no `}}` on its line; `{{{{` stands for `{{`".to_owned(),
                ));
            };
            rendered.push_str(&value(key.trim(), configuration).map_err(|reason| (number, reason))?);
            rest = after;
        }
        rendered.push_str(rest);
    }
    Ok(rendered)
}

fn value(key: &str, configuration: &Configuration) -> Result<String, String> {
    match configuration.get(key) {
        Some(ConfigurationValue::Text(text)) => Ok(text),
        Some(ConfigurationValue::Secret(reference)) => Err(format!(
            "`{key}` is the secret `{reference}`, and secrets are never written to files: \
             give it to the program that needs it in its environment"
        )),
        None => {
            let environment = &configuration.environment;
            let hint = match nearest(key, &configuration.keys()) {
                Some(nearest) => format!("; did you mean `{nearest}`?"),
                None => String::new(),
            };
            Err(format!(
                "the configuration of `{environment}` has no value `{key}`{hint}"
            ))
        }
    }
}

/// The key that a mistyped one most likely means.
fn nearest(wrong: &str, keys: &[String]) -> Option<String> {
    let near = |key: &&String| levenshtein(wrong, key);
    let nearest = keys.iter().min_by_key(near)?;
    (levenshtein(wrong, nearest) <= 1 + wrong.chars().count() / 3).then(|| nearest.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration() -> Configuration {
        serde_json::from_value(serde_json::json!({
            "environment": "test",
            "values": {"server": {"port": 80, "name": "a"}, "token": {"secret": "env:TOKEN"}},
        }))
        .unwrap()
    }

    #[test]
    fn keys_become_values() {
        let rendered = render(
            "{{server.name}}:{{ server.port }}{{{{x}}\r\n}} end",
            &configuration(),
        );
        assert_eq!(rendered.unwrap(), "a:80{{x}}\r\n}} end");
    }

    #[test]
    fn errors_name_the_line_and_the_key() {
        let refused = |template: &str| {
            let (line, reason) = render(template, &configuration()).unwrap_err();
            format!("{line}: {reason}")
        };
        insta::assert_snapshot!(refused("a\n{{ server.prot }}"), @r#"2: the configuration of `test` has no value `server.prot`; did you mean `server.port`?"#);
        insta::assert_snapshot!(refused("{{ zzzzzz }}"), @"1: the configuration of `test` has no value `zzzzzz`");
        insta::assert_snapshot!(refused("{{ server"), @"1: `{{` has no `}}` on its line; `{{{{` stands for `{{`");
        insta::assert_snapshot!(refused("{{ token }}"), @"1: `token` is the secret `env:TOKEN`, and secrets are never written to files: give it to the program that needs it in its environment");
    }

    #[test]
    fn distances_are_counted_in_characters() {
        for (a, b, far) in [
            ("", "", 0),
            ("", "ab", 2),
            ("käse", "kase", 1),
            ("port", "prot", 2),
        ] {
            assert_eq!(levenshtein(a, b), far, "{a} {b}");
        }
    }
}
