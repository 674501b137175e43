//! The commands that ask a server: `fanfare publish` and `fanfare top`.

mod support;

use serde_json::{Value, json};
use std::io::Write;
use std::process::Stdio;
use support::{Ended, Folder, Server, fanfare, run};

/// A command that asks this server.
fn ask(server: &Server, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", server.at);
    run(fanfare(arguments).args(["--url", &url]))
}

/// The report that a publish printed.
fn report(ended: &Ended) -> Value {
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1);
    serde_json::from_str(&ended.stdout).unwrap()
}

fn failed(ended: &Ended, status: i32) -> &str {
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(status), ""), "{ended:?}");
    let error = ended.stderr.strip_prefix("fanfare: ").and_then(|error| error.strip_suffix('\n'));
    error.filter(|error| !error.contains('\n')).unwrap_or_else(|| panic!("{ended:?}"))
}

#[test]
fn messages_of_a_shell_arrive_as_they_were_given() {
    let server = Server::start(&["--reactors", "2"]);
    let mut one = server.client("d1", "c1", "g1");
    let mut other = server.client("d1", "c2", "g2");
    let publish = |arguments: &[&str]| report(&ask(&server, &[&["publish"], arguments].concat()));
    let to_one = publish(&["--domain", "d1", "--client", "c1", "--data", "{ \"n\": 1.0 }"]);
    assert_eq!((&to_one["matched"], &to_one["written"]), (&json!(1), &json!(1)));
    assert_eq!(to_one["nodes"], json!({"asked": 1, "answered": 1}));
    assert_eq!(one.text(), r#"{"msgId":null,"mode":100,"content":{ "n": 1.0 }}"#);
    assert_eq!(publish(&["--domain", "d1", "--group", "g1,g2", "--data", "\"é\""])["matched"], 2);
    assert_eq!(publish(&["--domain", "d1", "--data", "null"])["matched"], 2);
    for client in [&mut one, &mut other] {
        assert_eq!(client.text(), r#"{"msgId":null,"mode":200,"group":"g1,g2","content":"é"}"#);
        assert_eq!(client.text(), r#"{"msgId":null,"mode":300,"content":null}"#);
    }
    assert_eq!(publish(&["--domain", "d9", "--data", "1"])["matched"], 0, "nobody there is no error");

    // To a namespace of Socket.IO, where somebody is.
    let mut socket = server.ws("/socket.io/?EIO=4&transport=websocket");
    assert!(socket.text().starts_with("0{"));
    socket.send("40");
    assert!(socket.text().starts_with("40{"));
    socket.send(r#"42["register",{"group":"g1"}]"#);
    socket.send(r#"420["register",{"user":"ann"}]"#);
    assert_eq!(socket.text(), r#"430[{"ok":true}]"#);
    let event = ["--to", "g1", "--to", "ann", "--event", "news", "--data", "1.50", "--data", "[]"];
    assert_eq!(publish(&event)["matched"], 1);
    assert_eq!(socket.text(), r#"42["news",1.50,[]]"#);
    assert_eq!(publish(&["--event", "all"])["matched"], 1);
    assert_eq!(socket.text(), r#"42["all"]"#);
    assert_eq!(publish(&[&event[..], &["--except", "ann"]].concat())["matched"], 0);
    let unknown = ask(&server, &["publish", "--namespace", "/old", "--event", "E"]);
    assert!(failed(&unknown, 1).contains("refused with 404: "), "{unknown:?}");
    let reserved = ask(&server, &["publish", "--event", "disconnect"]);
    assert!(failed(&reserved, 1).contains("refused with 400: "), "{reserved:?}");

    // Content from standard input.
    let url = format!("http://{}", server.at);
    let mut command = fanfare(&["publish", "--domain", "d1", "--client", "c2", "--data", "-", "--url", &url]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"  [1, 2]\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(other.text(), r#"{"msgId":null,"mode":100,"content":[1, 2]}"#);
}

#[test]
fn the_key_comes_by_flag_file_or_variable() {
    let folder = Folder::new();
    let server = Server::start(&["--api-key", "k-1"]);
    let file = folder.write("key", "k-1\n");
    let file = file.to_str().unwrap();
    let base = ["--domain", "d1", "--data", "1"];
    for command in [&["publish"][..], &["top", "--once"]] {
        let rest = if command[0] == "publish" { &base[..] } else { &[] };
        let with = |more: &[&str]| ask(&server, &[command, rest, more].concat());
        assert_eq!(with(&["--key", "k-1"]).status, Some(0));
        assert_eq!(with(&["--key-file", file]).status, Some(0));
        for more in [&[][..], &["--key", "k-2"]] {
            let ended = with(more);
            let error = failed(&ended, 1);
            assert!(error.contains("refused with 401: ") && error.contains("--key-file"), "{error}");
        }
        assert!(
            failed(&with(&["--key-file", "/no/such/file"]), 2).starts_with("--key-file: /no/such/file: ")
        );
        assert!(failed(&with(&["--key", "k 1"]), 2).contains("visible ASCII"));
    }
    let url = format!("http://{}/", server.at);
    let mut by_variable = fanfare(&["publish", "--url", &url]);
    assert_eq!(run(by_variable.args(base).env("FANFARE_API_KEY", "k-1")).status, Some(0));
}

#[test]
fn the_commands_say_how_they_are_used() {
    for (command, flags) in [
        ("publish", &["--url", "--key-file", "--to", "--event", "--data", "--domain", "--group"][..]),
        ("top", &["--url", "--key", "--once"]),
    ] {
        let help = run(&mut fanfare(&[command, "--help"]));
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
        assert!(flags.iter().all(|flag| help.stdout.contains(flag)), "{}", help.stdout);
        assert!(run(&mut fanfare(&["--help"])).stdout.contains(&format!("\n  {command} ")));
    }
}

#[test]
fn what_cannot_be_asked_is_said_in_a_line() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    for command in [&["publish", "--domain", "d1", "--data", "1"][..], &["top", "--once"]] {
        let with = |url: &str| run(fanfare(command).args(["--url", url]));
        assert!(failed(&with(&url), 1).starts_with(&url), "{:?}", with(&url));
        for bad in ["127.0.0.1:3000", "ws://127.0.0.1:3000", ""] {
            assert!(failed(&with(bad), 2).starts_with("--url: expected"), "{bad}");
        }
    }
    // Something answers, but it is not the address for operators.
    let folder = Folder::new();
    let admin = folder.write("admin.toml", "[admin]\nlisten = \"127.0.0.1:0\"\n");
    let server = Server::configured(&admin);
    let ended = ask(&server, &["top", "--once"]);
    assert!(failed(&ended, 1).contains("address for operators"), "{ended:?}");
    for wrong in [
        &["publish"][..],
        &["publish", "--event", "E", "--data", "{"],
        &["publish", "--domain", "d1"],
        &["publish", "--domain", "d1", "--event", "E", "--data", "1"],
        &["top", "--twice"],
    ] {
        failed(&run(&mut fanfare(wrong)), 2);
    }
}

#[test]
fn top_prints_its_tables_where_nobody_looks() {
    let server = Server::start(&["--reactors", "2"]);
    let hostile = "x\u{1b}[2Jy";
    let clients = [server.client("d1", "c1", "g1"), server.client("d1", "%1b[2J", "g1")];
    for arguments in [&["top"][..], &["top", "--once"]] {
        let ended = ask(&server, arguments);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        let text = ended.stdout;
        assert!(text.starts_with(concat!("fanfare ", env!("CARGO_PKG_VERSION"), ", up ")), "{text}");
        for title in ["Traffic", "Reactors", "Reasons", "Memory", "Slowest connections\n  none\n"] {
            assert!(text.contains(&format!("\n{title}")), "{title} is not in {text}");
        }
        let all = text.lines().find(|line| line.trim_start().starts_with("all ")).unwrap();
        assert_eq!(all.split_whitespace().nth(1), Some("2"), "{all}");
        assert!(!text.contains(hostile) && !text.contains('\u{1b}'));
    }
    drop(clients);
}

#[test]
fn every_line_of_a_log_in_json_is_an_object() {
    let server = Server::start(&["--log-format", "json", "--log", "debug", "--token", "t"]);
    // Who chose these would like to begin lines of his own.
    let reply = server.try_ws("/ws?bizCode=d%0a1%22%7f&clientId=%1b[31m&token=wrong");
    assert_eq!(reply.err().map(|reply| reply.status), Some(401));
    server.wait_for_log("refused with 401");
    drop(server.ws("/ws?bizCode=d1&clientId=c1&token=t"));
    server.wait_for_log("lost");
    let log = server.log();
    let records: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for record in &records {
        for field in ["time", "level", "target", "message"] {
            assert!(record[field].is_string(), "{record}");
        }
    }
    let refused = records.iter().find(|record| record["status"] == 401).expect(&log);
    assert!(refused["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{refused}");
    assert_eq!(refused["level"], "INFO");
    assert!(
        records.iter().any(|record| record["domain"] == "d\n1\"\u{7f}" && record["client"] == "\u{1b}[31m")
    );
    assert!(!log.contains(['\u{1b}', '\u{7f}']));
}
