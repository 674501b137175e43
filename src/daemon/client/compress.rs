//! The shorter forms of files, made by a thread of its own: a reactor has no time for that.

use super::encoding::Coding;
use super::package::File;
use fanfare::Frame;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, OnceLock};

/// Of 0 to 9; made once and sent often.
const GZIP_LEVEL: u32 = 9;
/// Of 0 to 11; the last two take many times as long for a few hundredths.
const BROTLI_QUALITY: u32 = 9;
/// The window, as a power of two: 512 KiB, as much as the largest of the files.
const BROTLI_WINDOW_BITS: u32 = 19;
/// What is handed to brotli at a time, in bytes.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

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

/// The way to the thread.
pub(super) struct Compressor(Sender<(Arc<File>, Coding)>);

impl Compressor {
    /// Starts the thread; it ends with this value.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub(super) fn start() -> io::Result<Compressor> {
        let (sender, receiver) = mpsc::channel();
        std::thread::Builder::new().name("compress".to_owned()).spawn(move || make_all(&receiver))?;
        Ok(Compressor(sender))
    }

    /// Has a form made, unless that was asked for before.
    pub(super) fn make(&self, file: &Arc<File>, coding: Coding) {
        let Some(form) = file.shorter(coding) else { return };
        // Each form of each file once, so that what waits is bounded. The thread lives as long as this.
        if !form.asked.swap(true, Ordering::Relaxed) {
            let _ = self.0.send((file.clone(), coding));
        }
    }
}

fn make_all(receiver: &Receiver<(Arc<File>, Coding)>) {
    for (file, coding) in receiver {
        let Some(form) = file.shorter(coding) else { continue };
        let made = match compress(&file.bytes, coding) {
            Ok(bytes) => Some(bytes).filter(|bytes| bytes.len() < file.bytes.len()).map(Frame::from_bytes),
            Err(error) => {
                log::error!("cannot compress with {}: {error}", coding.name());
                None
            }
        };
        // Nobody else sets it.
        let _ = form.made.set(made);
    }
}

fn compress(bytes: &[u8], coding: Coding) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Identity => Ok(bytes.to_vec()),
        Coding::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Coding::Brotli => {
            let mut encoder = brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            );
            encoder.write_all(bytes)?;
            Ok(encoder.into_inner())
        }
    }
}
