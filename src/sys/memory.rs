//! The allocator's manners, and what the process weighs.

/// Keeps large blocks apart from small ones, always: such a block goes back to the kernel when it is freed.
///
/// glibc raises that threshold each time a large block is freed, after which grown tables would stay in
/// the heap and leave holes. Setting it, even to its default, ends that.
pub fn steady_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the allocator and is thread-safe.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 256 << 10);
    }
}

/// Hands every free page of the heap back to the kernel. It walks the whole heap under its locks: call it when many
/// things were freed, not often.
pub fn return_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim is thread-safe and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The proportional set size of this process in bytes, or `None` where `/proc` does not tell.
pub fn proportional_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_process_weighs_something() {
        assert!(super::proportional_bytes().unwrap() > 100_000);
    }
}
