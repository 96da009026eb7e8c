//! Who asks Prometheus or a Pushgateway: from a file or the environment, never from a flag, which
//! everybody on the machine could read.

use std::path::Path;

use dst_load_transport::http::{self, Credentials, CredentialsError};

use super::usage::UsageError;

/// Where the credentials for one service may be.
pub(super) struct Sources<'a> {
    /// What the flags about it begin with, for example `prometheus`.
    pub(super) service: &'static str,
    /// The file that has a bearer token.
    pub(super) token_file: Option<&'a Path>,
    /// The file that has USER:PASSWORD.
    pub(super) basic_auth_file: Option<&'a Path>,
}

// === impl Sources ===

impl Sources<'_> {
    /// The credentials, if there are any: of a file that is named, else of a variable
    /// (`DST_LOAD_<SERVICE>_TOKEN`, `DST_LOAD_<SERVICE>_BASIC_AUTH`).
    ///
    /// # Errors
    /// If a file cannot be read, what is in it will not do, or a token and a password are named
    /// together.
    pub(super) fn credentials(&self) -> Result<Option<Credentials>, UsageError> {
        let (token, token_from) = self.text("token", self.token_file)?;
        let (basic, basic_from) = self.text("basic-auth", self.basic_auth_file)?;
        let found = match (token, basic) {
            (Some(_), Some(_)) => {
                return Err(UsageError(format!(
                    "{token_from} and {basic_from} are both given; give one"
                )));
            }
            (Some(token), None) => Some(self.read(&token_from, Credentials::bearer(&token))?),
            (None, Some(text)) => {
                Some(self.read(&basic_from, Credentials::user_and_password(&text))?)
            }
            (None, None) => None,
        };
        Ok(found)
    }

    /// The text that is given, and by what.
    fn text(
        &self,
        kind: &str,
        file: Option<&Path>,
    ) -> Result<(Option<String>, String), UsageError> {
        if let Some(path) = file {
            let flag = format!("--{}-{kind}-file", self.service);
            let text = self.read(&flag, http::read(path))?;
            return Ok((Some(text), flag));
        }
        let variable = format!("DST_LOAD_{}_{kind}", self.service);
        let variable = variable.replace('-', "_").to_uppercase();
        let text = std::env::var(&variable).ok().filter(|it| !it.is_empty());
        Ok((text, variable))
    }

    fn read<T>(&self, from: &str, read: Result<T, CredentialsError>) -> Result<T, UsageError> {
        read.map_err(|error| UsageError(format!("{from}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_has_a_token_or_a_password_and_not_both() {
        let dir = tempfile::tempdir().unwrap();
        let (token, basic) = (dir.path().join("token"), dir.path().join("basic"));
        fs::write(&token, "t0ken\n").unwrap();
        fs::write(&basic, "me:secret\n").unwrap();
        let sources = |token_file, basic_auth_file| Sources {
            service: "no-such-service",
            token_file,
            basic_auth_file,
        };
        let found = |sources: Sources<'_>| sources.credentials().map_err(|it| it.0);
        let bearer = Credentials::bearer("t0ken").unwrap();
        assert_eq!(found(sources(Some(&token), None)), Ok(Some(bearer)));
        let password = Credentials::basic("me", "secret").unwrap();
        assert_eq!(found(sources(None, Some(&basic))), Ok(Some(password)));
        assert_eq!(found(sources(None, None)), Ok(None));
        let both = found(sources(Some(&token), Some(&basic))).unwrap_err();
        assert!(
            both.starts_with("--no-such-service-token-file and "),
            "{both}"
        );
        let wrong = found(sources(None, Some(&token))).unwrap_err();
        assert_eq!(
            wrong,
            "--no-such-service-basic-auth-file: write USER:PASSWORD on one line"
        );
        let missing = found(sources(Some(&dir.path().join("none")), None)).unwrap_err();
        assert!(missing.contains("/none: No such file"), "{missing}");
    }
}
