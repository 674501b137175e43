//! The places where Redis can be, and the doors to it: passwords, databases, unix sockets, TLS, Sentinel, Cluster.

use crate::servers::{
    Folder, Redis, Teller, Told, certificate, eventually, free_port, quick, signal, wakeup,
};
use fanfare::cluster::redis::{Link, Reason, RedisUrl, Settings};
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Publishes to itself, once.
fn speaks(teller: &Teller) {
    teller.link.subscribe("c");
    teller.publish("c", "hello", None);
    teller.until_messages("c", 1);
}

#[test]
fn users_and_databases() {
    let redis = Redis::start(&["--requirepass", "p@ss"]);
    assert_eq!(
        redis.cli(&["-a", "p@ss", "ACL", "SETUSER", "u", "on", ">secret", "+@all", "&ok*", "~*"]),
        "OK"
    );
    let teller = Teller::up(&format!("redis://:p%40ss@127.0.0.1:{}/3", redis.port), quick());
    speaks(&teller);
    let clients = redis.cli(&["-a", "p@ss", "CLIENT", "LIST"]);
    assert!(clients.lines().any(|line| line.contains("name=fanfare") && line.contains("db=3")), "{clients}");
    let teller = Teller::up(&format!("redis://u:secret@127.0.0.1:{}", redis.port), quick());
    teller.link.subscribe("forbidden");
    teller.link.subscribe("ok");
    teller.publish("forbidden", "no", Some(1));
    teller.until("it is refused", |told| told.contains(&Told::Lost(1, Reason::Refused)));
    eventually("a neighbour does not suffer", || {
        teller.publish("ok", "yes", None);
        !teller.messages("ok").is_empty()
    });
    // A subscription that was refused is tried again.
    assert_eq!(redis.cli(&["-a", "p@ss", "ACL", "SETUSER", "u", "&forbidden"]), "OK");
    let mut tries = 0;
    eventually("the subscription is held", || {
        tries += 1;
        teller.publish("forbidden", tries, None);
        !teller.messages("forbidden").is_empty()
    });
}

/// What is logged, by all tests of this program.
struct Log(Mutex<Vec<String>>);

impl log::Log for Log {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

static LOG: Log = Log(Mutex::new(Vec::new()));

#[test]
fn a_wrong_password_is_told_once_without_it_and_tried_again() {
    log::set_logger(&LOG).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let redis = Redis::start(&["--requirepass", "right"]);
    let teller = Teller::start(&format!("redis://:wr0ng@127.0.0.1:{}", redis.port), quick());
    teller.until_down();
    let before = redis.cli(&["-a", "right", "INFO", "stats"]);
    let connections = |info: &str| -> u64 {
        let line = info.lines().find_map(|line| line.trim().strip_prefix("total_connections_received:"));
        line.unwrap().parse().unwrap()
    };
    eventually("it keeps trying", || {
        // One of them is redis-cli's own each time.
        connections(&redis.cli(&["-a", "right", "INFO", "stats"])) > connections(&before) + 20
    });
    let told = teller.told();
    let [Told::Down(reason)] = &told[..] else { panic!("{told:?}") };
    assert!(reason.contains("WRONGPASS") && reason.contains("127.0.0.1"), "{reason}");
    assert!(!format!("{told:?} {:?}", teller.link).contains("wr0ng"));
    redis.cli(&["-a", "right", "CONFIG", "SET", "requirepass", "wr0ng"]);
    teller.until_up(1);
    let place = format!("127.0.0.1:{}", redis.port);
    let lines: Vec<_> = LOG.0.lock().unwrap().iter().filter(|line| line.contains(&place)).cloned().collect();
    assert!(lines.iter().all(|line| !line.contains("wr0ng")), "{lines:?}");
    let changes: Vec<_> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let [down, up] = &changes[..] else { panic!("{changes:?}") };
    assert!(down.starts_with("WARN") && down.contains("WRONGPASS") && up.starts_with("INFO"), "{changes:?}");
}

#[test]
fn unix_sockets() {
    let redis = Redis::start(&["--unixsocket", "redis.sock"]);
    speaks(&Teller::up(&format!("unix://{}?db=1", redis.path("redis.sock").display()), quick()));
}

#[test]
fn tls_with_an_authority_of_our_own_and_not_without() {
    let folder = Folder::new();
    let (cert, key) = certificate(&folder);
    let (cert_text, key_text) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let port = free_port().to_string();
    let options = ["--tls-port", &port, "--tls-cert-file", cert_text, "--tls-key-file", key_text];
    let redis = Redis::start(
        &[&options[..], &["--tls-ca-cert-file", cert_text, "--tls-auth-clients", "no"]].concat(),
    );
    let url = format!("rediss://127.0.0.1:{port}");
    let settings = |ca_file| Settings { ca_file: Some(ca_file), ..quick() };
    let teller = Teller::up(&url, settings(cert.clone()));
    speaks(&teller);
    // More than a record, more than a buffer.
    let large = "x".repeat(3_000_000);
    teller.publish("c", &large, None);
    teller.until_messages("c", 2);
    assert!(teller.messages("c")[1] == large);

    let elsewhere = folder.inside("other");
    let (other, _) = certificate(&elsewhere);
    let distrustful = Teller::start(&url, settings(other));
    distrustful.until(
        "it does not trust",
        |told| matches!(told, [Told::Down(reason)] if reason.contains("certificate")),
    );
    fs::write(&cert, "no certificate").unwrap();
    let error = Link::start(RedisUrl::parse(&url).unwrap(), settings(cert), wakeup(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("cert.pem"), "{error}");
    drop(redis);
}

#[test]
fn the_sentinels_name_the_next_master() {
    let mut master = Redis::start(&[]);
    let master_port = master.port.to_string();
    let replica =
        Redis::start(&["--replicaof", "127.0.0.1", &master_port, "--repl-diskless-sync-delay", "0"]);
    eventually("the replica is there", || master.cli(&["INFO", "replication"]).contains("state=online"));
    let folder = Folder::new();
    let port = free_port();
    let config = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor m 127.0.0.1 {master_port} 1\n\
         sentinel down-after-milliseconds m 300\nsentinel failover-timeout m 3000\n"
    );
    let path = folder.path("sentinel.conf");
    fs::write(&path, config).unwrap();
    let arguments = vec![path.to_str().unwrap().to_owned(), "--sentinel".to_owned()];
    let sentinel = Redis::spawn(folder, port, arguments);
    eventually("the sentinel knows the replica", || {
        sentinel.cli(&["SENTINEL", "REPLICAS", "m"]).contains(&replica.port.to_string())
    });
    // The first of them is not there.
    let dead = free_port();
    let teller = Teller::up(&format!("redis+sentinel://127.0.0.1:{dead},127.0.0.1:{port}/m"), quick());
    speaks(&teller);
    assert_eq!(master.cli(&["PUBSUB", "NUMSUB", "c"]), "c\n1");
    master.kill();
    teller.until_down();
    teller.until_up(2);
    teller.publish("c", "again", None);
    teller.until("the message", |told| told.contains(&Told::Message("c".into(), "again".into())));
    assert_eq!(replica.cli(&["PUBSUB", "NUMSUB", "c"]), "c\n1");

    let unknown = Teller::start(&format!("redis+sentinel://127.0.0.1:{port}/other"), quick());
    unknown.until(
        "no such master",
        |told| matches!(told, [Told::Down(reason)] if reason.contains("no master \"other\"")),
    );
}

/// A Cluster of three masters.
fn cluster() -> Vec<Redis> {
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1500"];
    let nodes: Vec<_> = (0..3).map(|_| Redis::start(&options)).collect();
    let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
    let mut create = Command::new("redis-cli");
    create.args(["--cluster", "create"]).args(addresses).arg("--cluster-yes");
    assert!(create.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
    eventually("the Cluster is one", || {
        nodes.iter().all(|node| node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok"))
    });
    nodes
}

#[test]
fn a_cluster_in_both_modes_with_a_slot_that_moves_and_a_node_that_stands_still() {
    let nodes = cluster();
    let url = format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", nodes[2].port, nodes[0].port);
    let classic = Teller::up(&url, quick());
    let other = Teller::up(&format!("redis+cluster://127.0.0.1:{}", nodes[1].port), quick());
    for teller in [&classic, &other] {
        teller.link.subscribe("c");
        teller.link.count("none", 0);
        teller.until("it is subscribed", |told| told.contains(&Told::Counted(0, Some(0))));
    }
    classic.publish("c", "all", None);
    other.until_messages("c", 1);
    classic.link.count("c", 9);
    classic.until("both are counted", |told| told.contains(&Told::Counted(9, Some(2))));

    let teller = Teller::up(&url, Settings { sharded: true, ..quick() });
    for number in 0..300 {
        teller.link.subscribe(format!("c{number}"));
    }
    for number in 0..300 {
        teller.publish(&format!("c{number}"), number, Some(number));
        teller.link.count(format!("c{number}"), number);
    }
    teller.until("everything came", |told| {
        (0..300).all(|number| {
            told.contains(&Told::Published(number, 1))
                && told.contains(&Told::Counted(number, Some(1)))
                && told.contains(&Told::Message(format!("c{number}"), number.to_string()))
        })
    });
    let held = nodes.iter().map(|node| node.cli(&["PUBSUB", "SHARDCHANNELS"]).lines().count());
    assert!(
        held.clone().all(|channels| channels > 50) && held.sum::<usize>() == 300,
        "each node has its own"
    );

    // The slot of c7 goes to another node, and with it the channel.
    let slot = nodes[0].cli(&["CLUSTER", "KEYSLOT", "c7"]);
    let ids: Vec<_> = nodes.iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect();
    let has = |node: &Redis| node.cli(&["PUBSUB", "SHARDCHANNELS"]).lines().any(|name| name == "c7");
    let source = nodes.iter().position(has).unwrap();
    let target = (source + 1) % 3;
    nodes[target].cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &ids[source]]);
    nodes[source].cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &ids[target]]);
    for node in [target, source, (target + 1) % 3] {
        assert_eq!(nodes[node].cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &ids[target]]), "OK");
    }
    eventually("the new node has the channel", || has(&nodes[target]));
    teller.publish("c7", "moved", None);
    teller.publish("c8", "stayed", None);
    for (channel, text) in [("c7", "moved"), ("c8", "stayed")] {
        teller.until(text, |told| told.contains(&Told::Message(channel.into(), text.into())));
    }
    assert!(teller.told().contains(&Told::Up(true)), "in between something may have been missed");
    assert_eq!(teller.link.counters().dropped, [0; 6]);

    let ups = teller.told().iter().filter(|one| matches!(one, Told::Up(_))).count();
    signal(nodes[target].pid(), "STOP");
    eventually("it is noticed", || !teller.link.counters().up);
    signal(nodes[target].pid(), "CONT");
    teller.until_up(ups + 1);
    teller.publish("c7", "back", None);
    teller.until("back", |told| told.contains(&Told::Message("c7".into(), "back".into())));
}

#[test]
fn slots_that_move_under_load_mix_up_no_answers() {
    let nodes = cluster();
    let url = format!("redis+cluster://127.0.0.1:{}", nodes[0].port);
    let settings = Settings { sharded: true, spool_bytes: 1 << 30, backlog_bytes: 1 << 30, ..quick() };
    let teller = Teller::up(&url, settings);
    // Slots of the first node, with a channel each; the second half of them will move.
    let of_first =
        |name: &String| nodes[0].cli(&["CLUSTER", "KEYSLOT", name]).parse::<u32>().unwrap() <= 5_460;
    let names: Vec<_> = (0..).map(|number| format!("c{number}")).filter(of_first).take(20).collect();
    let (staying, moving) = names.split_at(10);
    names.iter().for_each(|name| teller.link.subscribe(name.as_str()));
    let slots: Vec<_> = moving.iter().map(|name| nodes[0].cli(&["CLUSTER", "KEYSLOT", name])).collect();
    let target = nodes[1].cli(&["CLUSTER", "MYID"]);

    // An answer says 1 for one who listens and 0 for the others, so that each is known for its question's.
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (link, stop, staying) = (teller.link.clone(), stop.clone(), staying.to_vec());
        std::thread::spawn(move || {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                let name = &staying[number as usize % staying.len()];
                let channel = if number % 3 == 0 { name.clone() } else { format!("{{{name}}}nobody") };
                link.publish(channel, number.to_string().into_bytes(), Some(number)).unwrap();
                number += 1;
                if number % 20 == 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            number
        })
    };
    for slot in &slots {
        teller.until("messages go on", {
            let before = teller.link.counters().published;
            let link = &teller.link;
            move |_| link.counters().published > before + 100
        });
        for node in [1, 0, 2] {
            assert_eq!(nodes[node].cli(&["CLUSTER", "SETSLOT", slot, "NODE", &target]), "OK");
        }
    }
    stop.store(true, Ordering::Relaxed);
    let published = writer.join().unwrap();
    eventually("every message has its fate", || {
        let counters = teller.link.counters();
        counters.published + counters.dropped.iter().sum::<u64>() == published && counters.up
    });
    let told = teller.told();
    let mut unknown = 0u64;
    for one in &told {
        match one {
            Told::Published(number, receivers) => {
                assert_eq!(*receivers, u64::from(number % 3 == 0), "{number}");
            }
            Told::Lost(_, Reason::Unknown) => unknown += 1,
            Told::Lost(number, reason) => panic!("{number} is lost: {reason:?}"),
            _ => {}
        }
    }
    // What was under way when a slot left, and no more.
    assert!(unknown <= 3 * 512 * slots.len() as u64, "{unknown} answers were lost");
    assert!(told.iter().filter(|one| matches!(one, Told::Up(true))).count() > 0);
    for name in moving {
        teller.publish(name, "moved", None);
        teller.until(name, |told| told.contains(&Told::Message(name.clone(), "moved".into())));
    }
}
