//! Many channels, and how much and how fast.

use crate::servers::{PATIENCE, Redis, Teller, Told, eventually, quick, wakeup};
use fanfare::cluster::redis::{Event, Link, RedisUrl, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const CHANNELS: u64 = 100_000;

#[test]
fn a_hundred_thousand_channels_are_held_and_restored_and_left() {
    let mut redis = Redis::start(&[]);
    let settings = Settings { sharded: true, ..quick() };
    let teller = Teller::up(&redis.url(), settings);
    let name = |number: u64| format!("socket.io#/#room-{number:06}#");
    (0..CHANNELS).for_each(|number| teller.link.subscribe(name(number)));
    teller.publish(&name(CHANNELS - 1), "last", Some(1));
    teller.until("the last one is held", |told| told.contains(&Told::Published(1, 1)));
    let held = |redis: &Redis| redis.cli(&["PUBSUB", "SHARDCHANNELS"]).lines().count() as u64;
    assert_eq!(held(&redis), CHANNELS);
    redis.kill();
    teller.until_down();
    redis.restart();
    teller.until_up(2);
    assert_eq!(held(&redis), CHANNELS, "all are there when it says that it is up");
    (0..CHANNELS).for_each(|number| teller.link.unsubscribe(name(number)));
    eventually("all are left", || held(&redis) == 0);
    assert_eq!(teller.link.counters().subscriptions, 0);
}

/// `cargo test --release --test redis_link -- --ignored --nocapture` prints what a link does.
#[test]
#[ignore = "measures"]
fn messages_a_second_and_bytes_a_channel() {
    let redis = Redis::start(&[]);
    let received = Arc::new(AtomicU64::new(0));
    let counter = received.clone();
    let link = |counter: Option<Arc<AtomicU64>>| {
        let url = RedisUrl::parse(&redis.url()).unwrap();
        let link = Link::start(url, Settings::default(), wakeup(), move |event| {
            if let (Event::Message { .. }, Some(counter)) = (event, &counter) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        link.unwrap()
    };
    let (writer, reader) = (link(None), link(Some(counter)));
    reader.subscribe("c");
    eventually("the reader is subscribed", || redis.cli(&["PUBSUB", "NUMSUB", "c"]) == "c\n1");
    eventually("the writer is up", || writer.counters().up);
    let (channel, payload): (Arc<str>, Arc<[u8]>) = ("c".into(), vec![b'x'; 100].into());
    for (what, waited) in [("published", &writer), ("published and received", &reader)] {
        let channel = if what == "published" { "nobody".into() } else { channel.clone() };
        let messages = 500_000;
        let since = Instant::now();
        let before = writer.counters().published;
        for number in 0..messages {
            // Redis closes the connection of a reader for whom it has to keep more than 32 MB.
            let is_far_ahead = || what != "published" && waited.counters().received + 50_000 < number;
            while is_far_ahead() || writer.publish(channel.clone(), payload.clone(), None).is_err() {
                assert!(since.elapsed() < PATIENCE);
                std::thread::yield_now();
            }
        }
        while writer.counters().published < before + messages
            || waited.counters().received < messages && what != "published"
        {
            assert!(since.elapsed() < PATIENCE);
            std::thread::yield_now();
        }
        println!("{what}: {:.0} messages a second", messages as f64 / since.elapsed().as_secs_f64());
    }
    assert_eq!(received.load(Ordering::Relaxed), 500_000);
    reader.stop();
    let before = fanfare::sys::proportional_bytes().unwrap();
    (0..CHANNELS).for_each(|number| writer.subscribe(format!("socket.io#/#room-{number:06}#")));
    eventually("all are subscribed", || {
        redis.cli(&["PUBSUB", "NUMSUB", "socket.io#/#room-099999#"]).ends_with('1')
    });
    let grown = fanfare::sys::proportional_bytes().unwrap().saturating_sub(before);
    println!("a channel with a name of 24 bytes: {} bytes", grown / CHANNELS);
}
