//! The header with which a load balancer says for whom it connected: the PROXY protocol, versions 1 and 2.
//!
//! Owns the header. Leaves who may send one to [`crate::base::proxies`]. What version 2 carries besides addresses is
//! skipped.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is taken, in bytes: version 2 could announce 64 KiB, of which addresses are at most 216.
pub const HEADER_BYTES: usize = 4 << 10;

/// The longest header of version 1, its line end included (section 2.1).
const LINE_BYTES: usize = 107;
const LINE_START: &[u8] = b"PROXY ";
/// With what version 2 begins (section 2.2).
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The part of version 2 that is always there.
const FIXED_BYTES: usize = 16;

/// For whom a balancer connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For itself, or for somebody who has no IP address.
    Own,
    /// For whoever is there.
    Client(SocketAddr),
}

/// Bytes that are not, and will not become, a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadProxyHeader(&'static str);

impl fmt::Display for BadProxyHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for BadProxyHeader {}

/// Looks for a header at the beginning of a connection; nothing if more bytes are needed. With what it says comes how many
/// bytes it has.
///
/// # Errors
/// There is no header, or one that breaks the rules.
pub fn read(bytes: &[u8]) -> Result<Option<(Source, usize)>, BadProxyHeader> {
    if begins(bytes, SIGNATURE) {
        read_binary(bytes)
    } else if begins(bytes, LINE_START) {
        read_line(bytes)
    } else {
        Err(BadProxyHeader("no PROXY header"))
    }
}

/// Whether these bytes, or what they may become, begin with that.
fn begins(bytes: &[u8], with: &[u8]) -> bool {
    let both = bytes.len().min(with.len());
    bytes[..both] == with[..both]
}

fn read_line(bytes: &[u8]) -> Result<Option<(Source, usize)>, BadProxyHeader> {
    let line = &bytes[..bytes.len().min(LINE_BYTES)];
    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
        return if line.len() < LINE_BYTES { Ok(None) } else { Err(BadProxyHeader("no end of line")) };
    };
    let text = std::str::from_utf8(&line[..end]).ok().and_then(|text| text.strip_suffix('\r'));
    let text = text.ok_or(BadProxyHeader("not a line of text"))?;
    let mut fields = text.split(' ').skip(1);
    let mut next = || fields.next().unwrap_or_default();
    let source = match next() {
        "UNKNOWN" => return Ok(Some((Source::Own, end + 1))),
        "TCP4" => addresses::<Ipv4Addr>(next),
        "TCP6" => addresses::<Ipv6Addr>(next),
        _ => None,
    };
    match source {
        Some(client) if fields.next().is_none() => Ok(Some((Source::Client(client), end + 1))),
        _ => Err(BadProxyHeader("not two addresses and two ports")),
    }
}

/// The source of both addresses and both ports.
fn addresses<'a, A>(mut next: impl FnMut() -> &'a str) -> Option<SocketAddr>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let source: A = next().parse().ok()?;
    let _destination: A = next().parse().ok()?;
    let port = port(next())?;
    self::port(next())?;
    Some(SocketAddr::new(source.into(), port))
}

fn port(text: &str) -> Option<u16> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn read_binary(bytes: &[u8]) -> Result<Option<(Source, usize)>, BadProxyHeader> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED_BYTES>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if FIXED_BYTES + length > HEADER_BYTES {
        return Err(BadProxyHeader("too long"));
    }
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadProxyHeader("neither of version 2 nor a known command")),
    };
    let Some(rest) = rest.get(..length) else { return Ok(None) };
    let source = match family {
        // What a health check says of itself does not matter, nor what is on a unix socket.
        _ if is_local => Some(Source::Own),
        0x00 | 0x31 => Some(Source::Own),
        0x11 => client::<4>(rest),
        0x21 => client::<16>(rest),
        _ => return Err(BadProxyHeader("not a stream")),
    };
    match source {
        Some(source) => Ok(Some((source, FIXED_BYTES + length))),
        None => Err(BadProxyHeader("too short for its addresses")),
    }
}

/// The source of two addresses of so many bytes and two ports.
fn client<const N: usize>(bytes: &[u8]) -> Option<Source>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = bytes.split_first_chunk::<N>()?;
    let (_destination, rest) = rest.split_first_chunk::<N>()?;
    let [high, low, _, _] = *rest.first_chunk::<4>()?;
    Some(Source::Client(SocketAddr::new(IpAddr::from(*source), u16::from_be_bytes([high, low]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of version 2.
    fn binary(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([command, family]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn client_of(text: &str) -> Source {
        Source::Client(text.parse().unwrap())
    }

    fn good() -> Vec<(Vec<u8>, Source)> {
        let line = |text: &str| text.as_bytes().to_vec();
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x1f, 0x90, 1, 0xbb];
        let mut v6 = [0; 36];
        v6[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        v6[15] = 9;
        v6[32..34].copy_from_slice(&[0xff, 0xff]);
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(LINE_BYTES - 16));
        assert_eq!(longest.len(), LINE_BYTES);
        vec![
            (line("PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\r\n"), client_of("192.0.2.7:8080")),
            (line("PROXY TCP6 2001:db8::9 ::1 65535 0\r\n"), client_of("[2001:db8::9]:65535")),
            (line("PROXY UNKNOWN\r\n"), Source::Own),
            (longest.into_bytes(), Source::Own),
            (binary(0x21, 0x11, &v4), client_of("192.0.2.7:8080")),
            (binary(0x21, 0x21, &v6), client_of("[2001:db8::9]:65535")),
            // With more behind the addresses: here, an application's own type of three bytes.
            (binary(0x21, 0x11, &[&v4[..], &[0xe0, 0, 3, 1, 2, 3]].concat()), client_of("192.0.2.7:8080")),
            (binary(0x20, 0x00, &[]), Source::Own),
            (binary(0x20, 0x11, &v4), Source::Own),
            (binary(0x21, 0x00, &[]), Source::Own),
            (binary(0x21, 0x31, &[1; 216]), Source::Own),
            (binary(0x21, 0x00, &[0; HEADER_BYTES - FIXED_BYTES]), Source::Own),
        ]
    }

    #[test]
    fn headers_are_read_however_much_has_arrived() {
        for (header, source) in good() {
            for end in 0..header.len() {
                assert_eq!(read(&header[..end]), Ok(None), "{end} of {header:?}");
            }
            let with_more = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(read(&with_more), Ok(Some((source, header.len()))), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_known_as_soon_as_it_can_be() {
        for text in ["G", "PROXy", "proxy TCP4", "PROXY\t", "\r\n\r\n\0\r\nQUIT\r", "\u{16}\u{3}\u{1}"] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        for line in [
            "PROXY TCP4 192.0.2.7 10.0.0.1 8080\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443 1\r\n",
            "PROXY TCP4  192.0.2.7 10.0.0.1 8080 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443 \r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 8080 443\n",
            "PROXY TCP4 192.0.2.256 10.0.0.1 8080 443\r\n",
            "PROXY TCP4 ::1 ::1 8080 443\r\n",
            "PROXY TCP6 192.0.2.7 10.0.0.1 8080 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 +80 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 080 443\r\n",
            "PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n",
            "PROXY UDP4 192.0.2.7 10.0.0.1 8080 443\r\n",
            "PROXY \r\n",
        ] {
            assert!(read(line.as_bytes()).is_err(), "{line:?}");
        }
        assert!(read(format!("PROXY UNKNOWN {}\r\n", "f".repeat(LINE_BYTES - 15)).as_bytes()).is_err());
        assert!(read(&binary(0x11, 0x11, &[0; 12])).is_err(), "a version that is not");
        assert!(read(&binary(0x22, 0x11, &[0; 12])).is_err(), "a command that is not");
        assert!(read(&binary(0x21, 0x12, &[0; 12])).is_err(), "datagrams");
        assert!(read(&binary(0x21, 0x41, &[0; 12])).is_err(), "a family that is not");
        assert!(read(&binary(0x21, 0x11, &[0; 11])).is_err(), "half an address");
        assert!(read(&binary(0x21, 0x21, &[0; 35])).is_err(), "half an address");
        assert!(read(&binary(0x21, 0x00, &[0; HEADER_BYTES - FIXED_BYTES + 1])).is_err(), "too long");
    }
}
