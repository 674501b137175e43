//! Rooms and deliveries: joining, leaving, claiming, choosing, and what a delivery costs before the kernel.
//!
//! `cargo bench --bench hub`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::base::ids::{LinkId, ReactorId};
use fanfare::hub::{Hub, Interest, Selector};
use fanfare::reactor::outlet::{Outlet, Ticket, Wires};
use fanfare::wire::frame::{Opcode, encode};
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::sync::Arc;

const RECIPIENTS: u32 = 10_000;

/// A hub in which everybody is in one scope, has a name, and is in one of 100 groups.
fn hub() -> Hub {
    let mut hub = Hub::new(ReactorId(0), Arc::new(Interest::new()));
    for slot in 0..RECIPIENTS {
        hub.enter(slot, "d1");
        hub.claim(slot, "d1", &format!("@client-{slot}"));
        hub.join(slot, "d1", &format!("#group-{}", slot % 100));
    }
    hub
}

fn membership(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub");
    let mut hub = hub();
    group.bench_function("join and leave a group of 100", |b| {
        b.iter(|| {
            hub.join(black_box(70), "d1", "#group-71");
            hub.leave(70, "d1", "#group-71");
        });
    });
    group.bench_function("enter, claim, join and exit", |b| {
        b.iter(|| {
            hub.enter(black_box(RECIPIENTS), "d1");
            hub.claim(RECIPIENTS, "d1", "@somebody new");
            hub.join(RECIPIENTS, "d1", "#group-7");
            hub.exit(RECIPIENTS);
        });
    });
    group.bench_function("claim from one another", |b| {
        let mut turn = 0;
        b.iter(|| {
            turn ^= 1;
            hub.claim(black_box(turn), "d1", "@wanted")
        });
    });
    group.finish();
}

fn selection(c: &mut Criterion) {
    let mut group = c.benchmark_group("select");
    let hub = hub();
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("one client", &["@client-77"], &[]),
        ("a group of 100", &["#group-7"], &[]),
        ("everybody of 10,000", &[], &[]),
        ("two groups without a third", &["#group-7", "#group-8"], &["#group-9"]),
    ];
    for (name, rooms, except) in cases {
        group.bench_function(name, |b| {
            b.iter(|| {
                let selector = Selector { scope: black_box("d1"), rooms, except };
                (hub.select(selector), hub.elsewhere(selector))
            });
        });
    }
    group.finish();
}

/// Takes everything and does nothing with it.
struct Null;

impl Wires for Null {
    fn write(&mut self, _: u32, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn write_vectored(&mut self, _: u32, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(black_box(pieces).iter().map(|piece| piece.len()).sum())
    }

    fn shutdown(&mut self, _: u32) {}

    fn want_writable(&mut self, _: LinkId, _: bool) {}
}

/// Time is per delivery: one frame to one link.
fn delivery(c: &mut Criterion) {
    let mut group = c.benchmark_group("deliver to 10,000");
    let hub = hub();
    let mut outlet = Outlet::new(1 << 20);
    let links: Vec<LinkId> = (0..RECIPIENTS).map(|_| outlet.open()).collect();
    let frame = encode(Opcode::Text, &[b'x'; 100]);
    let everybody: Selector<'_, &str> = Selector { scope: "d1", rooms: &[], except: &[] };
    for frames in [1, 16] {
        group.throughput(Throughput::Elements(u64::from(RECIPIENTS) * frames));
        for (name, asked) in [("broadcast", false), ("broadcast with report", true)] {
            group.bench_function(BenchmarkId::new(name, frames), |b| {
                b.iter(|| {
                    for number in 0..frames {
                        let ticket = asked.then_some(Ticket(number));
                        outlet.fan_out(hub.select(everybody), Some(0), &frame.clone().into(), ticket);
                    }
                    outlet.flush(&mut Null);
                    outlet.take_tallies()
                });
            });
        }
        group.bench_function(BenchmarkId::new("one by one", frames), |b| {
            b.iter(|| {
                for _ in 0..frames {
                    for link in &links {
                        outlet.send(*link, &frame);
                    }
                }
                outlet.flush(&mut Null);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, membership, selection, delivery);
criterion_main!(benches);
