//! Messages that come by HTTP reach the clients they are for, and the reports are exact.

use crate::http::request;
use crate::server::Server;
use crate::ws::Client;
use serde_json::{Value, json};
use std::io::Read;

/// A report in which everything that matched was written.
pub(crate) fn written(count: u64) -> Value {
    json!({
        "matched": count, "written": count, "queued": 0,
        "dropped": { "slow": 0, "volatile": 0, "closed": 0, "busy": 0 },
        "nodes": { "asked": 1, "answered": 1 },
    })
}

#[test]
fn a_client_a_group_a_domain() {
    let server = Server::start(3);
    let mut c1 = Client::connect(&server, "d1", "c1", "g1");
    let mut c2 = Client::connect(&server, "d1", "c2", "g1,g2");
    let mut c3 = Client::connect(&server, "d1", "c3", "g2");
    let mut c4 = Client::connect(&server, "d1", "c4", "");
    let mut c5 = Client::connect(&server, "d2", "c1", "g1");
    let mut http = server.http();

    let answer =
        http.publish(r#"{"bizCode":"d1","mode":100,"targetClientId":"c1","content":"one","msgId":"m-1"}"#);
    assert_eq!(answer.ok(), written(1));
    assert_eq!(c1.next(), r#"{"msgId":"m-1","mode":100,"content":"one"}"#);

    let answer = http.publish(r#"{"bizCode":"d1","mode":200,"group":"g1,g2","content":[2],"msgId":2}"#);
    assert_eq!(answer.ok(), written(3));
    for client in [&mut c1, &mut c2, &mut c3] {
        assert_eq!(client.next(), r#"{"msgId":2,"mode":200,"group":"g1,g2","content":[2]}"#);
    }

    let answer = http.publish(r#"{"bizCode":"d1","mode":300,"content":{"n":3}}"#);
    assert_eq!(answer.ok(), written(4));
    for client in [&mut c1, &mut c2, &mut c3, &mut c4] {
        assert_eq!(client.next(), r#"{"msgId":null,"mode":300,"content":{"n":3}}"#);
    }

    for nobody in [
        r#"{"bizCode":"d1","mode":100,"targetClientId":"g1","content":0}"#,
        r#"{"bizCode":"d1","mode":200,"group":"c1","content":0}"#,
        r#"{"bizCode":"d3","mode":300,"content":0}"#,
    ] {
        assert_eq!(http.publish(nobody).ok(), written(0), "{nobody}");
    }
    for client in [&mut c1, &mut c2, &mut c3, &mut c4, &mut c5] {
        client.has_nothing();
    }
}

#[test]
fn content_and_id_arrive_byte_for_byte() {
    let server = Server::start(2);
    let mut client = Client::connect(&server, "d1", "c1", "");
    let mut http = server.http();
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!("\"{}\"", "é".repeat(200_000));
    for content in [
        "null",
        "1.0",
        "-0",
        "1e400",
        "123456789012345678901234567890",
        r#""é\u00e9\/\ud83d\ude00\"\\\n""#,
        "\"\u{7f}\u{2028}\u{1f600}\"",
        r#"{ "b" : 1 ,  "a":[ ], "a" : { } }"#,
        "[\n\t1,\r\n 2 ]",
        &deep,
        &long,
    ] {
        for id in ["7", "-1.50", "18446744073709551617", "\"\\u0041 é\""] {
            let body = format!(
                r#" {{ "msgId" : {id} , "content": {content} , "bizCode":"\u00641","mode":100,"targetClientId":"c\u0031"}} "#
            );
            assert_eq!(http.publish(&body).ok(), written(1), "{body}");
            assert_eq!(client.next(), format!(r#"{{"msgId":{id},"mode":100,"content":{content}}}"#));
        }
    }
}

#[test]
fn a_batch_is_sent_whole_and_in_order() {
    let server = Server::start(3);
    let mut c1 = Client::connect(&server, "d1", "c1", "");
    let mut c2 = Client::connect(&server, "d1", "c2", "");
    let item = |n: usize| match n % 3 {
        0 => format!(r#"{{"bizCode":"d1","mode":300,"content":{n}}}"#),
        1 => format!(r#"{{"bizCode":"d1","mode":100,"targetClientId":"c1","content":{n}}}"#),
        _ => format!(r#"{{"bizCode":"d2","mode":300,"content":{n}}}"#),
    };
    let batch = |count: usize| format!("[{}]", (0..count).map(item).collect::<Vec<_>>().join(","));
    let reports = server.publish(&batch(1_000)).ok();
    let expected: Vec<Value> = (0..1_000).map(|n| written([2, 1, 0][n % 3])).collect();
    assert_eq!(reports, Value::Array(expected));
    for n in 0..1_000 {
        let expect = |client: &mut Client, mode: u32| {
            assert_eq!(client.next(), format!(r#"{{"msgId":null,"mode":{mode},"content":{n}}}"#));
        };
        match n % 3 {
            0 => {
                expect(&mut c1, 300);
                expect(&mut c2, 300);
            }
            1 => expect(&mut c1, 100),
            _ => {}
        }
    }

    let (status, code, message) = server.publish(&batch(1_001)).error();
    assert_eq!((status, code.as_str()), (413, "too_large"), "{message}");
    assert_eq!(server.publish("[]").ok(), json!([]));
    assert_eq!(server.publish(&format!("[{}]", item(0))).ok(), json!([written(2)]));
    assert_eq!(c1.next(), r#"{"msgId":null,"mode":300,"content":0}"#);
    c1.has_nothing();
}

/// Half a megabyte for each member is sent as it comes up: it is never all there at once.
#[test]
fn a_batch_to_changing_groups_takes_little_memory() {
    const MEMBERS: usize = 150;
    let server = Server::start(1);
    let peak = || {
        let text = std::fs::read_to_string(format!("/proc/{}/status", server.0.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    let mut members: Vec<Client> =
        (0..MEMBERS).map(|n| Client::connect(&server, "d", &format!("m{n}"), "a,b")).collect();
    // Without it the groups are equal, and a turn's messages to both are one.
    let _only = Client::connect(&server, "d", "only", "a");
    let before = peak();
    let content = "x".repeat(450);
    let item = |n: usize| {
        let group = ["a", "b"][n % 2];
        format!(r#"{{"bizCode":"d","mode":200,"group":"{group}","msgId":{n},"content":"{content}"}}"#)
    };
    let batch = format!("[{}]", (0..1_000).map(item).collect::<Vec<_>>().join(","));
    let reports = server.publish(&batch).ok();
    let count = |n: usize| MEMBERS as u64 + [1, 0][n % 2];
    let expected: Vec<Value> = (0..1_000).map(|n| written(count(n))).collect();
    assert_eq!(reports, Value::Array(expected));
    let grown = peak() - before;
    assert!(grown < 32 << 20, "a batch took {grown} bytes");
    for member in &mut members {
        for n in 0..1_000 {
            assert!(member.next().starts_with(&format!(r#"{{"msgId":{n},"#)));
        }
    }
}

#[test]
fn one_bad_message_refuses_the_batch() {
    let server = Server::start(2);
    let mut client = Client::connect(&server, "d1", "c1", "g1");
    let good = r#"{"bizCode":"d1","mode":300,"content":1}"#;
    for (bad, place) in [
        (r#"{"bizCode":"d1","mode":7,"content":1}"#, "[2].mode: expected 100, 200 or 300"),
        (
            r#"{"bizCode":"d1","mode":100,"targetClientID":"c1","content":1}"#,
            "[2].targetClientID: unknown field",
        ),
        (r#"{"bizCode":"d1","mode":200,"content":1}"#, "[2].group: is missing"),
        (r#"{"bizCode":"d1","mode":300}"#, "[2].content: is missing"),
        ("null", "[2]: expected an object"),
        ("{", "the body is not JSON: "),
    ] {
        let (status, code, message) = server.publish(&format!("[{good},{good},{bad}]")).error();
        assert_eq!((status, code.as_str()), (400, "bad_request"), "{message}");
        assert!(message.starts_with(place), "{message}");
    }
    client.has_nothing();
}

#[test]
fn the_type_has_to_be_json_if_it_is_given() {
    let server = Server::start(1);
    let body = br#"{"bizCode":"d1","mode":300,"content":1}"#;
    let mut http = server.http();
    let mut with = |headers: &[(&str, &str)]| http.request("POST", "/api/v1/publish", headers, body).status;
    assert_eq!(with(&[]), 200);
    assert_eq!(with(&[("Content-Type", "application/json; charset=utf-8")]), 200);
    // What curl and others say when they were not told.
    assert_eq!(with(&[("Content-Type", "application/x-www-form-urlencoded")]), 200);
    assert_eq!(with(&[("Content-Type", "multipart/form-data; boundary=x")]), 415);
    assert_eq!(with(&[("Content-Type", "text/plain")]), 415);
    let (status, code, _) = server.publish(&" ".repeat(1_000_001)).error();
    assert_eq!(status, 413, "{code}");
}

#[test]
fn pipelined_publishes_are_answered_and_delivered_in_order() {
    let server = Server::start(3);
    let mut client = Client::connect(&server, "d1", "c1", "");
    let others: Vec<Client> =
        (2..6).map(|n| Client::connect(&server, "d1", &format!("c{n}"), &format!("g{n}"))).collect();
    let headers = [("Content-Type", "application/json")];
    let mut bytes = Vec::new();
    for n in 0..200 {
        let body = match n % 3 {
            0 => format!(r#"{{"bizCode":"d1","mode":100,"targetClientId":"c1","content":{n}}}"#),
            1 => format!(r#"[{{"bizCode":"d1","mode":300,"content":{n}}}]"#),
            _ => format!(r#"{{"bizCode":"d1","mode":200,"group":"g2,g3,g9","content":{n}}}"#),
        };
        bytes.extend(request("POST", "/api/v1/publish", &headers, body.as_bytes()));
    }
    let mut http = server.http();
    http.send(&bytes);
    for n in 0..200 {
        let expected = [written(1), json!([written(5)]), written(2)][n % 3].clone();
        assert_eq!(http.answer(false).ok(), expected, "answer {n}");
    }
    for n in (0..200).filter(|n| n % 3 < 2) {
        let mode = [100, 300][n % 3];
        assert_eq!(client.next(), format!(r#"{{"msgId":null,"mode":{mode},"content":{n}}}"#));
    }
    client.has_nothing();
    drop(others);
}

#[test]
fn a_reader_that_does_not_read_is_reported() {
    let server = Server::start(2);
    let mut slow = Client::connect(&server, "d1", "slow", "").into_stream();
    let mut quick = Client::connect(&server, "d1", "quick", "");
    let mut http = server.http();
    let content = format!("\"{}\"", "x".repeat(900_000));
    let body = format!(r#"{{"bizCode":"d1","mode":300,"content":{content}}}"#);
    let (mut queued, mut dropped) = (0, 0);
    for _ in 0..100 {
        let report = http.publish(&body).ok();
        let number = |pointer: &str| report.pointer(pointer).unwrap().as_u64().unwrap();
        quick.next();
        let parts = ["/written", "/queued", "/dropped/slow", "/dropped/volatile", "/dropped/closed"];
        assert_eq!(number("/matched"), parts.iter().map(|part| number(part)).sum::<u64>(), "{report}");
        queued += number("/queued");
        dropped += number("/dropped/slow");
        if dropped > 0 {
            break;
        }
        assert_eq!(number("/matched"), 2);
    }
    assert!(queued > 0);
    assert_eq!(dropped, 1);
    assert_eq!(http.publish(r#"{"bizCode":"d1","mode":300,"content":1}"#).ok(), written(1));
    let stats = server.get("/api/v1/stats").ok();
    assert_eq!(stats["dropped"]["slow"], 1);
    assert_eq!(stats["closed"]["slow"], 1);
    // What the kernel had is still there, and after it the reason.
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).unwrap();
    assert!(rest.ends_with(b"\x03\xf0slow consumer"), "{:?}", &rest[rest.len().saturating_sub(32)..]);
}
