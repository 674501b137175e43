//! A tunnel against a client of rustls, in memory: whatever the kernel takes, the other side reads what was written.

use super::*;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, ConnectionTrafficSecrets, ContentType, ProtocolVersion, RootCertStore,
    SupportedCipherSuite,
};
use std::io::{Read, Write};
use std::sync::Arc;

/// Certificates of a server that is called localhost, and a client that knows them.
fn both(version: &'static rustls::SupportedProtocolVersion) -> (Tunnel, ClientConnection) {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = std::env::temp_dir();
    let name = format!("fanfare-tunnel-{}-{:?}", std::process::id(), std::thread::current().id());
    let (cert, key) = (folder.join(format!("{name}.cert")), folder.join(format!("{name}.key")));
    std::fs::write(&cert, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let certificates = Certificates::from_pem_files([(&cert, &key)]).unwrap();
    std::fs::remove_file(cert).unwrap();
    std::fs::remove_file(key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
    let name = ServerName::try_from("localhost").unwrap();
    (Tunnel::new(&certificates).unwrap(), ClientConnection::new(Arc::new(config), name).unwrap())
}

/// What the client has to send.
fn spoken(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Has the tunnel read, in pieces of at most so many bytes; what it decrypts, and whether the client has ended.
fn tell(tunnel: &mut Tunnel, bytes: &[u8], at_most: usize) -> io::Result<(Vec<u8>, bool)> {
    let (mut plain, mut ended) = (Vec::new(), false);
    for piece in bytes.chunks(at_most) {
        let mut together = [tunnel.kept(), piece].concat();
        ended |= tunnel.read(&mut together, &mut plain)?;
    }
    Ok((plain, ended))
}

/// Has the client read.
fn hear(client: &mut ClientConnection, mut bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    while !bytes.is_empty() {
        client.read_tls(&mut bytes).unwrap();
        client.process_new_packets().unwrap();
        let _ = client.reader().read_to_end(&mut plain);
    }
    plain
}

/// A kernel that takes so many bytes in all.
struct Kernel {
    room: usize,
    taken: Vec<u8>,
}

impl Kernel {
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let takes = bytes.len().min(self.room);
        if takes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= takes;
        self.taken.extend_from_slice(&bytes[..takes]);
        Ok(takes)
    }
}

fn shake_hands(tunnel: &mut Tunnel, client: &mut ClientConnection, at_most: usize) {
    let mut kernel = Kernel { room: usize::MAX, taken: Vec::new() };
    for _ in 0..4 {
        let (plain, ended) = tell(tunnel, &spoken(client), at_most).unwrap();
        assert_eq!((plain, ended), (Vec::new(), false));
        assert!(tunnel.flush(|bytes| kernel.send(bytes)).unwrap());
        assert_eq!(hear(client, &std::mem::take(&mut kernel.taken)), b"");
    }
    assert!(!tunnel.is_handshaking() && !client.is_handshaking());
    assert!(tunnel.kept().is_empty() && tunnel.outgoing.is_empty());
}

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

#[test]
fn hands_are_shaken_and_messages_arrive_however_few_bytes_come_at_once() {
    for version in VERSIONS {
        for at_most in [1, 7, 100_000] {
            let (mut tunnel, mut client) = both(version);
            shake_hands(&mut tunnel, &mut client, at_most);
            client.writer().write_all(&[b'x'; 40_000]).unwrap();
            let bytes = spoken(&mut client);
            assert_eq!(tell(&mut tunnel, &bytes, at_most).unwrap(), (vec![b'x'; 40_000], false));
            assert!(tunnel.kept().is_empty());
            client.send_close_notify();
            let bytes = spoken(&mut client);
            assert_eq!(tell(&mut tunnel, &bytes, at_most).unwrap(), (Vec::new(), true));
        }
    }
}

#[test]
fn a_message_of_which_one_byte_is_encrypted_cannot_be_replaced_by_another() {
    for (instead, fits) in [(b"\x88\x02\x03\xF0", false), (b"\x81\x02no", true)] {
        let (mut tunnel, mut client) = both(&rustls::version::TLS13);
        shake_hands(&mut tunnel, &mut client, usize::MAX);
        let (mut scratch, mut kernel) = (Scratch::default(), Kernel { room: 5, taken: Vec::new() });
        // A record ends behind the first byte of the second message.
        let (first, second) = ([b'x'; RECORD_BYTES - 1], b"\x81\x02hi");
        let pieces = [IoSlice::new(&first), IoSlice::new(second)];
        let mut write = |pieces: &[IoSlice<'_>], kernel: &mut Kernel| {
            tunnel.write(pieces, &mut scratch, |bytes| kernel.send(bytes))
        };
        assert_eq!(write(&pieces, &mut kernel).unwrap(), first.len());
        kernel.room = usize::MAX;
        let written = write(&[IoSlice::new(instead)], &mut kernel);
        assert_eq!(written.map_err(|error| error.kind()), fits.then_some(4).ok_or(io::ErrorKind::BrokenPipe));
        let heard = hear(&mut client, &kernel.taken);
        let (whole, begun) = heard.split_at(first.len());
        assert_eq!((whole, begun), (&first[..], if fits { &instead[..] } else { b"\x81" }));
    }
}

#[test]
fn what_counts_as_sent_is_told_so_that_the_rest_is_written_once() {
    let message: Vec<u8> = (0..50_000u32).map(|number| (number % 251) as u8).collect();
    for version in VERSIONS {
        // Where the kernel is full: at the border of a record, in the middle of one, and all the time.
        for room in [0, 1, 2, 16_406, 16_407, 20_000, 33_000] {
            let (mut tunnel, mut client) = both(version);
            shake_hands(&mut tunnel, &mut client, usize::MAX);
            let (mut scratch, mut kernel) = (Scratch::default(), Kernel { room, taken: Vec::new() });
            let (mut done, mut rounds) = (0, 0);
            while done < message.len() {
                rounds += 1;
                // In pieces, as an outbox has them.
                let (head, tail) = message[done..].split_at((message.len() - done) / 3);
                let pieces = [IoSlice::new(head), IoSlice::new(tail)];
                match tunnel.write(&pieces[usize::from(head.is_empty())..], &mut scratch, |b| kernel.send(b))
                {
                    Ok(count) => {
                        done += count;
                        assert!(done < message.len() || tunnel.outgoing.is_empty(), "the last byte tells");
                    }
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
                assert!(tunnel.outgoing.len() <= RECORD_BYTES + SEAL_BYTES, "one record is kept");
                kernel.room = room.max(1);
            }
            assert!(rounds > 1, "the kernel was full");
            assert_eq!(hear(&mut client, &kernel.taken), message, "{room}");
        }
    }
}

#[test]
fn many_small_pieces_are_few_records() {
    let (mut tunnel, mut client) = both(&rustls::version::TLS13);
    shake_hands(&mut tunnel, &mut client, usize::MAX);
    let (mut scratch, mut kernel) = (Scratch::default(), Kernel { room: usize::MAX, taken: Vec::new() });
    let small = [b's'; 300];
    let pieces = [IoSlice::new(&small); 64];
    let mut sends = 0;
    let count = tunnel.write(&pieces, &mut scratch, |bytes| {
        sends += 1;
        kernel.send(bytes)
    });
    assert_eq!((count.unwrap(), sends), (64 * 300, 2));
    assert_eq!(hear(&mut client, &kernel.taken), vec![b's'; 64 * 300]);
}

#[test]
fn an_end_that_is_meant_is_told() {
    for version in VERSIONS {
        let (mut tunnel, mut client) = both(version);
        shake_hands(&mut tunnel, &mut client, usize::MAX);
        tunnel.close();
        client.read_tls(&mut tunnel.outgoing.as_slice()).unwrap();
        assert!(client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn bytes_that_are_no_tls_are_an_error_and_an_alert_answers() {
    for bytes in [
        &b"\x16\x03\x01\x00\x05hello"[..],
        b"\x00\x00\x00\x00\x00\x00",
        &[0xff; 600],
        b"\x15\x03\x03\x00\x02\x02\x28",
    ] {
        let (mut tunnel, _) = both(&rustls::version::TLS13);
        assert!(tell(&mut tunnel, bytes, 1).is_err(), "{bytes:?}");
    }
    let (mut tunnel, _) = both(&rustls::version::TLS13);
    // A whole hello with nothing in it but half of its version.
    assert!(tell(&mut tunnel, b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", usize::MAX).is_err());
    assert_eq!(tunnel.outgoing[0], 21, "the type of an alert");
}

#[test]
fn a_hello_that_never_ends_is_not_kept_for_ever() {
    // A handshake message of 64 KB announced, in records of one byte.
    let (mut tunnel, _) = both(&rustls::version::TLS13);
    let hello = [1, 0, 0xff, 0xff].into_iter().chain(std::iter::repeat_n(0, 60_000));
    let mut kept = 0;
    let refused = hello.map(|byte| [22, 3, 1, 0, 1, byte]).find_map(|record| {
        let error = tell(&mut tunnel, &record, usize::MAX).err();
        kept = kept.max(tunnel.kept().len());
        error
    });
    assert!(refused.is_some() && kept <= KEPT_BYTES, "{kept}");
}

#[test]
fn keys_are_made_anew_when_the_client_asks_and_a_flood_of_that_is_refused() {
    let (mut tunnel, mut client) = both(&rustls::version::TLS13);
    shake_hands(&mut tunnel, &mut client, usize::MAX);
    let mut refused = false;
    for round in 0..1_000 {
        client.refresh_traffic_keys().unwrap();
        let bytes = spoken(&mut client);
        // It never reads.
        refused = tell(&mut tunnel, &bytes, usize::MAX).is_err();
        assert!(tunnel.outgoing.len() <= UNSENT_BYTES);
        if refused {
            assert!(round > 1, "some are allowed");
            break;
        }
    }
    assert!(refused);
}

#[test]
fn half_a_message_of_tls_is_in_nobodys_way() {
    use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
    let (mut tunnel, mut client) = both(&rustls::version::TLS13);
    shake_hands(&mut tunnel, &mut client, usize::MAX);
    let Some(SupportedCipherSuite::Tls13(suite)) = client.negotiated_cipher_suite() else { unreachable!() };
    let (sequence, secrets) = client.dangerous_extract_secrets().unwrap().tx;
    let (ConnectionTrafficSecrets::Aes128Gcm { key, iv } | ConnectionTrafficSecrets::Aes256Gcm { key, iv }) =
        secrets
    else {
        unreachable!()
    };
    let mut sealer = suite.aead_alg.encrypter(key, iv);
    let mut record = |number, typ, payload: &[u8]| {
        let payload = OutboundChunks::Single(payload);
        let message = OutboundPlainMessage { typ, version: ProtocolVersion::TLSv1_2, payload };
        sealer.encrypt(message, sequence + number).unwrap().encode()
    };
    // The first two bytes of a key update, whole in a record of their own; then half of the next record.
    let half = record(0, ContentType::Handshake, &[24, 0]);
    assert_eq!(tell(&mut tunnel, &half, usize::MAX).unwrap(), (Vec::new(), false));
    let rest = record(1, ContentType::Handshake, &[0, 1, 0]);
    assert_eq!(tell(&mut tunnel, &rest[..9], usize::MAX).unwrap(), (Vec::new(), false));
    assert!(!tunnel.kept().is_empty());
    let (mut scratch, mut kernel) = (Scratch::default(), Kernel { room: usize::MAX, taken: Vec::new() });
    let sent = tunnel.write(&[IoSlice::new(b"sent meanwhile")], &mut scratch, |bytes| kernel.send(bytes));
    assert_eq!(sent.unwrap(), 14);
    assert_eq!(tell(&mut tunnel, &rest[9..], usize::MAX).unwrap(), (Vec::new(), false));
    assert!(tunnel.kept().is_empty());
    tunnel.close();
}
