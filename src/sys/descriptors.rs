//! Descriptor tables: one a reactor, so that `RLIMIT_NOFILE` counts a reactor and no lock is shared.

use std::io;
use std::os::fd::RawFd;

/// Gives the calling thread a descriptor table of its own, a copy of the one it shared so far.
///
/// # Errors
/// What `unshare(2)` says; it needs no privilege.
pub fn own_descriptor_table() -> io::Result<()> {
    // SAFETY: CLONE_FILES affects only which table this thread's descriptor numbers refer to. Every
    // descriptor that the thread uses later is either in the copy or opened after this call.
    check(unsafe { libc::unshare(libc::CLONE_FILES) })
}

/// Closes every descriptor of the calling thread's table but those given.
///
/// For a thread that just got a table of its own: the owners of the closed numbers live in other threads, and
/// their tables keep them.
pub fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut keep: Vec<u32> = keep.iter().filter_map(|fd| u32::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    keep.dedup();
    let mut first = 0u32;
    for fd in keep.into_iter().chain([u32::MAX]) {
        if fd > first {
            // SAFETY: the table is the calling thread's own (the contract of this function), so no owner
            // of one of these numbers can use it from here.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, fd - 1, 0) as i32 })?;
        }
        first = fd.saturating_add(1);
    }
    Ok(())
}

/// Closes one descriptor that another thread's table owns a copy of.
pub fn close_one(fd: RawFd) {
    // SAFETY: the caller's table holds a leftover copy of a descriptor whose owner moved to another
    // table; nothing in this table refers to the number.
    unsafe { libc::close(fd) };
}

/// How many descriptors a table may hold now.
pub fn descriptor_limit() -> io::Result<u64> {
    Ok(limits()?.rlim_cur)
}

/// Raises the soft limit of descriptors to the hard one and returns it.
///
/// # Errors
/// What `getrlimit(2)` or `setrlimit(2)` says.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = limits()?;
    if limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the struct is initialized and lives through the call.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) })?;
    }
    Ok(limit.rlim_cur)
}

fn limits() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is valid for the write of one struct.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) })?;
    Ok(limit)
}

fn check(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_table_of_its_own_leaves_the_other_alone() {
        let file = File::open("/dev/null").unwrap();
        let kept = File::open("/dev/null").unwrap();
        let (fd, kept_fd) = (file.as_raw_fd(), kept.as_raw_fd());
        let is_open = |fd: RawFd| std::fs::read_link(format!("/proc/thread-self/fd/{fd}")).is_ok();
        std::thread::spawn(move || {
            own_descriptor_table().unwrap();
            // Reading /proc needs a descriptor itself, so what is kept is asked before and after.
            assert!(is_open(fd) && is_open(kept_fd));
            close_all_but(&[0, 1, 2, kept_fd]).unwrap();
            assert!(!is_open(fd));
            assert!(is_open(kept_fd));
        })
        .join()
        .unwrap();
        assert!(file.metadata().is_ok());
        assert!(is_open(fd));
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let raised = raise_descriptor_limit().unwrap();
        assert_eq!(descriptor_limit().unwrap(), raised);
        assert_eq!(limits().unwrap().rlim_max, raised);
    }
}
