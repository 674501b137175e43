//! The paths that every byte of a WebSocket takes: writing frames, reading headers, unmasking, UTF-8.
//!
//! `cargo bench --bench frame`

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fanfare::FrameBuilder;
use fanfare::session::websocket::{Event, WebSocket};
use fanfare::wire::deflate::{Deflater, Inflater};
use fanfare::wire::frame::{Opcode, encode, encode_masked, encode_masked_part};
use fanfare::wire::utf8::Utf8Carry;
use fanfare::wire::{header, mask};
use std::hint::black_box;

const SIZES: [usize; 4] = [16, 125, 1_024, 65_536];
const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

fn text(size: usize) -> String {
    "Grüße, 世界! "
        .chars()
        .cycle()
        .scan(size, |left, c| {
            *left = left.checked_sub(c.len_utf8())?;
            Some(c)
        })
        .collect()
}

fn writing(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for size in SIZES {
        let payload = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("whole", size), &payload, |b, payload| {
            b.iter(|| encode(Opcode::Text, black_box(payload)));
        });
        group.bench_with_input(BenchmarkId::new("builder", size), &payload, |b, payload| {
            b.iter(|| {
                let mut builder = FrameBuilder::text(payload.len());
                builder.push(black_box(payload));
                builder.finish()
            });
        });
    }
    group.finish();
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("header");
    for size in SIZES {
        let mut bytes = Vec::new();
        encode_masked(Opcode::Text, &vec![b'x'; size], MASK, &mut bytes);
        group.bench_with_input(BenchmarkId::new("parse", size), &bytes, |b, bytes| {
            b.iter(|| header::parse(black_box(bytes), 1_000_000, false));
        });
    }
    group.finish();
}

fn unmasking(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for size in SIZES {
        let mut payload = vec![b'x'; size];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("apply", size), |b| {
            b.iter(|| mask::apply(black_box(&mut payload), MASK, 1));
        });
    }
    group.finish();
}

fn validating(c: &mut Criterion) {
    let mut group = c.benchmark_group("utf8");
    for size in SIZES {
        let text = text(size);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("whole", size), text.as_bytes(), |b, bytes| {
            b.iter(|| std::str::from_utf8(black_box(bytes)).is_ok());
        });
        // As fragments bring it: characters are cut.
        group.bench_with_input(BenchmarkId::new("in pieces of 61", size), text.as_bytes(), |b, bytes| {
            b.iter(|| {
                let (mut carry, mut out) = (Utf8Carry::new(), String::new());
                for piece in black_box(bytes).chunks(61) {
                    carry.push(piece, &mut out).unwrap();
                }
                out
            });
        });
    }
    group.finish();
}

/// A session that reads the bytes, which it changes; how many messages they are.
fn read(session: &mut WebSocket, bytes: &mut [u8]) -> usize {
    let (mut input, mut messages, mut inflater) = (bytes, 0, Inflater::new());
    while let Some(event) = session.next(&mut input, 1_000_000, &mut inflater).unwrap() {
        messages += usize::from(matches!(event, Event::Text(_)));
    }
    messages
}

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("session");
    for size in SIZES {
        let payload = text(size);
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        encode_masked(Opcode::Text, payload.as_bytes(), MASK, &mut whole);
        let (a, b) = payload.as_bytes().split_at(payload.len() / 2);
        encode_masked_part(Some(Opcode::Text), false, a, MASK, &mut pieces);
        encode_masked_part(None, true, b, MASK, &mut pieces);
        group.throughput(Throughput::Bytes(payload.len() as u64));
        for (name, bytes) in [("one frame", whole), ("two fragments", pieces)] {
            group.bench_function(BenchmarkId::new(name, size), |b| {
                let mut session = WebSocket::new();
                b.iter_batched_ref(
                    || bytes.clone(),
                    |bytes| assert_eq!(read(&mut session, bytes), 1),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

/// Compressing a message and back, by level: what a recipient costs that asks for it.
fn deflating(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate");
    for size in [1_024, 8_192, 65_536] {
        let message = json(size);
        group.throughput(Throughput::Bytes(message.len() as u64));
        for level in [1, 3, 6, 9] {
            let mut deflater = Deflater::new(level);
            let short = deflater.deflate(message.as_bytes()).unwrap().len();
            group.bench_function(BenchmarkId::new(format!("level {level} to {short}"), size), |b| {
                b.iter(|| deflater.deflate(black_box(message.as_bytes())).is_some());
            });
        }
        let mut inflater = Inflater::new();
        let short = Deflater::new(6).deflate(message.as_bytes()).unwrap().to_vec();
        group.bench_function(BenchmarkId::new("inflate", size), |b| {
            b.iter(|| inflater.inflate(black_box(&short), size).is_ok());
        });
    }
    group.finish();
}

/// A list of things as programs send it, numbers and names that differ.
fn json(size: usize) -> String {
    let items = (0u32..).map(|n| {
        let id = n.wrapping_mul(0x9e37_79b9);
        format!(
            "{{\"id\":\"{id:08x}\",\"user\":\"user-{}\",\"price\":{}.{:02}}},",
            id % 977,
            id % 5_003,
            n % 97
        )
    });
    let mut text: String = items
        .scan(0, |len, item| {
            (*len < size).then(|| {
                *len += item.len();
                item
            })
        })
        .collect();
    text.truncate(size);
    text
}

criterion_group!(benches, writing, headers, unmasking, validating, sessions, deflating);
criterion_main!(benches);
