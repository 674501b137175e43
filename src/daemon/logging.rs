//! The log, on standard error: a line a record, with a time, without colours, so that a terminal, a file and a
//! journal get the same.
//!
//! A thread of its own writes it. Peers decide how much is logged, and standard error may be a pipe that nobody reads:
//! whoever logs hands a line over or, if too many wait, leaves it out, and never waits.

use log::LevelFilter;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING_LINES: usize = 1_024;
/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The way to the writer.
static LINES: OnceLock<SyncSender<Line>> = OnceLock::new();

enum Line {
    Text(Vec<u8>),
    /// Everything before this is written: say so.
    Mark(mpsc::Sender<()>),
}

/// Logs from now on.
///
/// # Errors
/// The writer's thread does not start.
pub(crate) fn start(level: LevelFilter) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(WAITING_LINES);
    let left_out = Arc::new(AtomicUsize::new(0));
    let queue = Queue { sender: sender.clone(), left_out: left_out.clone() };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, &left_out))?;
    env_logger::Builder::new()
        // What is wanted may change, and is asked before this.
        .filter_level(LevelFilter::Trace)
        .target(env_logger::Target::Pipe(Box::new(queue)))
        .format(|line, record| {
            let time = line.timestamp_millis();
            let text = one_line(&record.args().to_string());
            writeln!(line, "{time} {:<5} {}: {text}", record.level(), record.target())
        })
        .init();
    set_level(level);
    // It is started once.
    let _ = LINES.set(sender);
    Ok(())
}

/// Logs so much from now on.
pub(crate) fn set_level(level: LevelFilter) {
    log::set_max_level(level);
}

/// Waits, not for long, until what was logged so far is written.
pub(crate) fn finish() {
    let (done, is_done) = mpsc::channel();
    if LINES.get().is_some_and(|lines| lines.try_send(Line::Mark(done)).is_ok()) {
        // Whoever does not read the log does not hold up the end.
        let _ = is_done.recv_timeout(LAST_LINES);
    }
}

/// Hands lines over: each write is a whole record.
struct Queue {
    sender: SyncSender<Line>,
    left_out: Arc<AtomicUsize>,
}

impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Line::Text(line.to_vec())) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(lines: &Receiver<Line>, left_out: &AtomicUsize) {
    let mut errors = io::stderr();
    for line in lines {
        // If standard error is closed there is nobody to tell.
        match line {
            Line::Text(text) => drop(errors.write_all(&text)),
            Line::Mark(done) => drop(done.send(())),
        }
        let missing = left_out.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(errors, "{missing} lines were left out: the log was not read fast enough");
        }
    }
}

/// Peers choose some of what is logged: they do not begin lines of their own, nor do they talk to the terminal.
fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        assert_eq!(super::one_line("a\nERROR b\u{1b}[31m é"), "a\\nERROR b\\u{1b}[31m é");
        assert_eq!(super::one_line("é 中"), "é 中");
    }
}
