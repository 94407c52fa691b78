use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde::Deserialize;

use super::Credentials;

/// The parts of docker's `config.json` that are about credentials.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DockerConfig {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl DockerConfig {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // The message of a wrong type would quote the value.
        serde_json::from_slice(bytes)
            .map_err(|error| format!("line {}, column {} does not fit", error.line(), error.column()))
    }

    /// The program that is asked for this registry.
    pub(super) fn helper(&self, registry: &str) -> Option<&str> {
        let keys = [registry, server(registry)];
        let mut helpers = keys.iter().filter_map(|key| self.cred_helpers.get(*key));
        helpers.next().map(String::as_str)
    }

    /// The program that is asked for all registries that have no other.
    pub(super) fn store(&self) -> Option<&str> {
        self.creds_store.as_deref().filter(|store| !store.is_empty())
    }

    /// What the file says itself.
    pub(super) fn auth(&self, registry: &str, repository: &str) -> Result<Option<Credentials>, String> {
        let whole = format!("{}/{repository}", canonical(registry));
        let fits = |key: &str| {
            let (host, path) = key.split_at(key.find('/').unwrap_or(key.len()));
            let rest = whole.strip_prefix(canonical(host))?;
            let path = path.trim_end_matches('/');
            let rest = rest.strip_prefix(path)?;
            (rest.is_empty() || rest.starts_with('/')).then_some(path.len())
        };
        let keys = self
            .auths
            .iter()
            .filter_map(|(key, auth)| Some((fits(place(key))?, key, auth)));
        let Some((_, key, auth)) = keys.max_by_key(|(length, ..)| *length) else {
            return Ok(None);
        };
        auth.credentials()
            .map_err(|reason| format!("`auths.{key}`: {reason}"))
    }
}

/// The registry that docker calls by three names.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// One name for each registry.
fn canonical(registry: &str) -> &str {
    match HUB.contains(&registry) {
        true => HUB[0],
        false => registry,
    }
}

/// What docker calls a registry when it asks or tells a helper.
pub(super) fn server(registry: &str) -> &str {
    match HUB.contains(&registry) {
        true => "https://index.docker.io/v1/",
        false => registry,
    }
}

/// The registry and path of a key: docker wrote whole addresses once, as for its own hub.
fn place(key: &str) -> &str {
    let bare = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"));
    match bare {
        Some(bare) => bare
            .split("/v1")
            .next()
            .and_then(|bare| bare.split("/v2").next())
            .unwrap_or(bare),
        None => key,
    }
}

impl Auth {
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        if self
            .identitytoken
            .as_deref()
            .is_some_and(|token| !token.is_empty())
        {
            return Err("identity tokens are not supported; log in with a password or an access token");
        }
        if let Some(auth) = self.auth.as_deref().filter(|auth| !auth.is_empty()) {
            let wrong = "`auth` is no base64 of a name and a password";
            let bytes = Base64::decode_vec(auth).map_err(|_| wrong)?;
            let text = String::from_utf8(bytes).map_err(|_| wrong)?;
            let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or(wrong)?;
            return Ok(Some(Credentials::Basic {
                username: username.to_owned(),
                password: password.to_owned(),
            }));
        }
        match (&self.username, &self.password) {
            (Some(username), Some(password)) => Ok(Some(Credentials::Basic {
                username: username.clone(),
                password: password.clone(),
            })),
            // Docker leaves an empty entry where a helper knows the rest.
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Basic {
            username: username.to_owned(),
            password: password.to_owned(),
        })
    }

    #[test]
    fn the_longest_place_that_fits_counts() {
        let config = DockerConfig::parse(
            br#"{"auths": {
                "registry.example.com": {"auth": "YTpwOnE="},
                "registry.example.com/team": {"username": "b", "password": "s"},
                "https://index.docker.io/v1/": {"auth": "YzpkAAA="},
                "old.example.com:5000": {},
                "token.example.com": {"identitytoken": "t"},
                "bad.example.com": {"auth": "!"}
            }, "credHelpers": {"gcr.example.com": "gcloud"}, "credsStore": "", "HttpHeaders": {}}"#,
        )
        .unwrap();
        let auth = |registry, repository| config.auth(registry, repository);
        assert_eq!(auth("registry.example.com", "shop").unwrap(), basic("a", "p:q"));
        assert_eq!(
            auth("registry.example.com", "team/shop").unwrap(),
            basic("b", "s")
        );
        assert_eq!(auth("registry.example.com", "teams").unwrap(), basic("a", "p:q"));
        assert_eq!(auth("index.docker.io", "library/x").unwrap(), basic("c", "d"));
        assert_eq!(auth("docker.io", "library/x").unwrap(), basic("c", "d"));
        assert_eq!(auth("old.example.com:5000", "x").unwrap(), None);
        assert_eq!(auth("registry.example.community", "x").unwrap(), None);
        assert_eq!(config.helper("gcr.example.com"), Some("gcloud"));
        assert_eq!(config.store(), None);
        // Docker's own hub by docker, and by podman.
        let hub = DockerConfig::parse(
            br#"{"auths": {"docker.io/team": {"auth": "YTpwOnE="}},
                "credHelpers": {"https://index.docker.io/v1/": "pass"}}"#,
        )
        .unwrap();
        assert_eq!(hub.helper("docker.io"), Some("pass"));
        assert_eq!(hub.helper("quay.io"), None);
        assert_eq!(hub.auth("docker.io", "team/x").unwrap(), basic("a", "p:q"));
        assert_eq!(server("docker.io"), "https://index.docker.io/v1/");
        assert_eq!(server("quay.io"), "quay.io");
        for registry in ["token.example.com", "bad.example.com"] {
            let reason = auth(registry, "x").unwrap_err();
            assert!(reason.starts_with(&format!("`auths.{registry}`: ")), "{reason}");
        }
        let reason = DockerConfig::parse(br#"{"auths": {"a": {"auth": ["secret"]}}}"#)
            .err()
            .unwrap();
        assert!(!reason.contains("secret"), "{reason}");
    }
}
