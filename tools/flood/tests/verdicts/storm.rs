//! Everybody is cut off at once and comes back, or does not.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::stub::{Wrong, serve, sio};
use super::{run, run_at};

const STORM: &[&str] = &["storm", "-n", "4", "--seconds", "0", "--threads", "2"];

#[test]
fn everybody_comes_back_and_is_reached() {
    let (status, report) =
        run(Wrong::Nothing, "/ws?bizCode=d&clientId=c{n}", &[STORM, &["--broadcast"]].concat());
    assert_eq!(status, 0, "{report}");
    assert_eq!((&report["storm"]["dropped"], &report["storm"]["back"]), (&4.into(), &4.into()), "{report}");
    assert_eq!(report["storm"]["attempts"], 4);
    assert_eq!(report["storm"]["back_us"]["count"], 4);
    assert!(report["storm"]["all_back_s"].is_number());
    assert_eq!((&report["connections"]["lost"], &report["connections"]["opened"]), (&0.into(), &4.into()));
    assert_eq!(report["messages"]["received"], 3, "{report}");
    for (protocol, transport) in
        [("sio3", "websocket"), ("sio3", "polling"), ("sio4", "polling"), ("sio4", "upgrade")]
    {
        let url = format!("http://{}", sio::serve(Wrong::Nothing));
        let arguments = ["--protocol", protocol, "--transport", transport, "--broadcast", "--group", "g"];
        let (status, report) = run_at(&url, &[STORM, &arguments].concat());
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["storm"]["back"], 4, "{report}");
        assert_eq!(report["messages"]["received"], 3, "{report}");
    }
}

#[test]
fn whoever_is_refused_comes_again() {
    for socketio in [false, true] {
        let wrong = Wrong::FullForAWhile;
        let (url, more): (_, &[&str]) = if socketio {
            (format!("http://{}", sio::serve(wrong)), &["--protocol", "sio4", "--transport", "polling"])
        } else {
            (format!("ws://{}/ws", serve(wrong)), &[])
        };
        let (status, report) = run_at(&url, &[STORM, more].concat());
        assert_eq!(status, 0, "{report}");
        assert_eq!(report["storm"]["attempts"], 8, "{report}");
        assert_eq!(report["storm"]["refusals"]["503 full"], 4, "{report}");
        assert_eq!(report["refusals"].as_object().unwrap().len(), 0, "the ramp was clean: {report}");
    }
}

#[test]
fn not_being_back_in_time_is_a_failure() {
    let page = std::env::temp_dir().join(format!("fanfare-flood-storm-{}.html", std::process::id()));
    let more = ["--within", "2.5", "--report", page.to_str().unwrap()];
    let (status, report) = run(Wrong::FullAfterwards, "/ws", &[STORM, &more].concat());
    assert_eq!(status, 1);
    assert!(report["failures"].to_string().contains("4 of 4 were not back after 2.5 s"), "{report}");
    assert_eq!(report["storm"]["all_back_s"], serde_json::Value::Null);
    assert!(report["storm"]["refusals"]["503 full"].as_u64().unwrap() >= 4, "{report}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("4 cut, 0 back"));
    std::fs::remove_file(page).unwrap();
}

const BARE: &str = env!("CARGO_BIN_EXE_fanfare-bare");

/// A server that a signal ends, and where it is.
fn bare() -> (Child, String) {
    let mut child =
        Command::new(BARE).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().rsplit([' ', '/']).next().unwrap().to_owned();
    (child, address)
}

#[test]
fn whoever_a_server_closes_returns_to_the_next_one() {
    let (mut first, address) = bare();
    let (pid, then) = (first.id().to_string(), format!("{BARE} --listen {address}"));
    let more = ["--drain", &pid, "--then", &then];
    let (status, report) = run_at(&format!("ws://{address}/ws"), &[STORM, &more].concat());
    assert_eq!(status, 0, "{report}");
    assert!(!first.wait().unwrap().success(), "it was ended by the signal");
    let drain = &report["storm"]["drain"];
    assert_eq!((&drain["lost_for_good"], &report["storm"]["back"]), (&0.into(), &4.into()), "{report}");
    let sum = |name: &str| drain[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("closed_per_s"), sum("back_per_s")), (4, 4), "{report}");
    assert!(drain["spread"].as_f64().unwrap() > 0.0, "{report}");
}

#[test]
fn a_server_that_does_not_close_and_one_to_which_nobody_can_return_are_failures() {
    let (mut first, address) = bare();
    let url = format!("ws://{address}/ws");
    let pid = first.id().to_string();
    let (status, report) = run_at(&url, &[STORM, &["--drain", &pid, "--within", "2.5"]].concat());
    assert_eq!(status, 1);
    assert!(report["failures"].to_string().contains("4 of 4 were not back after 2.5 s"), "{report}");
    assert_eq!(report["storm"]["drain"]["lost_for_good"], 4, "{report}");
    first.wait().unwrap();

    // A process that has nothing to do with the connections.
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let more = ["--drain", &other.id().to_string(), "--within", "1"];
    let (status, report) = run(Wrong::Nothing, "/ws", &[STORM, &more].concat());
    assert_eq!(status, 1);
    assert!(report["failures"].to_string().contains("4 were not closed by the server"), "{report}");
    other.wait().unwrap();
}
