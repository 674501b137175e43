//! Another server's HTTP API, for the commands that ask one: where it is, the key, and what its refusals mean.

use crate::asking::agent;
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::Uri;
use ureq::{Agent, Body};

/// How long an answer may take. A publish is answered when all servers of the cluster have, or have not in time.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES: u64 = 16 << 20;
const DEFAULT_URL: &str = "http://127.0.0.1:3000";
/// What also sets the key of the server itself.
const KEY_VARIABLE: &str = "FANFARE_API_KEY";

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It was asked for wrongly.
    Usage(String),
    Failed(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Problem::Usage(text) | Problem::Failed(text)) = self;
        f.write_str(text)
    }
}

/// A server that is asked.
pub(crate) struct Remote {
    agent: Agent,
    /// Without a slash at its end.
    base: String,
    key: Option<String>,
}

/// What an error says.
#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The flags that say which server.
pub(crate) fn with_flags(command: Command) -> Command {
    let flag = |name, value, help| Arg::new(name).long(name).value_name(value).help(help);
    command
        .arg(flag("url", "URL", "The server's address for operators").default_value(DEFAULT_URL))
        .arg(flag("key", "KEY", "The API key [env: FANFARE_API_KEY]"))
        .arg(flag("key-file", "FILE", "A file that has the API key on its only line").conflicts_with("key"))
}

impl Remote {
    /// The server that the flags name.
    ///
    /// # Errors
    /// An address that is none, or a key that cannot be one.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Remote, Problem> {
        let text = |name| matches.get_one::<String>(name).cloned();
        let url = text("url").unwrap_or_else(|| DEFAULT_URL.to_owned());
        let key = match (text("key"), text("key-file").map(PathBuf::from)) {
            (Some(key), _) => Some(key),
            (None, Some(path)) => {
                let unreadable = |error| Problem::Usage(format!("--key-file: {}: {error}", path.display()));
                Some(std::fs::read_to_string(&path).map_err(unreadable)?.trim().to_owned())
            }
            (None, None) => std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty()),
        };
        if key
            .as_deref()
            .is_some_and(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(Problem::Usage("the API key: expected visible ASCII without spaces".to_owned()));
        }
        Remote::new(&url, key)
    }

    fn new(url: &str, key: Option<String>) -> Result<Remote, Problem> {
        let bad = || Problem::Usage(format!("--url: expected one such as {DEFAULT_URL}, found {url:?}"));
        let parsed: Uri = url.parse().map_err(|_| bad())?;
        let is_known = parsed.scheme_str().is_some_and(|scheme| ["http", "https"].contains(&scheme));
        if !is_known || parsed.host().is_none_or(str::is_empty) || parsed.query().is_some() {
            return Err(bad());
        }
        Ok(Remote { agent: agent(ANSWER, 1), base: url.trim_end_matches('/').to_owned(), key })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.base
    }

    /// What it has at a path.
    ///
    /// # Errors
    /// It is not there, or refuses.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let request = match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        };
        self.read(request.call())
    }

    /// What it answers to JSON.
    ///
    /// # Errors
    /// It is not there, or refuses.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str, body: &str) -> Result<T, Problem> {
        let request = self.agent.post(format!("{}{path}", self.base)).content_type("application/json");
        let request = match &self.key {
            Some(key) => request.header("Authorization", format!("Bearer {key}")),
            None => request,
        };
        self.read(request.send(body))
    }

    fn read<T: DeserializeOwned>(
        &self,
        answer: Result<ureq::http::Response<Body>, ureq::Error>,
    ) -> Result<T, Problem> {
        let failed = |error: String| Problem::Failed(format!("{}: {error}", self.base));
        let mut answer = answer.map_err(|error| failed(error.to_string()))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = text.map_err(|error| failed(error.to_string()))?;
        if !status.is_success() {
            let said =
                serde_json::from_str::<Refusal>(&text).map_or_else(|_| String::new(), |said| said.message);
            let hint = match status.as_u16() {
                401 => " (--key, --key-file or FANFARE_API_KEY has it)",
                404 => " (is this the address for operators?)",
                _ => "",
            };
            return Err(failed(format!("refused with {}: {said}{hint}", status.as_u16())));
        }
        serde_json::from_str(&text)
            .map_err(|error| failed(format!("is not fanfare, or of another version: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_servers_are_taken() {
        for good in
            ["http://127.0.0.1:3000", "https://push.example", "http://[::1]:3000/", "http://a/prefix/"]
        {
            let remote = Remote::new(good, None).unwrap_or_else(|error| panic!("{good}: {error}"));
            assert!(!remote.url().ends_with('/'));
        }
        for bad in ["", "127.0.0.1:3000", "ftp://a", "http://", "/x", "http://a/?q=1", "http://a b"] {
            assert!(matches!(Remote::new(bad, None), Err(Problem::Usage(_))), "{bad}");
        }
    }
}
