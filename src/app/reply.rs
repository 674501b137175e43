//! What a callback is given, for a thread that waits for it or a task that awaits it.

use super::context::Context;
use super::handle::is_reactor_thread;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "async")]
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// A callback for anything that tells its outcome on a reactor, and the place where that arrives.
///
/// ```no_run
/// # fn f(handle: &fanfare::Handle) -> Result<(), Box<dyn std::error::Error>> {
/// let (done, reply) = fanfare::reply();
/// handle.namespace("/").to("room").emit_with_report("news", "hello", done)?;
/// println!("{} sockets get it", reply.wait()?.delivered());
/// # Ok(())
/// # }
/// ```
pub fn reply<T: Send + 'static>() -> (impl FnOnce(&mut Context<'_>, T) + Send + 'static, Reply<T>) {
    let place = Arc::new(Place { state: Mutex::new(State::Open), changed: Condvar::new() });
    let promise = Promise(place.clone());
    (move |_: &mut Context<'_>, value: T| promise.keep(value), Reply(place))
}

/// What a callback of [`reply`] will be given. It is also a future, without any runtime, with the feature `async`.
#[must_use = "nobody waits for it"]
pub struct Reply<T>(Arc<Place<T>>);

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

/// Nothing comes: the callback was dropped without having been called, because the server has ended or the event was
/// never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there will be no reply: the server has ended")
    }
}

impl std::error::Error for Gone {}

struct Place<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    Open,
    /// A task is to be woken.
    #[cfg(feature = "async")]
    Awaited(Waker),
    Here(T),
    /// It was taken, or nothing comes.
    Gone,
}

impl<T> Place<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing can panic while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, settled: State<T>) {
        let before = std::mem::replace(&mut *self.lock(), settled);
        self.changed.notify_all();
        #[cfg(feature = "async")]
        if let State::Awaited(waker) = before {
            waker.wake();
        }
        #[cfg(not(feature = "async"))]
        drop(before);
    }
}

/// The duty to settle it.
struct Promise<T>(Arc<Place<T>>);

impl<T> Promise<T> {
    fn keep(self, value: T) {
        self.0.settle(State::Here(value));
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        if !matches!(*self.0.lock(), State::Here(_) | State::Gone) {
            self.0.settle(State::Gone);
        }
    }
}

/// What there is, taken; nothing if it is still to come.
fn take<T>(state: &mut State<T>) -> Option<Result<T, Gone>> {
    match std::mem::replace(state, State::Gone) {
        State::Here(value) => Some(Ok(value)),
        State::Gone => Some(Err(Gone)),
        open => {
            *state = open;
            None
        }
    }
}

impl<T> Reply<T> {
    /// Waits for it.
    ///
    /// # Errors
    /// Nothing comes.
    ///
    /// # Panics
    /// On a reactor's thread, that is in a handler, which would wait for itself: there, what is to be done goes into the
    /// callback.
    pub fn wait(self) -> Result<T, Gone> {
        must_not_be_reactor();
        let mut state = self.0.lock();
        loop {
            if let Some(result) = take(&mut state) {
                return result;
            }
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for it for so long at most; `None` if it has not come by then.
    ///
    /// # Errors
    /// Nothing comes, or it was taken before.
    ///
    /// # Panics
    /// As [`Reply::wait`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<T>, Gone> {
        must_not_be_reactor();
        let begun = Instant::now();
        let mut state = self.0.lock();
        loop {
            if let Some(result) = take(&mut state) {
                return result.map(Some);
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            (state, _) = self.0.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn must_not_be_reactor() {
    assert!(!is_reactor_thread(), "a handler must not wait for a reply: it would wait for itself");
}

/// It may be awaited on any thread: a reactor wakes the task and does nothing else.
#[cfg(feature = "async")]
impl<T> Future for Reply<T> {
    type Output = Result<T, Gone>;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Result<T, Gone>> {
        let mut state = self.0.lock();
        match take(&mut state) {
            Some(result) => Poll::Ready(result),
            None => {
                *state = State::Awaited(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair<T>() -> (Promise<T>, Reply<T>) {
        let place = Arc::new(Place { state: Mutex::new(State::Open), changed: Condvar::new() });
        (Promise(place.clone()), Reply(place))
    }

    #[test]
    fn a_thread_gets_what_another_one_gives() {
        let (promise, reply) = pair();
        assert_eq!(reply.wait_timeout(Duration::ZERO), Ok(None));
        let giver = std::thread::spawn(move || promise.keep(7));
        assert_eq!(reply.wait(), Ok(7));
        giver.join().unwrap();
        let (promise, reply) = pair();
        promise.keep(8);
        assert_eq!(reply.wait_timeout(Duration::ZERO), Ok(Some(8)));
        assert_eq!(reply.wait_timeout(Duration::from_secs(100)), Err(Gone));
    }

    #[test]
    fn a_callback_that_is_dropped_says_so() {
        let (promise, reply) = pair::<u8>();
        let dropper = std::thread::spawn(move || drop(promise));
        assert_eq!(reply.wait(), Err(Gone));
        dropper.join().unwrap();
        let (done, reply) = reply_of_u8();
        drop(done);
        assert_eq!(reply.wait_timeout(Duration::from_secs(100)), Err(Gone));
    }

    fn reply_of_u8() -> (impl FnOnce(&mut Context<'_>, u8), Reply<u8>) {
        super::reply()
    }

    #[cfg(feature = "async")]
    #[test]
    fn a_task_is_woken_once_it_is_there() {
        use std::pin::pin;
        use std::sync::atomic::{AtomicUsize, Ordering};

        #[derive(Default)]
        struct Woken(AtomicUsize);

        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }

        for kept in [true, false] {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            let mut cx = std::task::Context::from_waker(&waker);
            let (promise, reply) = pair();
            let mut future = pin!(reply);
            for _ in 0..2 {
                assert_eq!(future.as_mut().poll(&mut cx), Poll::Pending);
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), 0);
            if kept {
                promise.keep(7)
            } else {
                drop(promise)
            }
            assert_eq!(woken.0.load(Ordering::Relaxed), 1);
            let expected = if kept { Ok(7) } else { Err(Gone) };
            assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(expected));
            assert_eq!(future.as_mut().poll(&mut cx), Poll::Ready(Err(Gone)));
        }
    }
}
