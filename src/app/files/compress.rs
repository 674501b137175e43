//! The shorter forms of files, made by a thread of its own: a reactor has no time for that.

use super::encoding::Coding;
use super::file::File;
use crate::sys;
use crate::wire::frame::Frame;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock, Weak};

/// Of 0 to 9; made once and sent often.
const GZIP_LEVEL: u32 = 9;
/// Of 0 to 11; the last two take many times as long for a few hundredths.
const BROTLI_QUALITY: u32 = 9;
/// The window, as a power of two: 512 KiB, as much as most files have.
const BROTLI_WINDOW_BITS: u32 = 19;
/// What is handed to brotli at a time, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;
/// How much is compressed before it is asked whether somebody still wants it, in bytes.
const PIECE_BYTES: usize = 64 << 10;

/// One form of a file. It is made when somebody asks for it, once.
#[derive(Debug, Default)]
pub(super) struct Form {
    asked: AtomicBool,
    /// Nothing inside if it is not shorter than the file.
    made: OnceLock<Option<Frame>>,
}

impl Form {
    /// What was made; nothing if it was not made yet.
    pub(super) fn get(&self) -> Option<&Option<Frame>> {
        self.made.get()
    }
}

/// The way to the thread. What waits there does not keep files that nobody serves any more.
pub(crate) struct Compressor(Sender<(Weak<File>, Coding)>);

impl Compressor {
    /// Starts the thread; it ends with this value.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(crate) fn start() -> io::Result<Compressor> {
        let (sender, receiver) = mpsc::channel();
        let thread = std::thread::Builder::new().name("compress".to_owned());
        sys::with_signals_blocked(|| thread.spawn(move || make_all(&receiver)))?;
        Ok(Compressor(sender))
    }

    /// Has a form made, unless that was asked for before.
    pub(super) fn make(&self, file: &Arc<File>, coding: Coding) {
        let Some(form) = file.shorter(coding) else { return };
        // Each form of each file once, so that what waits is bounded. The thread lives as long as this.
        if !form.asked.swap(true, Ordering::Relaxed) {
            let _ = self.0.send((Arc::downgrade(file), coding));
        }
    }
}

fn make_all(receiver: &Receiver<(Weak<File>, Coding)>) {
    for (file, coding) in receiver {
        let Some(bytes) = file.upgrade().map(|file| file.bytes.clone()) else { continue };
        let made = compress(&bytes, coding, || file.strong_count() > 0);
        let Some(file) = file.upgrade() else { continue };
        let Some(form) = file.shorter(coding) else { continue };
        let made = match made {
            Ok(made) => Some(made).filter(|made| made.len() < bytes.len()).map(Frame::from_bytes),
            Err(error) => {
                log::error!("cannot compress with {}: {error}", coding.name());
                None
            }
        };
        // Nobody else sets it.
        let _ = form.made.set(made);
    }
}

/// The bytes in a coding; only a part of them once nobody wants them.
fn compress(bytes: &[u8], coding: Coding, is_wanted: impl Fn() -> bool) -> io::Result<Vec<u8>> {
    let feed = |encoder: &mut dyn Write| {
        let mut pieces = bytes.chunks(PIECE_BYTES).take_while(|_| is_wanted());
        pieces.try_for_each(|piece| encoder.write_all(piece))
    };
    match coding {
        Coding::Identity => Ok(bytes.to_vec()),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            feed(&mut encoder)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            );
            feed(&mut encoder)?;
            Ok(encoder.into_inner())
        }
    }
}
