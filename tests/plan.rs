//! `fanfare plan` and `fanfare doctor` as an operator runs them, on whatever machine this is.

mod support;

use serde_json::Value;
use std::io::Read;
use support::{Ended, Folder, fanfare, run};

fn said(arguments: &[&str]) -> String {
    let ended = run(&mut fanfare(arguments));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    ended.stdout
}

fn plan(arguments: &[&str]) -> Value {
    let line = said(&[&["plan", "--json"], arguments].concat());
    assert_eq!(line.lines().count(), 1, "{line}");
    serde_json::from_str(&line).unwrap()
}

/// The part of a plan for people under this heading.
fn part<'a>(plan: &'a str, heading: &str) -> &'a str {
    let (_, rest) = plan.split_once(heading).unwrap_or_else(|| panic!("no {heading} in {plan}"));
    rest.split_once("\n\n==").map_or(rest, |(part, _)| part)
}

#[test]
fn the_server_takes_what_a_plan_says() {
    let folder = Folder::new();
    let text = said(&["plan", "--connections", "250000", "--reactors", "7", "--queued-bytes", "4096"]);
    let file = folder.write("fanfare.toml", part(&text, "== the configuration file\n"));
    let shown = said(&["check", "-c", file.to_str().unwrap()]);
    for line in ["reactors = 7 #", "connections = 250000 #", "outbox_bytes = 4096 #"] {
        assert!(shown.lines().any(|shown| shown.starts_with(line)), "no {line} in {shown}");
    }
    assert!(part(&text, "[Service]\n").contains("LimitNOFILE=35843"), "{text}");
    // What was planned for is what a doctor assumes of such a configuration.
    let doctor = run(&mut fanfare(&["doctor", "-c", file.to_str().unwrap()]));
    assert!(doctor.stdout.starts_with("for 250000 connections on 7 reactors\n"), "{doctor:?}");
}

#[test]
fn all_forms_of_a_plan_say_the_same() {
    let arguments = ["--connections", "1000000", "--protocol", "sio", "--reactors", "8"];
    let json = plan(&arguments);
    assert_eq!((&json["connections"], &json["reactors"]), (&1_000_000.into(), &8.into()));
    assert_eq!(json["protocol"], "sio");
    assert_eq!(json["slow_readers"], 10_000);
    assert_eq!(json["unit"]["LimitNOFILE"], 125_128);
    assert_eq!(json["memory_bytes"]["idle_user"], 345_000_000);
    let file = said(&[&["plan", "--sysctl"][..], &arguments].concat());
    let mut settings = 0;
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(" = ").expect("a name and its numbers");
        assert_eq!(json["sysctl"][name], value, "{line}");
        settings += 1;
    }
    assert_eq!(json["sysctl"].as_object().unwrap().len(), settings);
    assert!(settings >= 5, "{file}");
    let text = said(&[&["plan"][..], &arguments].concat());
    let total = json["memory_bytes"]["total"].as_u64().unwrap();
    assert!(text.contains(&format!("{:.1} GiB", total as f64 / f64::from(1 << 30))), "{text}");
}

#[test]
fn more_connections_want_more() {
    let number = |plan: &Value, place: &str| plan.pointer(place).and_then(Value::as_u64).unwrap();
    let (few, many) = (plan(&["--connections", "1000"]), plan(&["--connections", "500000"]));
    for place in ["/unit/LimitNOFILE", "/memory_bytes/total", "/memory_bytes/idle_kernel", "/slow_readers"] {
        assert!(number(&few, place) < number(&many, place), "{place}");
    }
    let slow = plan(&["--connections", "1000", "--slow-readers", "1000", "--queued-bytes", "0"]);
    assert_eq!((number(&slow, "/slow_readers"), number(&slow, "/memory_bytes/slow_user")), (1000, 0));
    assert!(number(&slow, "/memory_bytes/slow_kernel") > number(&few, "/memory_bytes/slow_kernel"));
}

#[test]
fn a_doctor_says_one_line_a_setting_and_fails_when_one_will_not_do() {
    let examined = |arguments: &[&str]| run(&mut fanfare(&[&["doctor"], arguments].concat()));
    let judged = |ended: &Ended| {
        let wrong = ["low ", "high "];
        let wrong = ended.stdout.lines().filter(|line| wrong.iter().any(|word| line.starts_with(word)));
        (wrong.count(), ended.status)
    };
    let one = examined(&["--connections", "1", "--reactors", "1"]);
    for line in one.stdout.lines().skip(1) {
        assert!(["ok ", "low ", "high ", "unknown "].iter().any(|word| line.starts_with(word)), "{line}");
    }
    let (wrong, status) = judged(&one);
    assert_eq!(status, Some(i32::from(wrong > 0)), "{one:?}");
    // No machine has descriptors and memory for that.
    let all = examined(&["--connections", "100000000", "--reactors", "1"]);
    let (wrong, status) = judged(&all);
    assert_eq!(status, Some(1), "{all:?}");
    assert!(wrong > 0 && all.stderr == format!("fanfare: {wrong} of these will not do\n"), "{all:?}");
    assert!(all.stdout.lines().any(|line| line.starts_with("low      LimitNOFILE: ")), "{all:?}");
}

#[test]
fn a_doctor_looks_at_the_limits_of_a_server() {
    // A server with fewer descriptors than this test has, and the same machine.
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 300 && echo && exec sleep 60"]).stdout(std::process::Stdio::piped());
    let mut limited = limited.spawn().unwrap();
    let mut line = [0];
    limited.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let pid = limited.id().to_string();
    let ended = run(&mut fanfare(&["doctor", "--connections", "200", "--reactors", "1", "--pid", &pid]));
    let assumed = run(&mut fanfare(&["doctor", "--reactors", "2", "--pid", &pid]));
    limited.kill().unwrap();
    limited.wait().unwrap();
    assert!(ended.stdout.contains("low      LimitNOFILE: 300, wanted 328: "), "{ended:?}");
    // 128 of a table are for other uses.
    assert!(assumed.stdout.starts_with("for 344 connections on 2 reactors\n"), "{assumed:?}");
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    for (arguments, named) in [
        (&["plan"][..], "--connections"),
        (&["plan", "--connections", "0"], "--connections"),
        (&["plan", "--connections", "100000001"], "--connections"),
        (&["plan", "--connections", "9", "--protocol", "http"], "--protocol"),
        (&["plan", "--connections", "9", "--sysctl", "--json"], "--json"),
        (&["plan", "--connections", "9", "--queued-bytes", "1073741825"], "--queued-bytes"),
        (&["plan", "--connections", "9", "--reactors", "65"], "--reactors"),
        (&["doctor", "--slow-readers", "many"], "--slow-readers"),
        (&["doctor", "--json"], "--json"),
        (&["doctor", "--pid", "4294967294"], "no such process"),
        (&["plan", "--connections", "9", "--pid", "1"], "--pid"),
    ] {
        let ended = run(&mut fanfare(arguments));
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(named), "{arguments:?}: {ended:?}");
    }
}
