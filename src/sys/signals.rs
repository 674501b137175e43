//! Signals stay with the threads that expect them.

use std::mem::MaybeUninit;

/// Runs `f` with all signals blocked in this thread, which the threads that `f` starts inherit.
///
/// A handler writes to a pipe by its number; in a thread with another descriptor table that number is
/// somebody's connection.
pub fn with_signals_blocked<T>(f: impl FnOnce() -> T) -> T {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both sets are valid for writes, and `all` is initialized before it is read.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let result = f();
    // SAFETY: the first call stored the former mask in `before`.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    result
}
