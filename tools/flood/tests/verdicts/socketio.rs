//! The same over Socket.IO, in every protocol and over every transport.

use serde_json::Value;

use super::run_at;
use super::stub::{Wrong, sio};

const PROTOCOLS: [&str; 2] = ["sio3", "sio4"];
const TRANSPORTS: [&str; 3] = ["websocket", "polling", "upgrade"];

fn run(wrong: Wrong, protocol: &str, transport: &str, arguments: &[&str]) -> (i32, Value) {
    let url = format!("http://{}", sio::serve(wrong));
    run_at(&url, &[arguments, &["--protocol", protocol, "--transport", transport]].concat())
}

/// Calls this for every protocol and transport; side by side, they mostly wait.
fn everywhere(check: impl Fn(&str, &str) + Sync) {
    std::thread::scope(|scope| {
        for (protocol, transport) in PROTOCOLS.iter().flat_map(|p| TRANSPORTS.iter().map(move |t| (p, t))) {
            let check = &check;
            scope.spawn(move || check(protocol, transport));
        }
    });
}

const BROADCAST: &[&str] =
    &["broadcast", "-n", "12", "--messages", "8", "--in-flight", "4", "--threads", "2"];

#[test]
fn clean_broadcasts() {
    everywhere(|protocol, transport| {
        let arguments = [BROADCAST, &["--receipt", "--senders", "2"]].concat();
        let (status, report) = run(Wrong::Nothing, protocol, transport, &arguments);
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["protocol"], format!("{protocol} {transport}"));
        assert_eq!(report["connections"]["opened"], 12);
        assert_eq!(report["messages"]["sent"], 16);
        assert_eq!(report["messages"]["received"], 16 * 11);
        assert_eq!(report["messages"]["receipts_delivered"], 16 * 11);
    });
}

/// A broadcast in which one message goes wrong, and what the tool has to say.
fn one_fault(wrong: Wrong, counted: &str, named: &str) {
    everywhere(|protocol, transport| {
        let (status, report) = run(wrong, protocol, transport, BROADCAST);
        assert_eq!(status, 1, "{report}");
        assert_eq!(report["messages"][counted], 1, "{report}");
        let failures = report["failures"].to_string();
        assert!(failures.contains(named), "{failures}");
    });
}

#[test]
fn a_lost_message_is_named() {
    one_fault(Wrong::Loses, "lost", "1 lost: message 3 from connection 0 never reached");
}

#[test]
fn a_duplicated_message_is_named() {
    one_fault(Wrong::Duplicates, "duplicated", "1 duplicated: message 3 from connection 0 to");
}

#[test]
fn a_reordered_message_is_named() {
    one_fault(Wrong::Reorders, "reordered", "1 reordered: message 3 from connection 0 to");
}

#[test]
fn a_changed_byte_is_named() {
    one_fault(Wrong::Corrupts, "corrupted", "1 corrupted: connection");
}

#[test]
fn a_message_in_another_group_is_named() {
    let arguments = ["broadcast", "-n", "4", "--messages", "5", "--group", "g{n%2}"];
    let (status, report) = run(Wrong::Leaks, "sio4", "websocket", &arguments);
    assert_eq!(status, 1);
    assert_eq!(report["messages"]["misrouted"], 2, "{report}");
    assert_eq!(report["messages"]["lost"], 0);
}

#[test]
fn receipts_that_do_not_add_up_fail_the_run() {
    let arguments = [BROADCAST, &["--receipt"]].concat();
    let (status, report) = run(Wrong::Exaggerates, "sio4", "polling", &arguments);
    assert_eq!(status, 1);
    assert!(report["failures"].to_string().contains("receipts"), "{report}");
}

#[test]
fn a_session_that_the_server_ends_is_told_and_the_others_go_on() {
    for transport in ["websocket", "polling"] {
        let (status, report) = run(Wrong::Cuts, "sio4", transport, BROADCAST);
        assert_eq!(status, 1);
        assert_eq!(report["closes"]["Engine.IO close packet"], 1, "{report}");
        assert_eq!(report["connections"]["lost"], 1);
        assert_eq!(report["messages"]["lost"], 0, "its messages are not lost, it is: {report}");
        assert_eq!(report["messages"]["received"], 8 * 11 - 5);
    }
}

#[test]
fn users_and_groups_are_reached() {
    for (mode, each) in [("100", 1), ("200", 4)] {
        let arguments = ["rate", "-n", "20", "--per-second", "200", "--seconds", "0.5", "--mode", mode];
        let more = ["--receipt", "--threads", "3", "--group", "g{n%4}"];
        let (status, report) = run(Wrong::Nothing, "sio4", "polling", &[&arguments[..], &more].concat());
        assert_eq!(status, 0, "{report}");
        let sent = report["messages"]["sent"].as_u64().unwrap();
        assert!((98..=102).contains(&sent), "{report}");
        assert_eq!(report["messages"]["received"], sent * each, "{report}");
    }
}

#[test]
fn an_acknowledgement_brings_text_and_bytes_back() {
    everywhere(|protocol, transport| {
        for binary in [&[][..], &["--binary"]] {
            let arguments = ["echo", "-n", "5", "--messages", "12", "--in-flight", "3", "--payload", "70000"];
            let (status, report) =
                run(Wrong::Nothing, protocol, transport, &[&arguments[..], binary].concat());
            assert_eq!(status, 0, "{report}");
            assert_eq!(report["messages"]["received"], 60);
        }
    });
}

#[test]
fn pings_are_sent_or_answered() {
    everywhere(|protocol, transport| {
        let arguments = ["hold", "-n", "6", "--seconds", "0.7", "--broadcast", "--group", "g{n%3}"];
        let (status, report) = run(Wrong::Nothing, protocol, transport, &arguments);
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["messages"]["received"], 3, "three groups of two: {report}");
        assert!(report["heartbeats_answered"].as_u64().unwrap() >= 6, "{report}");
    });
}

#[test]
fn a_server_without_pings_is_noticed() {
    for (protocol, missing) in [("sio3", "no pong"), ("sio4", "no ping")] {
        let arguments = ["hold", "-n", "2", "--seconds", "1"];
        let (status, report) = run(Wrong::Deaf, protocol, "websocket", &arguments);
        assert_eq!(status, 1);
        let reason = format!("{missing} from the server for 200 ms");
        assert_eq!(report["closes"][reason.as_str()], 2, "{report}");
    }
}

#[test]
fn connections_that_are_closed_between_requests_are_no_fault() {
    let (status, report) = run(Wrong::Closes, "sio4", "polling", BROADCAST);
    assert_eq!(status, 0, "{report}");
}

#[test]
fn refusals_are_counted_with_status_and_code() {
    for transport in ["websocket", "polling"] {
        let (status, report) = run(Wrong::Full, "sio4", transport, &["hold", "-n", "1", "--seconds", "0"]);
        assert_eq!(status, 1);
        assert_eq!(report["connections"]["refused"], 1, "{report}");
        let reason = if transport == "polling" { "503 full" } else { "503" };
        assert!(report["refusals"][reason].as_u64().unwrap() >= 1, "{report}");
        let arguments = ["hold", "-n", "3", "--seconds", "0"];
        let (status, report) = run(Wrong::FullAtFirst, "sio4", transport, &arguments);
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["connections"]["opened"], 3);
        assert!(report["connections"]["retries"].as_u64().unwrap() >= 1);
    }
    let (status, report) = run(Wrong::Denies, "sio4", "websocket", &["hold", "-n", "1", "--seconds", "0"]);
    assert_eq!(status, 1);
    assert!(report["refusals"].to_string().contains("not you"), "{report}");
}
