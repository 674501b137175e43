//! Redis goes away, in each of its ways: the link notices, comes back, and the numbers add up.

use crate::proxy::Proxy;
use crate::servers::{Redis, Teller, Told, eventually, quick, signal};
use fanfare::cluster::redis::{Reason, Settings};
use std::collections::HashSet;
use std::time::Duration;

/// Everything that was published was answered or counted, and what came was published once: what is unknown may have come.
fn reconcile(teller: &Teller, channel: &str, published: u64) {
    let link = &teller.link;
    eventually("every message has its fate", || {
        let counters = link.counters();
        counters.published + counters.dropped.iter().sum::<u64>() == published && counters.waiting_bytes == 0
    });
    let counters = link.counters();
    // Redis answers to a publish behind the message itself.
    let came: Vec<u64> = teller.messages(channel).iter().map(|text| text.parse().unwrap()).collect();
    let unknown = counters.dropped(Reason::Unknown);
    let number = came.len() as u64;
    assert!(counters.published <= number && number <= counters.published + unknown, "{number}: {counters:?}");
    assert!(came.is_sorted_by(|a, b| a < b), "in order, and none twice");
    let told = teller.told();
    for reason in Reason::ALL {
        let dropped = told.iter().map(|one| match one {
            Told::Dropped(messages, why) if *why == reason => *messages,
            _ => 0,
        });
        assert_eq!(dropped.sum::<u64>(), counters.dropped(reason), "{reason:?}");
    }
}

#[test]
fn a_redis_that_is_killed_comes_back_with_all_subscriptions() {
    let mut redis = Redis::start(&[]);
    let teller = Teller::up(&redis.url(), quick());
    for number in 0..1_000 {
        teller.link.subscribe(format!("c{number}"));
    }
    teller.link.psubscribe("p*");
    teller.publish("c999", "before", None);
    teller.until_messages("c999", 1);
    redis.kill();
    teller.until_down();
    for number in 0..100 {
        teller.publish("c0", number, Some(number));
    }
    teller.link.unsubscribe("c1");
    teller.link.subscribe("new");
    teller.link.count("c0", 1);
    teller.until("it cannot be asked", |told| told.contains(&Told::Counted(1, None)));
    assert!(!teller.link.counters().up);
    redis.restart();
    teller.until_up(2);
    // Subscriptions were there before the first message left.
    teller.until_messages("c0", 100);
    assert!(teller.messages("c0").into_iter().eq((0..100).map(|number| number.to_string())));
    assert!(teller.told().contains(&Told::Up(true)));
    teller.until("the answer", |told| told.contains(&Told::Published(0, 1)));
    for channel in ["c1", "c999", "new", "pattern"] {
        teller.publish(channel, "after", None);
    }
    teller.until_messages("pattern", 1);
    let after = ["c1", "c999", "new"].map(|channel| teller.messages(channel).len());
    assert_eq!(after, [0, 2, 1]);
    let counters = teller.link.counters();
    assert_eq!((counters.reconnects, counters.subscriptions, counters.dropped), (1, 1_001, [0; 6]));
}

#[test]
fn a_redis_that_is_killed_under_load_loses_only_what_is_counted() {
    let mut redis = Redis::start(&[]);
    let settings = Settings { spool_bytes: 20_000, ..quick() };
    let teller = Teller::up(&redis.url(), settings);
    teller.link.subscribe("load");
    let link = teller.link.clone();
    let writer = std::thread::spawn(move || {
        for number in 0..20_000u64 {
            link.publish("load", number.to_string().into_bytes(), None).unwrap();
            if number % 100 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        20_000
    });
    teller.until_messages("load", 2_000);
    redis.kill();
    teller.until_down();
    eventually("the spool is full", || teller.link.counters().dropped(Reason::Spool) > 0);
    redis.restart();
    teller.until_up(2);
    reconcile(&teller, "load", writer.join().unwrap());
}

#[test]
fn a_redis_that_stands_still_is_noticed_and_taken_again() {
    let redis = Redis::start(&[]);
    let teller = Teller::up(&redis.url(), quick());
    teller.link.subscribe("c");
    for number in 0..10 {
        teller.publish("c", number, None);
    }
    teller.until_messages("c", 10);
    signal(redis.pid(), "STOP");
    for number in 10..20 {
        teller.publish("c", number, Some(number));
    }
    teller.until_down();
    // Nobody knows what Redis will do with those that were sent. Without answers some may not have been: they wait.
    let unknown = teller.link.counters().dropped(Reason::Unknown);
    assert!(unknown <= 10, "{unknown}");
    for number in 10..10 + unknown {
        teller.until("its fate", |told| told.contains(&Told::Lost(number, Reason::Unknown)));
    }
    for number in 20..30 {
        teller.publish("c", number, None);
    }
    signal(redis.pid(), "CONT");
    teller.until_up(2);
    reconcile(&teller, "c", 30);
    assert_eq!(teller.link.counters().dropped, [0, 0, 0, unknown, 0, 0]);
}

#[test]
fn what_the_socket_did_not_take_is_sent_later_in_its_place() {
    let redis = Redis::start(&["--unixsocket", "redis.sock"]);
    let settings = Settings { spool_bytes: 8 << 20, ..quick() };
    let teller = Teller::up(&format!("unix://{}", redis.path("redis.sock").display()), settings);
    teller.link.subscribe("c");
    teller.publish("c", 0, None);
    teller.until_messages("c", 1);
    signal(redis.pid(), "STOP");
    // More than the socket takes, and more than may be under way.
    for number in 1..=300 {
        teller.publish("c", format!("{number:010000}"), None);
    }
    teller.until_down();
    signal(redis.pid(), "CONT");
    teller.until_up(2);
    reconcile(&teller, "c", 301);
    let counters = teller.link.counters();
    let unknown = counters.dropped(Reason::Unknown);
    assert!(0 < unknown && unknown < 60, "{counters:?}");
    assert_eq!(counters.published, 301 - unknown);
}

#[test]
fn a_way_that_is_silent_or_cut_is_noticed_too() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.port);
    let teller = Teller::up(&proxy.url(), quick());
    teller.link.subscribe("c");
    teller.publish("c", 0, None);
    teller.until_messages("c", 1);
    proxy.set_silent(true);
    teller.until_down();
    proxy.set_silent(false);
    teller.until_up(2);
    teller.publish("c", 1, None);
    teller.until_messages("c", 2);
    proxy.cut();
    eventually("it goes down", || !teller.link.counters().up);
    teller.publish("c", 2, None);
    proxy.open();
    teller.until_up(3);
    reconcile(&teller, "c", 3);
    assert_eq!(teller.messages("c").len(), 3);
    assert_eq!(teller.link.counters().reconnects, 2);
}

#[test]
fn before_the_first_connection_messages_wait_and_the_oldest_go() {
    let mut redis = Redis::start(&[]);
    redis.kill();
    // A message of one digit in "c" counts 66.
    let settings = Settings { spool_bytes: 10 * 67, ..quick() };
    let teller = Teller::start(&redis.url(), settings);
    teller.link.subscribe("c");
    teller.until_down();
    for number in 10..40 {
        teller.publish("c", number, Some(number));
    }
    teller.until("the oldest went", |told| told.contains(&Told::Lost(29, Reason::Spool)));
    assert_eq!(teller.link.counters().waiting_bytes, 10 * 67);
    redis.restart();
    teller.until_messages("c", 10);
    assert!(teller.messages("c").into_iter().eq((30..40).map(|number| number.to_string())));
    assert!(teller.told().contains(&Told::Up(false)), "nothing was missed before");
    reconcile(&teller, "c", 30);
}

#[test]
fn what_is_too_old_is_not_sent() {
    let mut redis = Redis::start(&[]);
    redis.kill();
    let settings = Settings { spool_age: Duration::from_millis(1), ..quick() };
    let teller = Teller::start(&redis.url(), settings);
    teller.publish("c", "old", Some(1));
    teller.until("it is old", |told| told.contains(&Told::Lost(1, Reason::Age)));
    assert_eq!(teller.link.counters().waiting_bytes, 0);
    teller.link.stop();
}

#[test]
fn a_backlog_is_refused_and_a_stopped_link_drops_what_waits() {
    let mut redis = Redis::start(&[]);
    redis.kill();
    let teller = Teller::start(&redis.url(), Settings { backlog_bytes: 1_000, ..quick() });
    teller.until_down();
    let taken = (0..100).filter(|_| teller.link.publish("c", *b"0123456789", Some(5)).is_ok()).count();
    assert_eq!(taken, 1_000 / 75);
    teller.link.stop();
    teller.until("they are lost", |told| told.contains(&Told::Lost(5, Reason::Stopped)));
    let counters = teller.link.counters();
    let (refused, stopped) = (counters.dropped(Reason::Backlog), counters.dropped(Reason::Stopped));
    assert_eq!((refused, stopped, counters.waiting_bytes), (100 - taken as u64, taken as u64, 0));
}

#[test]
fn stopping_sends_what_waits_and_so_does_dropping() {
    let redis = Redis::start(&[]);
    let listener = Teller::up(&redis.url(), quick());
    listener.link.subscribe("c");
    listener.link.count("c", 0);
    listener.until("it listens", |told| told.contains(&Told::Counted(0, Some(1))));
    let stopped = Teller::up(&redis.url(), quick());
    (0..5_000).for_each(|number| stopped.publish("c", number, None));
    stopped.link.stop();
    assert_eq!(stopped.link.counters().published, 5_000);
    let dropped = Teller::start(&redis.url(), quick());
    (5_000..10_000).for_each(|number| dropped.publish("c", number, None));
    drop(dropped);
    listener.until_messages("c", 10_000);
    let all: HashSet<_> = listener.messages("c").into_iter().collect();
    assert_eq!(all.len(), 10_000);
}
