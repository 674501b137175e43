//! An eventfd by which any thread wakes a reactor, or a thread that runs tokio.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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

/// A wake-up as a thread with tokio awaits it. tokio's own ways to wake such a thread write to a number that means
/// something else in a reactor's table.
#[derive(Debug)]
pub struct Bell(AsyncFd<Kept>);

/// A wake-up that is kept open for as long as it is registered.
#[derive(Debug)]
struct Kept(Arc<Wakeup>);

impl AsRawFd for Kept {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd()
    }
}

impl Bell {
    /// Within a runtime, and in the table in which that runtime works.
    ///
    /// # Errors
    /// What epoll says.
    pub fn new(wakeup: Arc<Wakeup>) -> io::Result<Bell> {
        // SAFETY: the file stays open, under the one number that it has, for as long as its owner is in the registration.
        let registered = unsafe { AsyncFd::register_with_interest(Kept(wakeup), Interest::READABLE) };
        Ok(Bell(registered?))
    }

    /// Whether it rang since it was asked the last time.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.poll_read_ready(cx) {
            Poll::Ready(Ok(mut rung)) => {
                rung.clear_ready();
                Poll::Ready(())
            }
            // An error says that the runtime ends.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{close_all_but, own_descriptor_table};
    use std::future::poll_fn;

    #[test]
    fn a_thread_with_another_table_rings_and_touches_nothing_else() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let wakeup = Arc::new(Wakeup::new().unwrap());
        let bell = {
            let _runtime = runtime.enter();
            Bell::new(wakeup.clone()).unwrap()
        };
        for _ in 0..3 {
            let wakeup = wakeup.clone();
            let thread = std::thread::spawn(move || {
                own_descriptor_table().unwrap();
                // With everything else closed, any other number would be an error here.
                close_all_but(&[0, 1, 2, wakeup.fd()]).unwrap();
                wakeup.wake().unwrap();
            });
            runtime.block_on(poll_fn(|cx| bell.poll(cx)));
            thread.join().unwrap();
        }
    }
}
