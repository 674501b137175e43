//! The allocator's manners, and what the process weighs.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Keeps large blocks apart from small ones, always: such a block goes back to the kernel when it is freed.
///
/// glibc raises that threshold each time a large block is freed, after which grown tables would stay in
/// the heap and leave holes. Setting it, even to its default, ends that.
pub fn steady_allocator() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the allocator and is thread-safe.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        // What the end of a thread's heap may keep; malloc_trim returns only what lies before it.
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 10);
        libc::mallopt(libc::M_TOP_PAD, 16 << 10);
    }
}

/// Reads the program's own code into memory now, so that no connection waits for a page of it later.
///
/// What the process weighs then changes with its connections only. Does nothing where the kernel cannot
/// (before Linux 5.14).
pub fn warm_up_code() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let Ok(program) = std::env::current_exe() else { return };
    let Some(program) = program.to_str() else { return };
    for line in maps.lines().filter(|line| line.ends_with(program)) {
        let Some((range, rest)) = line.split_once(' ') else { continue };
        let Some((start, end)) = range.split_once('-') else { continue };
        let number = |text| usize::from_str_radix(text, 16);
        if let (true, Ok(start), Ok(end)) = (rest.starts_with("r-"), number(start), number(end)) {
            // SAFETY: populating a readable mapping reads its file and changes no byte of it; the range
            // came from the kernel, and the program's own mappings are never unmapped.
            unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_POPULATE_READ) };
        }
    }
}

/// Hands every free page of the heap back to the kernel. It walks the whole heap under its locks: call it when many
/// things were freed, not often.
pub fn return_free_memory() {
    for _ in 0..4 {
        flush_thread_cache();
    }
    // The end of this thread's heap is looked at only when a block of at least 64 KiB is freed there.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(100 << 10)));
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim is thread-safe and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Frees what glibc keeps for the next small allocations of this thread: a few blocks of each size, strewn over the
/// heap, each of which holds a page back.
///
/// There is no call for it, but a thread that ends frees its cache. So all cached blocks are taken (a cache
/// has seven of a size, and allocations come from it first) and dropped by a thread that ends at once.
fn flush_thread_cache() {
    // Twice seven: taking one from the heap makes it cache seven more of its size. What is freed then grows
    // together, so that a few rounds leave almost none.
    const BLOCKS_OF_A_SIZE: usize = 14;
    let sizes = (0..64).map(|class| 24 + class * 16);
    let blocks: Vec<Vec<u8>> =
        sizes.flat_map(|size| (0..BLOCKS_OF_A_SIZE).map(move |_| Vec::with_capacity(size))).collect();
    let dropper = std::thread::Builder::new().stack_size(32 << 10).spawn(move || drop(blocks));
    // If no thread can be had now, less is given back: the blocks were dropped here.
    if let Ok(dropper) = dropper {
        let _ = dropper.join();
    }
}

/// What is resident of this process: a file that stays open, so that a thread without a free descriptor can still ask.
#[derive(Debug)]
pub struct Resident {
    statm: File,
    page_bytes: u64,
}

impl Resident {
    /// Opens it in the table of the calling thread.
    ///
    /// # Errors
    /// There is no `/proc`, or no descriptor.
    pub fn open() -> io::Result<Resident> {
        // SAFETY: the call takes no pointers.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let statm = File::open("/proc/self/statm")?;
        Ok(Resident { statm, page_bytes: u64::try_from(page).unwrap_or(4_096) })
    }

    /// In bytes, shared pages included; nothing if the kernel does not tell.
    pub fn bytes(&self) -> Option<u64> {
        let mut buffer = [0; 128];
        let length = self.statm.read_at(&mut buffer, 0).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).ok()?;
        let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
        Some(pages * self.page_bytes)
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
    use super::*;

    #[test]
    fn a_process_weighs_something() {
        assert!(proportional_bytes().unwrap() > 100_000);
    }

    #[test]
    fn what_is_touched_is_resident() {
        let resident = Resident::open().unwrap();
        let before = resident.bytes().unwrap();
        let block = vec![1u8; 64 << 20];
        assert!(resident.bytes().unwrap() >= before + (60 << 20));
        drop(block);
        assert!(resident.bytes().unwrap() < before + (32 << 20));
    }
}
