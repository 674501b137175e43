//! What the kernel keeps for a socket.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What SO_MEMINFO tells, by its place: see `sk_get_meminfo` in the kernel.
const READ_ALLOC: usize = 0;
const WRITE_ALLOC: usize = 2;
const FORWARD_ALLOC: usize = 4;
const WRITE_QUEUED: usize = 5;
const BACKLOG: usize = 7;
const FIELDS: usize = 9;

/// Bytes that the kernel has charged to a socket for what waits to be read or sent, its own overhead included.
///
/// # Errors
/// What getsockopt(2) says.
pub fn charged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut fields = [0u32; FIELDS];
    let mut length = size_of_val(&fields) as libc::socklen_t;
    // SAFETY: the buffer is valid for writes of `length` bytes, and both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            fields.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // What was sent over a unix socket is allocated and not queued; of TCP the queue is the larger of the two.
    let sent = fields[WRITE_QUEUED].max(fields[WRITE_ALLOC]);
    Ok([fields[READ_ALLOC], fields[FORWARD_ALLOC], fields[BACKLOG], sent].map(u64::from).iter().sum())
}

/// Bytes that wait because the other side does not take them; nothing if that is not known, as of unix sockets.
pub fn unsent_bytes(socket: BorrowedFd<'_>) -> Option<u64> {
    /// `SIOCOUTQNSD` of linux/sockios.h.
    const UNSENT: libc::Ioctl = 0x894b;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the call writes one int, to which the pointer is valid.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), UNSENT, &raw mut bytes) };
    if result < 0 { None } else { u64::try_from(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    /// Writes until the kernel takes no more; how much it took.
    fn fill(mut stream: impl Write) -> u64 {
        let mut total = 0;
        loop {
            match stream.write(&[0; 4096]) {
                Ok(count) => total += count as u64,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    return total;
                }
            }
        }
    }

    #[test]
    fn what_nobody_reads_is_charged_until_somebody_does() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let idle = charged_bytes(near.as_fd()).unwrap();
        assert_eq!(unsent_bytes(near.as_fd()), Some(0));
        let written = fill(&near);
        let unsent = unsent_bytes(near.as_fd()).unwrap();
        let (here, there) = (charged_bytes(near.as_fd()).unwrap(), charged_bytes(far.as_fd()).unwrap());
        assert!(idle < 16_384 && unsent > 0 && here >= unsent, "{idle} {unsent} {here}");
        assert!(here + there >= written, "{here} and {there} for {written} bytes");
        let mut left = vec![0; written as usize];
        far.read_exact(&mut left).unwrap();
        assert_eq!(unsent_bytes(near.as_fd()), Some(0));
    }

    #[test]
    fn of_a_unix_socket_too() {
        let (near, _far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        assert_eq!(charged_bytes(near.as_fd()).unwrap(), 0);
        let written = fill(&near);
        assert!(charged_bytes(near.as_fd()).unwrap() >= written);
    }
}
