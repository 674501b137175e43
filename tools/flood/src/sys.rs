//! The system calls that the standard library does not offer.
//!
//! Owns the only `unsafe` of the tool. `RLIMIT_NOFILE` counts per descriptor table, so each flood
//! thread parts from the process's table and then owns as many connections as the limit allows;
//! and a source address has only some 28,000 ports, so connections are bound to many of them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Descriptors of a table that are not connections: standard streams, pollers, wakers, `/proc`.
const RESERVED_DESCRIPTORS: u64 = 120;

/// Gives the calling thread a descriptor table of its own (a copy of the present one).
pub(crate) fn own_descriptor_table() -> io::Result<()> {
    // SAFETY: unshare takes no pointers; CLONE_FILES only replaces this thread's descriptor table by
    // a copy, in which every descriptor that Rust owns in this thread keeps its number and its file.
    let answer = unsafe { libc::unshare(libc::CLONE_FILES) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets the kernel pick the port at connect, when the destination is known: ports of one source may
/// then be shared by different destinations, and bind need not search for a free one.
fn pick_port_at_connect(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for the whole call, and the option's value is a c_int on the
    // stack whose size is passed along; the kernel only reads it.
    let answer = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Starts a non-blocking connect from `source` (where given) to `target`.
pub(crate) fn connect_from(source: Option<IpAddr>, target: SocketAddr) -> io::Result<std::net::TcpStream> {
    let family = if target.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = source {
        pick_port_at_connect(&socket)?;
        bind(&socket, &SocketAddr::new(source, 0))?;
    }
    match connect(&socket, &target) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

/// Raises the soft limit of descriptors to the hard one; returns how many connections fit in a table.
pub fn connections_per_table() -> u32 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let soft = limit.current;
        limit.current = limit.maximum;
        if setrlimit(Resource::Nofile, limit).is_err() {
            limit.current = soft;
        }
    }
    let descriptors = limit.current.unwrap_or(1 << 20).saturating_sub(RESERVED_DESCRIPTORS);
    u32::try_from(descriptors.max(1)).unwrap_or(u32::MAX)
}

/// Binds the calling thread, and what it starts from now on, to one processor.
pub(crate) fn pin_to(cpu: usize) -> io::Result<()> {
    allow(cpu..cpu + 1)
}

/// Lets the calling thread, and what it starts from now on, use the first `count` processors.
pub(crate) fn pin_to_all(count: usize) -> io::Result<()> {
    allow(0..count)
}

fn allow(cpus: std::ops::Range<usize>) -> io::Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus.take_while(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}
