//! The tool against a server that does things wrong on purpose: it has to notice, name it, and exit with 1.

mod slow;
mod socketio;
mod storm;
mod stub;

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use stub::{Wrong, serve};

fn flood(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fanfare-flood")).args(arguments).output().unwrap()
}

/// Runs a command with `--json`; the exit status and the line.
fn run(wrong: Wrong, path: &str, arguments: &[&str]) -> (i32, Value) {
    run_at(&format!("ws://{}{path}", serve(wrong)), arguments)
}

fn run_at(url: &str, arguments: &[&str]) -> (i32, Value) {
    let output = flood(&[arguments, &["--json", "--timeout-s", "2", "--url", url]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text.lines().count(),
        1,
        "exactly one line: {text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code().unwrap(), serde_json::from_str(&text).unwrap())
}

const BROADCAST: &[&str] =
    &["broadcast", "-n", "12", "--messages", "8", "--in-flight", "4", "--threads", "2"];

/// A broadcast in which one message goes wrong, and what the tool has to say.
#[track_caller]
fn one_fault(wrong: Wrong, counted: &str, named: &str) {
    let (status, report) = run(wrong, "/ws", BROADCAST);
    assert_eq!(status, 1, "{report}");
    assert_eq!(report["messages"][counted], 1, "{report}");
    let failures = report["failures"].to_string();
    assert!(failures.contains(named), "{failures}");
}

#[test]
fn a_clean_broadcast() {
    let (status, report) =
        run(Wrong::Nothing, "/ws", &[BROADCAST, &["--receipt", "--senders", "2"]].concat());
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["ok"], true);
    assert_eq!(report["messages"]["sent"], 16);
    assert_eq!(report["messages"]["received"], 16 * 11);
    assert_eq!(report["messages"]["receipts_delivered"], 16 * 11);
    assert_eq!(report["connections"]["opened"], 12);
    assert_eq!(report["latency_us"]["count"], 16 * 11);
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
fn a_wrong_sender_is_named() {
    one_fault(Wrong::Renames, "corrupted", "nobody");
}

#[test]
fn a_message_in_another_domain_is_named() {
    let path = "/ws?bizCode=d{n%2}&clientId=c{n}";
    let (status, report) = run(Wrong::Leaks, path, &["broadcast", "-n", "4", "--messages", "5"]);
    assert_eq!(status, 1);
    assert_eq!(report["messages"]["misrouted"], 2, "{report}");
    assert_eq!(report["messages"]["lost"], 0);
}

#[test]
fn a_cut_connection_is_told_with_its_code_and_the_others_go_on() {
    let (status, report) = run(Wrong::Cuts, "/ws", BROADCAST);
    assert_eq!(status, 1);
    assert_eq!(report["closes"]["1008 slow consumer"], 1, "{report}");
    assert_eq!(report["connections"]["lost"], 1);
    assert_eq!(report["messages"]["lost"], 0, "its messages are not lost, it is: {report}");
    assert_eq!(report["messages"]["received"], 8 * 11 - 5);
}

#[test]
fn receipts_that_do_not_add_up_fail_the_run() {
    let (status, report) = run(Wrong::Exaggerates, "/ws", &[BROADCAST, &["--receipt"]].concat());
    assert_eq!(status, 1);
    assert!(report["failures"].to_string().contains("receipts"), "{report}");
}

#[test]
fn fragments_and_pings_are_no_fault() {
    let (status, report) = run(Wrong::Fragments, "/ws", BROADCAST);
    assert_eq!(status, 0, "{report}");
}

#[test]
fn refusals_are_counted_with_status_and_code() {
    let (status, report) = run(Wrong::Full, "/ws", &["hold", "-n", "3", "--seconds", "0"]);
    assert_eq!(status, 1);
    assert_eq!(report["connections"]["refused"], 3, "{report}");
    assert!(report["refusals"]["503 full"].as_u64().unwrap() >= 3);
    let (status, report) = run(Wrong::FullAtFirst, "/ws", &["hold", "-n", "3", "--seconds", "0"]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["connections"]["opened"], 3);
    assert_eq!(report["connections"]["retries"], 3);
}

#[test]
fn every_mode_of_rate_reconciles() {
    for mode in ["100", "200", "300"] {
        let arguments =
            ["rate", "-n", "20", "--per-second", "200", "--seconds", "0.5", "--mode", mode, "--receipt"];
        let path = "/ws?bizCode=d{n%2}&clientId=c{n}&group=g{n%4}";
        let (status, report) = run(Wrong::Nothing, path, &[&arguments[..], &["--threads", "3"]].concat());
        assert_eq!(status, 0, "{report}");
        let messages = &report["messages"];
        let sent = messages["sent"].as_u64().unwrap();
        assert!((98..=102).contains(&sent), "{report}");
        let each = match mode {
            "100" => 1,
            "200" => 4,
            _ => 9,
        };
        assert_eq!(messages["received"], sent * each, "{report}");
        assert_eq!(messages["receipts_delivered"], messages["received"]);
    }
}

#[test]
fn a_lost_unicast_is_named() {
    let arguments = ["rate", "-n", "2", "--per-second", "50", "--seconds", "0.4", "--to", "next"];
    let (status, report) = run(Wrong::Loses, "/ws", &arguments);
    assert_eq!(status, 1);
    assert_eq!(report["messages"]["lost"], 2, "one of each sender: {report}");
}

#[test]
fn echo_compares_what_comes_back() {
    let arguments =
        ["echo", "-n", "10", "--messages", "20", "--in-flight", "3", "--payload", "70000", "--binary"];
    let (status, report) = run(Wrong::Nothing, "", &arguments);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["messages"]["received"], 200);
}

#[test]
fn hold_heartbeats_and_ends_with_a_broadcast() {
    let page = std::env::temp_dir().join(format!("fanfare-flood-{}.html", std::process::id()));
    let page_name = page.to_str().unwrap();
    let arguments =
        ["hold", "-n", "8", "--seconds", "1", "--heartbeat-s", "0.5", "--broadcast", "--report", page_name];
    let pid = std::process::id().to_string();
    let (status, report) = run(Wrong::Nothing, "/ws", &[&arguments[..], &["--pid", &pid]].concat());
    assert_eq!(status, 0, "{report}");
    assert!(report["heartbeats"].as_u64().unwrap() > 8);
    assert_eq!(report["heartbeats"], report["heartbeats_answered"]);
    assert_eq!(report["messages"]["received"], 4, "four domains of two: {report}");
    assert!(report["server"]["pss_per_connection"].is_number());
    assert!(std::fs::read_to_string(&page).unwrap().contains("<svg"));
    std::fs::remove_file(page).unwrap();
}

#[test]
fn what_cannot_be_followed_is_2() {
    for arguments in [
        &["hold", "--url", "ws://10.0.0.1:3000/ws"][..],
        &["hold", "--url", "ws://example.com/ws"],
        &["hold", "--connections", "0"],
        &["hold", "--protocol", "sio4", "--heartbeat-s", "5"],
        &["hold", "--protocol", "sio5"],
        &["hold", "--protocol", "sio4", "--transport", "pigeon"],
        &["hold", "--protocol", "sio4", "--url", "http://10.0.0.1:3000/"],
        &["hold", "--protocol", "sio4", "--user", "a\"b"],
        &["hold", "--protocol", "sio4", "--group", "", "--broadcast"],
        &["hold", "--url", "http://127.0.0.1:3000/"],
        &["hold", "--transport", "polling"],
        &["hold", "--user", "c{n}"],
        &["hold", "--group", "g"],
        &["rate", "--protocol", "sio3", "--mode", "300"],
        &["rate", "--protocol", "sio3", "--user", ""],
        &["broadcast", "--protocol", "sio4", "--group", ""],
        &["storm", "--protocol", "sio4", "--group", "", "--broadcast"],
        &["storm", "--within", "-1"],
        &["compare", "--protocol", "sio9"],
        &["hold", "--pid", "4294967294"],
        &["slow", "--connections", "0"],
        &["slow", "--url", "ws://10.0.0.1:3000"],
        &["soak", "--seconds", "0"],
        &["soak", "--fanfare", "/no/such/program"],
        &["broadcast", "--payload", "3"],
        &["nonsense"],
        &[],
    ] {
        let output = flood(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn an_interrupt_ends_the_run_with_what_was_so_far() {
    let url = format!("ws://{}/ws", serve(Wrong::Nothing));
    let child = Command::new(env!("CARGO_BIN_EXE_fanfare-flood"))
        .args(["hold", "-n", "5", "--seconds", "60", "--json", "--url", &url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(800));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let start = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["interrupted"], true);
    assert_eq!(report["connections"]["opened"], 5);
    assert_eq!(output.status.code(), Some(0), "{report}");
}
