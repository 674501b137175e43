//! What the kernel knows of a connection: times of its round trips, and what the peer has not acknowledged. tcp(7).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What TCP has measured on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFacts {
    /// The smoothed time of a round trip.
    pub rtt: Duration,
    /// How much it varies.
    pub rtt_var: Duration,
    /// Since the last acknowledgement of the peer.
    pub last_ack: Duration,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
}

/// Asks for the facts of a TCP connection; nothing if it is none.
pub fn tcp_facts(fd: BorrowedFd<'_>) -> Option<TcpFacts> {
    // SAFETY: it is a struct of integers, for which all zeros is a value. Fields that an old kernel does not know stay so.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    let mut len = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes, which is how long the struct is, and then how many those were.
    let result = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut len,
        )
    };
    (result == 0).then(|| TcpFacts {
        rtt: Duration::from_micros(info.tcpi_rtt.into()),
        rtt_var: Duration::from_micros(info.tcpi_rttvar.into()),
        last_ack: Duration::from_millis(info.tcpi_last_ack_recv.into()),
        retransmits: info.tcpi_total_retrans,
    })
}

/// Bytes in the kernel that the peer has not acknowledged, of TCP, or not read, of a unix socket (there with the kernel's
/// own part of each block). Nothing where it does not tell.
pub fn unacknowledged_bytes(fd: BorrowedFd<'_>) -> Option<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ, as TIOCOUTQ is called for sockets, writes one int.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { u64::try_from(bytes).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_connection_that_is_not_read_shows_what_it_holds() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (theirs, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged_bytes(ours.as_fd()), Some(0));
        ours.set_nonblocking(true).unwrap();
        while ours.write(&[0; 65_536]).is_ok() {}
        assert!(unacknowledged_bytes(ours.as_fd()).unwrap() > 0);
        let facts = tcp_facts(ours.as_fd()).unwrap();
        assert!(facts.rtt > Duration::ZERO && facts.rtt < Duration::from_secs(10), "{facts:?}");
        drop(theirs);
    }

    #[test]
    fn what_is_no_connection_of_tcp_has_no_facts() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(tcp_facts(ours.as_fd()), None);
        assert_eq!(unacknowledged_bytes(ours.as_fd()), Some(0));
        let file = std::fs::File::open("/proc/self/status").unwrap();
        assert_eq!((tcp_facts(file.as_fd()), unacknowledged_bytes(file.as_fd())), (None, None));
    }
}
