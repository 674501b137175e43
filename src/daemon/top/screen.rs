//! The terminal of `top`: where the tables stand, and the keys.

use super::numbers::{Change, Sample, Table};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Cell, Paragraph, RenderDirection, Row, Sparkline, Table as Grid};
use ratatui::{DefaultTerminal, Frame};
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// How soon a key, or an answer, is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Seconds of the line of deliveries.
const HISTORY: usize = 300;
/// The least that two columns of tables need beside each other.
const TWO_COLUMNS: u16 = 110;

/// What is on the screen.
struct Screen<'u> {
    url: &'u str,
    before: Sample,
    now: Option<Sample>,
    /// Deliveries a second, newest last.
    deliveries: VecDeque<u64>,
    /// Why the last question was not answered.
    problem: Option<String>,
}

/// Shows samples as they come, until a key ends it. The terminal is left as it was.
pub(super) fn show(url: &str, first: Sample, samples: &Receiver<Result<Sample, String>>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let mut screen = Screen { url, before: first, now: None, deliveries: VecDeque::new(), problem: None };
    let result = watch(&mut terminal, &mut screen, samples);
    ratatui::try_restore()?;
    result
}

/// Draws when there is something new, until a key ends it.
fn watch(
    terminal: &mut DefaultTerminal,
    screen: &mut Screen<'_>,
    samples: &Receiver<Result<Sample, String>>,
) -> io::Result<()> {
    let mut is_new = true;
    loop {
        if is_new {
            terminal.draw(|frame| screen.draw(frame))?;
        }
        // Another size, too, is an event.
        is_new = event::poll(LOOK)?;
        if is_new && ends(&event::read()?) {
            return Ok(());
        }
        for sample in samples.try_iter() {
            screen.take(sample);
            is_new = true;
        }
    }
}

/// Whether it is a key that ends it.
fn ends(event: &Event) -> bool {
    let Event::Key(key) = event else { return false };
    let interrupts = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (interrupts || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

impl Screen<'_> {
    fn take(&mut self, sample: Result<Sample, String>) {
        match sample {
            Ok(sample) => {
                let before = self.now.replace(sample);
                if let Some(before) = before {
                    self.before = before;
                }
                self.problem = None;
                let change = self.now.as_ref().and_then(|now| Change::between(&self.before, now));
                self.deliveries.push_back(change.map_or(0, |change| change.deliveries() as u64));
                if self.deliveries.len() > HISTORY {
                    self.deliveries.pop_front();
                }
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let change = self.now.as_ref().and_then(|now| Change::between(&self.before, now));
        let [top, line, rest, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(4),
            Constraint::Min(0),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let headline = change.as_ref().map_or_else(|| "one second, please".to_owned(), Change::headline);
        frame.render_widget(Line::from(vec![headline.bold(), format!("  {}", self.url).dim()]), top);
        let bottom = match &self.problem {
            Some(problem) => Line::from(problem.as_str()).red(),
            None => Line::from("q ends it").dim(),
        };
        frame.render_widget(bottom, keys);
        let Some(change) = change else { return };

        let newest_first: Vec<u64> = self.deliveries.iter().rev().copied().collect();
        let title = format!(" Deliveries, {} a second ", newest_first.first().unwrap_or(&0));
        frame.render_widget(
            Sparkline::default()
                .block(Block::bordered().title(title))
                .direction(RenderDirection::RightToLeft)
                .data(newest_first)
                .style(Style::new().blue()),
            line,
        );
        let mut tables = change.tables();
        // Its rows are the longest: it has the whole width.
        let slowest = tables.pop();
        let columns = if rest.width >= TWO_COLUMNS { 2 } else { 1 };
        let halves = Layout::horizontal(vec![Constraint::Fill(1); columns]).spacing(1).split(rest);
        let mut free: Vec<Rect> = halves.to_vec();
        for table in &tables {
            // To where most room is.
            let Some(column) = free.iter_mut().max_by_key(|column| column.height) else { break };
            let [mine, left] =
                Layout::vertical([Constraint::Length(height(table)), Constraint::Min(0)]).areas(*column);
            *column = left;
            draw_table(frame, table, mine);
        }
        let below = free.iter().map(|column| column.y).max().unwrap_or(rest.y);
        if let Some(table) = slowest {
            let area = Rect { y: below, height: rest.bottom().saturating_sub(below), ..rest };
            draw_table(frame, &table, area);
        }
    }
}

/// Its rows, their heading, and the frame.
fn height(table: &Table) -> u16 {
    u16::try_from(table.rows.len().max(1) + 3).unwrap_or(u16::MAX)
}

fn draw_table(frame: &mut Frame<'_>, table: &Table, area: Rect) {
    let block = Block::bordered().title(format!(" {} ", table.title));
    if table.rows.is_empty() {
        return frame.render_widget(Paragraph::new("none".dim()).block(block), area);
    }
    let cell = |place: usize, text: &str| {
        let alignment = if place == 0 { Alignment::Left } else { Alignment::Right };
        Cell::from(Text::from(text.to_owned()).alignment(alignment))
    };
    let rows =
        table.rows.iter().map(|row| Row::new(row.iter().enumerate().map(|(place, text)| cell(place, text))));
    let head = Row::new(table.head.iter().enumerate().map(|(place, text)| cell(place, text)));
    let width = |place: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(place)).map(|cell| cell.chars().count());
        let widest = cells.chain([table.head[place].chars().count()]).max().unwrap_or_default();
        u16::try_from(widest).unwrap_or(u16::MAX)
    };
    let widths = (0..table.head.len())
        .map(|place| if place == 0 { Constraint::Min(8) } else { Constraint::Length(width(place)) });
    let grid = Grid::new(rows, widths).header(head.style(Style::new().add_modifier(Modifier::DIM)));
    frame.render_widget(grid.column_spacing(2).block(block), area);
}
