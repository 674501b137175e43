//! `slow` against a server that does things wrong to those who read, and to those who do not.

use crate::run;
use crate::stub::Wrong;

/// Of whoever connects, the sender is the first, then come those who read.
const SLOW: &[&str] = &["slow", "-n", "3", "--payload", "100"];

#[test]
fn those_who_read_have_everything() {
    let (status, report) =
        run(Wrong::Nothing, "/ws", &[SLOW, &["--readers", "2", "--messages", "8"]].concat());
    assert_eq!(status, 0, "{report}");
    assert_eq!((&report["readers"], &report["slow"]), (&2.into(), &3.into()));
    assert_eq!((&report["cut"], &report["told"]), (&0.into(), &0.into()), "{report}");
}

#[test]
fn a_reader_that_misses_one_is_named() {
    for wrong in [Wrong::Loses, Wrong::Renames, Wrong::Reorders] {
        let (status, report) = run(wrong, "/ws", &[SLOW, &["--readers", "2", "--messages", "8"]].concat());
        assert_eq!(status, 1, "{wrong:?}: {report}");
        let failures = serde_json::json!(["reader 1: message 3 is not what came"]);
        assert_eq!(report["failures"], failures, "{wrong:?}: {report}");
    }
}

#[test]
fn a_reader_that_is_cut_is_named() {
    let (status, report) = run(Wrong::Cuts, "/ws", &[SLOW, &["--readers", "2", "--messages", "8"]].concat());
    assert_eq!(status, 1);
    let failures = report["failures"].to_string();
    assert!(failures.contains("reader 1: message 3: a frame that is no text"), "{failures}");
}

#[test]
fn one_that_does_not_read_is_told() {
    // With one reader the second recipient is the first of those who do not read; nothing comes after message 3.
    let (status, report) = run(Wrong::Cuts, "/ws", &[SLOW, &["--readers", "1", "--messages", "4"]].concat());
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["told"], 1, "{report}");
}

#[test]
fn with_cut_nobody_who_does_not_read_may_be_left() {
    let (status, report) =
        run(Wrong::Nothing, "/ws", &[SLOW, &["--readers", "1", "--messages", "4", "--cut"]].concat());
    assert_eq!(status, 1);
    let failures = report["failures"].to_string();
    assert!(failures.contains("3 of 3 that do not read are still connected"), "{failures}");
}
