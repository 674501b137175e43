//! An eventfd by which any thread wakes a reactor, or a thread that waits for it in another way.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};

/// Made before the reactors get descriptor tables of their own and kept open in all of them, so that
/// its number means the same thing everywhere. (mio's own waker does not tell its number.)
#[derive(Debug)]
pub struct Wakeup(File);

impl Wakeup {
    /// A new eventfd, non-blocking.
    pub fn new() -> io::Result<Wakeup> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just gave us this descriptor; nobody else owns it.
        Ok(Wakeup(unsafe { File::from_raw_fd(fd) }))
    }

    /// Makes the eventfd readable once more. It is registered edge-triggered and never read: each write is
    /// an event, and the counter does not overflow in centuries.
    pub fn wake(&self) -> io::Result<()> {
        (&self.0).write_all(&1u64.to_ne_bytes())
    }

    /// Its number, the same in every table that kept it.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
