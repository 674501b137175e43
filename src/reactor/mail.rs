//! What one reactor hands to another: a lock-free queue with at most one wake-up a burst.

use crate::sys::Wakeup;
use crossbeam_queue::SegQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Mails that may wait for one reactor. One that is this far behind loses mail, and that is counted, rather
/// than memory.
pub const MAILBOX_MAILS: usize = 65_536;

/// Bytes of mail that may wait for one reactor.
pub const MAILBOX_BYTES: usize = 256 << 20;

/// Mails, and bytes of mail, from which on whoever posts because of one client should first let the reader catch up:
/// about what it takes in a turn or two.
const CROWDED_MAILS: usize = 2_048;
const CROWDED_BYTES: usize = 32 << 20;

/// The mailbox of one reactor; anybody may post.
#[derive(Debug)]
pub struct Mailbox<M> {
    queue: SegQueue<(M, usize)>,
    bytes: AtomicUsize,
    /// A wake-up is under way and will see whatever was posted before it is taken back.
    signalled: AtomicBool,
    waker: Arc<Wakeup>,
    /// Nobody reads any more.
    closed: AtomicBool,
}

impl<M> Mailbox<M> {
    /// A mailbox whose reader is woken by `waker`.
    pub fn new(waker: Arc<Wakeup>) -> Mailbox<M> {
        Mailbox {
            queue: SegQueue::new(),
            bytes: AtomicUsize::new(0),
            signalled: AtomicBool::new(false),
            waker,
            closed: AtomicBool::new(false),
        }
    }

    /// Posts a mail of about so many bytes. Mails of one sender arrive in the order in which it posted them.
    ///
    /// # Errors
    /// Gives the mail back if the mailbox is full.
    pub fn post(&self, mail: M, bytes: usize) -> Result<(), M> {
        if self.queue.len() >= MAILBOX_MAILS || self.bytes.load(Ordering::Relaxed) > MAILBOX_BYTES {
            return Err(mail);
        }
        self.post_anyway(mail, bytes);
        Ok(())
    }

    /// Posts a mail that may not be lost: answers, evictions, the word to stop. They are as many as what
    /// caused them, and small.
    pub fn post_anyway(&self, mail: M, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.queue.push((mail, bytes));
        // SeqCst on both sides: either the reader sees the mail, or this sees that it needs a wake-up.
        if !self.signalled.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            log::error!("cannot wake a reactor: {error}");
        }
        // Either this sees that it was closed, or closing sees the mail.
        if self.closed.load(Ordering::SeqCst) {
            self.empty();
        }
    }

    /// Nobody will read: what waits, and whatever is posted from now on, is dropped.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.empty();
    }

    fn empty(&self) {
        while self.take().is_some() {}
    }

    /// The reader is awake: whatever is posted from now on wakes it again.
    pub fn begin_reading(&self) {
        self.signalled.store(false, Ordering::SeqCst);
    }

    /// The next mail.
    pub fn take(&self) -> Option<M> {
        let (mail, bytes) = self.queue.pop()?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Some(mail)
    }

    /// Whether so much waits that the rest of what one client wants to post should wait elsewhere: what it would post
    /// until the mailbox is full would be lost, and with it what all others post then.
    pub fn is_crowded(&self) -> bool {
        self.queue.len() >= CROWDED_MAILS || self.bytes.load(Ordering::Relaxed) > CROWDED_BYTES
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wakeup(poll: &mio::Poll) -> Arc<Wakeup> {
        let wakeup = Wakeup::new().unwrap();
        let fd = wakeup.fd();
        let mut source = mio::unix::SourceFd(&fd);
        poll.registry().register(&mut source, mio::Token(0), mio::Interest::READABLE).unwrap();
        Arc::new(wakeup)
    }

    #[test]
    fn a_burst_wakes_once_and_nothing_is_lost() {
        let mut poll = mio::Poll::new().unwrap();
        let mailbox = Arc::new(Mailbox::new(wakeup(&poll)));
        let writers: Vec<_> = (0..3u64)
            .map(|writer| {
                let mailbox = mailbox.clone();
                std::thread::spawn(move || {
                    for number in 0..5_000 {
                        while mailbox.post((writer, number), 1).is_err() {
                            std::thread::yield_now();
                        }
                    }
                })
            })
            .collect();
        let mut seen = [0u64; 3];
        let mut events = mio::Events::with_capacity(8);
        while seen.iter().sum::<u64>() < 15_000 {
            poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
            assert!(!events.is_empty(), "a mail without a wake-up: {seen:?}");
            mailbox.begin_reading();
            while let Some((writer, number)) = mailbox.take() {
                assert_eq!(seen[writer as usize], number, "out of order");
                seen[writer as usize] += 1;
            }
        }
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        // Nobody waits: five posts are one wake-up.
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        mailbox.begin_reading();
        for _ in 0..5 {
            mailbox.post((0, 0), 1).unwrap();
        }
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn a_full_mailbox_gives_mail_back_but_takes_what_may_not_be_lost() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::new(wakeup(&poll));
        mailbox.post(1, MAILBOX_BYTES).unwrap();
        mailbox.post(2, 1).unwrap();
        assert_eq!(mailbox.post(3, 1), Err(3));
        mailbox.post_anyway(4, 1);
        assert_eq!(mailbox.take(), Some(1));
        mailbox.post(5, 1).unwrap();
        assert_eq!(
            [mailbox.take(), mailbox.take(), mailbox.take(), mailbox.take()],
            [Some(2), Some(4), Some(5), None]
        );
    }

    #[test]
    fn a_closed_mailbox_drops_what_it_has_and_what_comes() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::new(wakeup(&poll));
        let mail = Arc::new(());
        mailbox.post(mail.clone(), 1).unwrap();
        assert_eq!(Arc::strong_count(&mail), 2);
        mailbox.close();
        mailbox.post(mail.clone(), 1).unwrap();
        mailbox.post_anyway(mail.clone(), 1);
        assert_eq!((Arc::strong_count(&mail), mailbox.is_empty(), mailbox.is_crowded()), (1, true, false));
    }

    #[test]
    fn a_mailbox_is_crowded_long_before_it_is_full() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::new(wakeup(&poll));
        for number in 0..CROWDED_MAILS {
            assert!(!mailbox.is_crowded());
            mailbox.post(number, 1).unwrap();
        }
        assert!(mailbox.is_crowded());
        mailbox.take().unwrap();
        assert!(!mailbox.is_crowded());
        mailbox.post(0, CROWDED_BYTES).unwrap();
        assert!(mailbox.is_crowded());
    }
}
