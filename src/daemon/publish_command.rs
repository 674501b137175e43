//! `fanfare publish`: one message from a shell, as `POST /api/v1/publish` takes it, and the report of what became of it.

use crate::remote::{self, Problem, Remote};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::Read;

/// Stands for standard input.
const STDIN: &str = "-";

const EXAMPLES: &str = "\
An event to users, groups or sockets of Socket.IO; without --to, to the whole namespace:
  fanfare publish --to g1 --to g2 --event news --data '{\"n\":1}'
To a client, to groups, or to everybody of a domain of /ws:
  fanfare publish --domain d1 --client c1 --data '\"hello\"'
  fanfare publish --domain d1 --group g1,g2 --data -     # JSON from standard input
The answer is the delivery report, as JSON. Exit status: 0 the server has taken it, whoever was there to get it; 2 an error of
usage; 1 anything else.";

/// The command's flags.
pub(crate) fn command() -> Command {
    let flag = |name, value, help| Arg::new(name).long(name).value_name(value).help(help);
    let many = |name, value, help| flag(name, value, help).action(ArgAction::Append);
    let only = |arg: Arg| arg.conflicts_with_all(["domain", "client", "group"]);
    let command = Command::new("publish")
        .about("Send a message by a server's HTTP API, and print what became of it")
        .arg(only(many(
            "to",
            "ROOM",
            "A user, a group or the id of a socket of Socket.IO; several are each reached once",
        )))
        .arg(only(many("except", "ROOM", "Leave out who is in this room")))
        .arg(only(flag("namespace", "NAME", "The namespace of Socket.IO; / if absent")))
        .arg(only(flag("event", "NAME", "The name of the event")).required_unless_present("domain"))
        .arg(flag(
            "domain",
            "NAME",
            "A domain (bizCode) of /ws, to all of it unless --client or --group is given",
        ))
        .arg(flag("client", "ID", "That client of the domain").requires("domain").conflicts_with("group"))
        .arg(flag("group", "LIST", "Those groups of the domain, with commas between them").requires("domain"))
        .arg(many(
            "data",
            "JSON",
            "The content; - is standard input. An event has as many arguments as there are --data",
        ));
    remote::with_flags(command).after_help(EXAMPLES)
}

/// A message as the API takes it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Message {
    Event {
        namespace: String,
        to: Vec<String>,
        except: Vec<String>,
        event: String,
        args: Vec<Box<RawValue>>,
    },
    #[serde(rename_all = "camelCase")]
    Gateway {
        biz_code: String,
        mode: u16,
        target_client_id: Option<String>,
        group: Option<String>,
        content: Box<RawValue>,
    },
}

/// Publishes what the flags say; the report as a line.
///
/// # Errors
/// What is wrong with the flags, or with the server.
pub(crate) fn run(matches: &ArgMatches) -> Result<String, Problem> {
    let message = message(matches)?;
    let remote = Remote::of(matches)?;
    let body = serde_json::to_string(&message).map_err(|error| Problem::Failed(error.to_string()))?;
    let report: Box<RawValue> = remote.post("/api/v1/publish", &body)?;
    Ok(format!("{report}\n"))
}

fn message(matches: &ArgMatches) -> Result<Message, Problem> {
    let text = |name| matches.get_one::<String>(name).cloned();
    let all = |name| matches.get_many::<String>(name).into_iter().flatten().cloned().collect::<Vec<_>>();
    let mut data = all("data").into_iter().map(json).collect::<Result<Vec<_>, _>>()?;
    if let Some(biz_code) = text("domain") {
        let (Some(content), true) = (data.pop(), data.is_empty()) else {
            return Err(Problem::Usage("--data: expected once, with a message to a domain".to_owned()));
        };
        let (target_client_id, group) = (text("client"), text("group"));
        let mode = match (&target_client_id, &group) {
            (Some(_), _) => 100,
            (None, Some(_)) => 200,
            (None, None) => 300,
        };
        return Ok(Message::Gateway { biz_code, mode, target_client_id, group, content });
    }
    Ok(Message::Event {
        namespace: text("namespace").unwrap_or_else(|| "/".to_owned()),
        to: all("to"),
        except: all("except"),
        event: text("event").unwrap_or_default(),
        args: data,
    })
}

/// JSON, byte for byte as it was given.
fn json(text: String) -> Result<Box<RawValue>, Problem> {
    let text = if text == STDIN {
        let mut read = String::new();
        let unreadable = |error| Problem::Usage(format!("--data: standard input: {error}"));
        std::io::stdin().read_to_string(&mut read).map_err(unreadable)?;
        read.trim().to_owned()
    } else {
        text
    };
    RawValue::from_string(text).map_err(|error| Problem::Usage(format!("--data: expected JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(arguments: &[&str]) -> Result<String, String> {
        let arguments = ["publish"].iter().chain(arguments);
        let matches = command().try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        let message = message(&matches).map_err(|error| error.to_string())?;
        serde_json::to_string(&message).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_become_the_fields_of_the_api() {
        assert_eq!(
            body(&[
                "--to", "a", "--to", "b", "--except", "c", "--event", "E", "--data", "1.0", "--data", "{ }"
            ])
            .unwrap(),
            r#"{"namespace":"/","to":["a","b"],"except":["c"],"event":"E","args":[1.0,{ }]}"#
        );
        for (more, expected) in [
            (&["--client", "c"][..], r#""mode":100,"targetClientId":"c","group":null"#),
            (&["--group", "g,h"], r#""mode":200,"targetClientId":null,"group":"g,h""#),
            (&[], r#""mode":300,"targetClientId":null,"group":null"#),
        ] {
            let arguments = [&["--domain", "d", "--data", "null"], more].concat();
            assert_eq!(body(&arguments).unwrap(), format!(r#"{{"bizCode":"d",{expected},"content":null}}"#));
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for arguments in [
            &["--to", "a"][..],
            &["--domain", "d", "--event", "E", "--data", "1"],
            &["--domain", "d", "--to", "a", "--data", "1"],
            &["--client", "c", "--event", "E"],
            &["--domain", "d", "--client", "c", "--group", "g", "--data", "1"],
            &["--domain", "d"],
            &["--domain", "d", "--data", "1", "--data", "2"],
            &["--event", "E", "--data", "{"],
        ] {
            assert!(body(arguments).is_err(), "{arguments:?}");
        }
    }
}
