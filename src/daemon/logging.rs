//! The log, on standard error: a line a record, with a time, without colours, so that a terminal, a file and a
//! journal get the same.

use log::LevelFilter;
use std::io::Write;

/// Logs from now on.
pub(crate) fn start(level: LevelFilter) {
    env_logger::Builder::new()
        .filter_level(level)
        .format(|line, record| {
            let time = line.timestamp_millis();
            let text = one_line(&record.args().to_string());
            writeln!(line, "{time} {:<5} {}: {text}", record.level(), record.target())
        })
        .init();
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
