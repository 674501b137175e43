//! The link to Redis against real servers: what is published arrives, once and in order, or is counted as dropped.

mod outages;
mod places;
mod proxy;
mod servers;
mod size;

use fanfare::cluster::redis::{NotTaken, Settings};
use servers::{Redis, Teller, Told, quick, wakeup};

/// Publishes to itself in one mode, with everything that an answer tells.
fn speaks(url: &str, settings: Settings) {
    let teller = Teller::up(url, settings);
    teller.link.subscribe("news");
    teller.link.count("news", 7);
    teller.until("the count", |told| told.contains(&Told::Counted(7, Some(1))));
    teller.publish("news", "hello", Some(1));
    teller.publish("elsewhere", "nobody", Some(2));
    teller.until("the tickets", |told| {
        told.contains(&Told::Published(1, 1)) && told.contains(&Told::Published(2, 0))
    });
    teller.until_messages("news", 1);
    for number in 0..10_000 {
        teller.publish("news", number, None);
    }
    teller.until_messages("news", 10_001);
    let expected = std::iter::once("hello".to_owned()).chain((0..10_000).map(|number| number.to_string()));
    assert!(teller.messages("news").into_iter().eq(expected), "the order is kept");
    teller.link.unsubscribe("news");
    teller.link.count("news", 8);
    teller.until("nobody is subscribed", |told| told.contains(&Told::Counted(8, Some(0))));
    let counters = teller.link.counters();
    assert_eq!((counters.published, counters.received, counters.dropped), (10_002, 10_001, [0; 6]));
    assert_eq!((counters.waiting_bytes, counters.subscriptions, counters.up), (0, 0, true));
    teller.link.stop();
    assert_eq!(teller.link.publish("news", *b"late", None), Err(NotTaken::Stopped));
}

#[test]
fn the_classic_mode_speaks() {
    let redis = Redis::start(&[]);
    speaks(&redis.url(), quick());
}

#[test]
fn the_sharded_mode_speaks() {
    let redis = Redis::start(&[]);
    speaks(&redis.url(), Settings { sharded: true, ..quick() });
}

#[test]
fn a_thread_with_a_descriptor_table_of_its_own_publishes() {
    let redis = Redis::start(&[]);
    let wakeup = wakeup();
    let teller = Teller::start_with(&redis.url(), quick(), wakeup.clone());
    teller.until_up(1);
    teller.link.subscribe("c");
    let link = teller.link.clone();
    let reactor = std::thread::spawn(move || {
        fanfare::sys::own_descriptor_table().unwrap();
        fanfare::sys::close_all_but(&[0, 1, 2, wakeup.fd()]).unwrap();
        for number in 0..100u8 {
            link.publish("c", vec![b'0' + number % 10], None).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
    teller.until_messages("c", 100);
    reactor.join().unwrap();
}
