//! `fanfare top`: the numbers of a server in a terminal, once a second; or once, as text.
//!
//! Owns the command and the asking, on a thread of its own, so that a server that is slow does not hold up the keys.
//! [`numbers`] says what is shown, [`screen`] how.

mod numbers;
mod screen;

use crate::remote::{self, Problem, Remote};
use clap::{Arg, ArgAction, ArgMatches, Command};
use numbers::{Change, Sample, Table};
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Slow connections that are shown.
const SLOWEST: usize = 20;

/// The command's flags.
pub(crate) fn command() -> Command {
    let once = Arg::new("once")
        .long("once")
        .action(ArgAction::SetTrue)
        .help("Print the numbers of one second and end; so it does also where nobody looks, in a pipe");
    remote::with_flags(
        Command::new("top").about("Show the numbers of a server in a terminal; q ends it").arg(once),
    )
}

/// Shows the numbers until somebody has seen enough; what is to be printed after that.
///
/// # Errors
/// What is wrong with the flags, the server or the terminal.
pub(crate) fn run(matches: &ArgMatches) -> Result<String, Problem> {
    let remote = Remote::of(matches)?;
    let first = sample(&remote)?;
    if matches.get_flag("once") || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        std::thread::sleep(EVERY);
        let second = sample(&remote)?;
        return text(&first, &second)
            .ok_or_else(|| Problem::Failed("the server was restarted just now: try again".to_owned()));
    }
    let url = remote.url().to_owned();
    let (sender, samples) = mpsc::channel();
    let ask = move || {
        loop {
            std::thread::sleep(EVERY);
            // Nobody looks any more.
            if sender.send(sample(&remote).map_err(|problem| problem.to_string())).is_err() {
                return;
            }
        }
    };
    let failed = |error: io::Error| Problem::Failed(format!("the terminal: {error}"));
    std::thread::Builder::new().name("top".to_owned()).spawn(ask).map_err(failed)?;
    screen::show(&url, first, &samples).map_err(failed)?;
    Ok(String::new())
}

fn sample(remote: &Remote) -> Result<Sample, Problem> {
    let stats = remote.get("/api/v1/stats")?;
    // Between the two: that is when the counters were read.
    let at = Instant::now();
    let slow = remote.get(&format!("/api/v1/slow?limit={SLOWEST}"))?;
    Ok(Sample { at, stats, slow })
}

/// Everything as text.
fn text(before: &Sample, now: &Sample) -> Option<String> {
    let change = Change::between(before, now)?;
    let mut text = format!("{}\n", change.headline());
    for table in change.tables() {
        // Writing to a String does not fail.
        let _ = write!(text, "\n{}\n{}", table.title, lines(&table));
    }
    Some(text)
}

/// Columns with spaces between them: the first to the left, numbers to the right.
fn lines(table: &Table) -> String {
    if table.rows.is_empty() {
        return "  none\n".to_owned();
    }
    let width = |place: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
        cells.chain([table.head[place].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from(" ");
        for (place, (cell, width)) in cells.zip(&widths).enumerate() {
            let _ =
                if place == 0 { write!(line, " {cell:<width$}") } else { write!(line, "  {cell:>width$}") };
        }
        line.trim_end().to_owned() + "\n"
    };
    let mut text = String::new();
    if table.head.iter().any(|name| !name.is_empty()) {
        text += &line(&mut table.head.iter().copied());
    }
    for row in &table.rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = Table {
            title: "T",
            head: vec!["", "in all"],
            rows: vec![row(["é", "1"]), row(["ab", "1,000,000"])],
        };
        assert_eq!(lines(&table), "         in all\n  é           1\n  ab  1,000,000\n");
        assert_eq!(lines(&Table { rows: Vec::new(), ..table }), "  none\n");
    }
}
