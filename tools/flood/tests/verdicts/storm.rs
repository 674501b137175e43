//! Everybody is cut off at once and comes back, or does not.

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
