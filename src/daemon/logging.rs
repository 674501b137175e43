//! The log, on standard error: a line a record, with a time, without colours, so that a terminal, a file and a
//! journal get the same. For programs a line is an object of JSON, with what is known of the case in fields.
//!
//! A thread of its own writes it. Peers decide how much is logged, and standard error may be a pipe that nobody reads:
//! whoever logs hands a line over or, if too many wait, leaves it out, and never waits.

use log::kv::{self, Key, Value};
use log::{LevelFilter, Record};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Lines that may wait to be written.
const WAITING_LINES: usize = 1_024;
/// The longest text of a line, in bytes: peers choose some of it, and lines that wait are kept.
const TEXT_BYTES: usize = 2_048;
/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    pub(crate) fn find(name: &str) -> Option<LogFormat> {
        [LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }

    /// A record as a line without its end.
    fn line(self, time: impl Display, record: &Record<'_>) -> String {
        let message = shortened(record.args().to_string());
        match self {
            LogFormat::Text => {
                format!("{time} {:<5} {}: {}", record.level(), record.target(), one_line(&message))
            }
            LogFormat::Json => {
                let mut fields = Fields::default();
                // It collects whatever there is.
                let _ = record.key_values().visit(&mut fields);
                let object = Object {
                    time: time.to_string(),
                    level: record.level().as_str(),
                    target: record.target(),
                    message,
                    fields: fields.0,
                };
                let text = serde_json::to_string(&object);
                // JSON lets some characters be that terminals obey; it has another form for those, too.
                json_escaped(&text.unwrap_or_default())
            }
        }
    }
}

/// A line of JSON.
#[derive(Serialize)]
struct Object<'r> {
    time: String,
    level: &'static str,
    target: &'r str,
    message: String,
    #[serde(flatten)]
    fields: BTreeMap<String, serde_json::Value>,
}

/// What was said besides the message.
#[derive(Default)]
struct Fields(BTreeMap<String, serde_json::Value>);

impl<'kvs> kv::VisitSource<'kvs> for Fields {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
        let value = value.to_u64().map_or_else(|| shortened(value.to_string()).into(), Into::into);
        self.0.insert(key.to_string(), value);
        Ok(())
    }
}

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
pub(crate) fn start(level: LevelFilter, format: LogFormat) -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(WAITING_LINES);
    let left_out = Arc::new(AtomicUsize::new(0));
    let queue = Queue { sender: sender.clone(), left_out: left_out.clone() };
    std::thread::Builder::new().name("log".to_owned()).spawn(move || write_all(&receiver, &left_out))?;
    env_logger::Builder::new()
        // What is wanted may change, and is asked before this.
        .filter_level(LevelFilter::Trace)
        .target(env_logger::Target::Pipe(Box::new(queue)))
        .format(move |line, record| {
            let text = format.line(line.timestamp_millis(), record);
            writeln!(line, "{text}")
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
            // There is room for it: one line has just been taken.
            log::error!("{missing} lines were left out: the log was not read fast enough");
        }
    }
}

/// At most so long, with a mark where the rest was.
fn shortened(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

/// Peers choose some of what is logged: they do not begin lines of their own, nor do they talk to the terminal.
fn one_line(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// A text of JSON without control characters. Those that are left stand in strings, and have four digits.
fn json_escaped(text: &str) -> String {
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_has_everything_and_is_one_line() {
        let hostile = "a\n\"b\\ \u{1b}[31m\u{7f}\u{9b}31m\u{2028} é";
        let fields = [("peer", Value::from_display(&hostile)), ("code", Value::from(401_u16))];
        let line = LogFormat::Json.line(
            "2026-01-02T03:04:05.678Z",
            &Record::builder()
                .level(log::Level::Warn)
                .target("fanfare::x")
                .args(format_args!("said {hostile}"))
                .key_values(&fields)
                .build(),
        );
        assert!(!line.contains(char::is_control), "{line:?}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "time": "2026-01-02T03:04:05.678Z", "level": "WARN", "target": "fanfare::x",
            "message": format!("said {hostile}"), "peer": hostile, "code": 401,
        });
        assert_eq!(read, expected);
    }

    #[test]
    fn what_a_peer_says_does_not_make_a_line_long() {
        let long = "é".repeat(1 << 20);
        let fields = [("peer", Value::from_display(&long))];
        let line = |format: LogFormat| {
            let mut record = Record::builder();
            format.line("t", &record.args(format_args!("said {long}")).key_values(&fields).build())
        };
        assert!(line(LogFormat::Text).ends_with("éé…") && line(LogFormat::Text).len() < 2_100);
        let read: serde_json::Value = serde_json::from_str(&line(LogFormat::Json)).unwrap();
        for field in ["message", "peer"] {
            let text = read[field].as_str().unwrap();
            assert!(text.ends_with("éé…") && text.len() < 2_100, "{field}: {} bytes", text.len());
        }
    }

    #[test]
    fn a_record_is_one_line_whatever_is_in_it() {
        assert_eq!(super::one_line("a\nERROR b\u{1b}[31m é"), "a\\nERROR b\\u{1b}[31m é");
        assert_eq!(super::one_line("é 中"), "é 中");
    }
}
