//! Running out of descriptors: whoever is in stays in, nobody spins, and it passes.

mod raw;
mod support;

use raw::{Raw, Rest, Server, upgrade_head};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The limit on descriptors. A reactor keeps 128 of them for itself and for telling others that it is full.
const DESCRIPTORS: u32 = 160;
const SOCKETS: usize = 32;

#[test]
fn starved_of_descriptors() {
    let server = Server::start_under(DESCRIPTORS, 1, "[limits]\nhandshake_s = 60\n");
    let rest = Rest::of(&server, 4 << 20);

    let mut members: Vec<Raw> =
        (0..SOCKETS).map(|n| server.client(&format!("bizCode=d&clientId=c{n}"))).collect();
    for _ in 0..5 {
        is_told_that_it_is_full(&server);
    }

    // More silent ones than descriptors: the kernel takes them, the server cannot.
    let silent: Vec<Raw> = (0..3 * DESCRIPTORS).map(|_| server.connect()).collect();
    let start = Instant::now();
    while server.descriptors().values().any(|count| *count < DESCRIPTORS as usize - 8) {
        assert!(start.elapsed() < raw::PATIENCE, "it does not run out: {:?}", server.descriptors());
        std::thread::sleep(Duration::from_millis(20));
    }
    // The members are served all the same.
    members.iter_mut().for_each(|member| member.heartbeat("starved"));
    let (cpu, start) = (server.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let (cpu, time) = (server.cpu() - cpu, start.elapsed());
    assert!(cpu < time / 5, "starved, it used {cpu:?} of CPU in {time:?}");
    members.iter_mut().for_each(|member| member.heartbeat("starved for a while"));
    members[0].text(r#"{"msgId":1,"mode":300,"content":"still here","receipt":true}"#);
    for member in &mut members[1..] {
        let fine = matches!(member.frame(), raw::Got::Text(text) if text.contains("still here"));
        assert!(fine, "a broadcast while starved");
    }
    let receipt = format!(r#"{{"msgId":1,"mode":300,"code":0,"delivered":{}}}"#, SOCKETS - 1);
    assert_eq!(members[0].frame(), raw::Got::Text(receipt));

    // Descriptors return: those who waited are taken, and told.
    drop(silent);
    is_told_that_it_is_full(&server);
    members.pop().unwrap().say_goodbye("one leaves");
    let mut newcomer = server.client_when_there_is_room("bizCode=d&clientId=new");
    newcomer.heartbeat("a newcomer");
    drop((newcomer, members));
    rest.wait_for(&server, "after starving");
    rest.check(&server, "after starving");
}

#[test]
fn as_many_as_were_configured() {
    let server = Server::start(2, "[limits]\nconnections = 5\n");
    let rest = Rest::of(&server, 4 << 20);
    let mut members: Vec<Raw> = (0..5).map(|n| server.client(&format!("bizCode=d&clientId=c{n}"))).collect();
    for _ in 0..20 {
        is_told_that_it_is_full(&server);
    }
    members.iter_mut().for_each(|member| member.heartbeat("full"));
    members.pop().unwrap().say_goodbye("one leaves");
    drop(server.client_when_there_is_room("bizCode=d&clientId=new"));
    drop(members);
    rest.wait_for(&server, "after it was full");
    rest.check(&server, "after it was full");
}

#[test]
fn comes_and_goes_at_the_limit() {
    let server = Server::start_under(DESCRIPTORS, 2, "[limits]\nhandshake_s = 1\n");
    let rest = Rest::of(&server, 4 << 20);
    // Each round finds the server starved by the one before, whose connections are closed or reset.
    for round in 0..5 {
        let storm: Vec<Raw> = (0..3 * DESCRIPTORS).map(|_| server.connect()).collect();
        if round % 2 == 0 {
            storm.into_iter().for_each(Raw::reset);
        }
    }
    rest.wait_for(&server, "after five storms");
    rest.check(&server, "after five storms");
}

fn is_told_that_it_is_full(server: &Server) {
    let mut raw = server.connect();
    raw.send(upgrade_head("bizCode=d&clientId=late", "").as_bytes());
    let answer = raw.answer().expect("an answer to whom there is no room for");
    assert_eq!(answer.status, 503, "{}", answer.head);
    let pause: u32 = answer.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&pause));
    assert!(answer.body.starts_with(br#"{"code":"#));
    raw.expect_end("full");
}

/// Standard error may be a pipe whose reader sleeps, or a terminal that somebody stopped.
#[test]
fn a_log_that_nobody_reads_holds_nobody_up() {
    let mut command = support::fanfare(&["--listen", "127.0.0.1:0", "--reactors", "1", "--log", "debug"]);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    let unread = child.stderr.take().expect("standard error is piped");
    let mut ready = String::new();
    BufReader::new(child.stdout.take().expect("standard output is piped")).read_line(&mut ready).unwrap();
    let addr = ready.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).expect("a ready line");
    let refused = |count: usize| {
        for _ in 0..count {
            let mut raw = Raw::new(TcpStream::connect(addr).unwrap());
            raw.send(format!("GET /{} HTTP/2.0\r\n\r\n", "x".repeat(200)).as_bytes());
            assert_eq!(raw.answer().expect("an answer although the log is stuck").status, 505);
        }
    };
    // Each of them is a line, and a pipe holds 64 KiB.
    refused(3_000);
    // Once somebody reads, it goes on, and what was left out is counted.
    let reader = std::thread::spawn(move || {
        let lines = BufReader::new(unread).lines().map_while(Result::ok);
        lines.filter(|line| line.contains("lines were left out")).count()
    });
    std::thread::sleep(Duration::from_millis(200));
    refused(1);
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(reader.join().unwrap() > 0, "it is not said that lines were left out");
}
