//! How a thread that runs tokio awaits a wake-up.

use super::Wakeup;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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
