//! One connection: what waits for its turn, what was asked and is not answered, and whether the server is silent.
//!
//! Commands are collected and handed to the connection as pipelines of the `redis` crate, a few of which are under way at
//! once. A pipeline whose answers are not all there when it is answered has lost one to what nobody asked for (see `redis`),
//! and with it the connection is of no use: what comes for the pipelines behind it may be another's.

use super::spool::Publish;
use super::table::Change;
use super::topology::Trouble;
use super::url::Address;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, ServerError, Value, cmd};
use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What one pipeline has at the most, but for its last command. What is not in one yet is surely not sent.
const PIPELINE_COMMANDS: usize = 512;
const PIPELINE_BYTES: usize = 128 << 10;
/// Pipelines that may be under way: what an outage makes unknown.
const PIPELINES: usize = 3;

/// A question to the server. Answers come in the order of the questions.
#[derive(Debug)]
pub(crate) enum Question {
    Publish(Publish),
    /// Changes of subscriptions and a ping behind them, which is answered when all were tried.
    Changes {
        changes: Vec<Change>,
        /// The names that are left.
        left: HashSet<Arc<str>>,
        restores: usize,
        errors: Vec<ServerError>,
        ping: u64,
    },
    Count(u64),
    /// The answer is the number.
    Ping(u64),
    Role,
}

/// A pipeline that was handed over.
struct Flight {
    /// How many of the questions are in it.
    questions: usize,
    state: FlightState,
}

enum FlightState {
    Under(Pin<Box<dyn Future<Output = RedisResult<Vec<Value>>> + Send>>),
    Landed(RedisResult<Vec<Value>>),
}

/// The connection to one server.
pub(crate) struct Node {
    /// Never 0, and never used twice.
    pub(crate) id: u32,
    pub(crate) address: Address,
    pub(crate) needed: bool,
    connection: MultiplexedConnection,
    /// The next pipeline.
    collected: Pipeline,
    collected_bytes: usize,
    flights: VecDeque<Flight>,
    pub(crate) questions: VecDeque<Question>,
    /// Of the questions, those in pipelines under way.
    under_way: usize,
    /// Messages that are not answered.
    in_flight: usize,
    /// Names whose turn has not come.
    pub(crate) todo: VecDeque<Change>,
    /// Of the changes to do and those in questions: so many of the first must be done before the link is up.
    pub(crate) to_restore: usize,
    pub(crate) restoring: usize,
    last_ping: u64,
    /// Something came since the last tick; a question was answered.
    heard: bool,
    answered: bool,
    /// Ticks without.
    silent: u32,
    owing: u32,
    pub(crate) trouble: Option<Trouble>,
}

impl Node {
    pub(crate) fn new(id: u32, address: Address, connection: MultiplexedConnection) -> Node {
        Node {
            id,
            address,
            needed: true,
            connection,
            collected: Pipeline::new(),
            collected_bytes: 0,
            flights: VecDeque::new(),
            questions: VecDeque::new(),
            under_way: 0,
            in_flight: 0,
            todo: VecDeque::new(),
            to_restore: 0,
            restoring: 0,
            last_ping: 0,
            heard: true,
            answered: true,
            silent: 0,
            owing: 0,
            trouble: None,
        }
    }

    /// Sends what was handed over; whether there is something to look at.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        for flight in &mut self.flights {
            if let FlightState::Under(answers) = &mut flight.state
                && let Poll::Ready(answers) = answers.as_mut().poll(cx)
            {
                flight.state = FlightState::Landed(answers);
            }
        }
        let front = self.flights.front().map(|flight| &flight.state);
        self.trouble.is_some() || matches!(front, Some(FlightState::Landed(_)))
    }

    /// The answers of the next pipeline, if they have come.
    pub(crate) fn land(&mut self) -> Option<RedisResult<Vec<Value>>> {
        let flight = self.flights.pop_front()?;
        match flight.state {
            FlightState::Landed(answers) => {
                self.under_way -= flight.questions;
                self.heard();
                self.answered = true;
                Some(answers)
            }
            FlightState::Under(_) => {
                self.flights.push_front(flight);
                None
            }
        }
    }

    /// Whether a question of the pipeline that has landed is left: its answer came too late, and may be anywhere.
    pub(crate) fn lacks_an_answer(&self) -> bool {
        self.questions.len() > self.under_way
    }

    /// The server has said something.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Whether more may be asked.
    pub(crate) fn has_room(&self) -> bool {
        self.flights.len() < PIPELINES
    }

    /// Whether another message may be sent: changes of subscriptions go first.
    pub(crate) fn takes_messages(&self) -> bool {
        self.todo.is_empty() && self.has_room()
    }

    /// Messages that are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn ask(&mut self, question: Question, command: Cmd, bytes: usize) {
        self.questions.push_back(question);
        self.collected.add_command(command);
        self.collected_bytes += bytes;
        if self.collected.len() >= PIPELINE_COMMANDS || self.collected_bytes >= PIPELINE_BYTES {
            self.hand_over();
        }
    }

    /// Makes a pipeline of what was collected.
    pub(crate) fn hand_over(&mut self) {
        if self.collected.is_empty() {
            return;
        }
        let pipeline = mem::take(&mut self.collected);
        self.collected_bytes = 0;
        let mut connection = self.connection.clone();
        let answers = async move { connection.send_packed_commands(&pipeline, 0, pipeline.len()).await };
        let questions = self.questions.len() - self.under_way;
        self.under_way += questions;
        self.flights.push_back(Flight { questions, state: FlightState::Under(Box::pin(answers)) });
    }

    pub(crate) fn publish(&mut self, sharded: bool, message: Publish) {
        let weight = message.weight();
        let mut command = Cmd::with_capacity(3, weight);
        command
            .arg(if sharded { "SPUBLISH" } else { "PUBLISH" })
            .arg(&*message.channel)
            .arg(&*message.payload);
        self.in_flight += 1;
        self.ask(Question::Publish(message), command, weight);
    }

    /// Changes subscriptions, one name a command, so that a refusal is about nothing else. They are a pipeline of their own,
    /// with a ping at its end; some of the names are `left`.
    pub(crate) fn change(
        &mut self,
        commands: Vec<Cmd>,
        changes: Vec<Change>,
        left: HashSet<Arc<str>>,
        restores: usize,
    ) {
        self.hand_over();
        for command in commands {
            self.collected.add_command(command);
        }
        let (command, ping) = self.next_ping();
        self.ask(Question::Changes { changes, left, restores, errors: Vec::new(), ping }, command, 0);
        self.hand_over();
    }

    fn next_ping(&mut self) -> (Cmd, u64) {
        self.last_ping += 1;
        let mut command = cmd("PING");
        command.arg(self.last_ping);
        (command, self.last_ping)
    }

    pub(crate) fn count(&mut self, sharded: bool, channel: &str, ticket: u64) {
        let mut command = cmd("PUBSUB");
        command.arg(if sharded { "SHARDNUMSUB" } else { "NUMSUB" }).arg(channel);
        self.ask(Question::Count(ticket), command, channel.len());
    }

    /// Of the changes that are not answered, those that had to be done before the link is up.
    pub(crate) fn restores_under_way(&self) -> usize {
        let of = |question: &Question| match question {
            Question::Changes { restores, .. } => *restores,
            _ => 0,
        };
        self.questions.iter().map(of).sum()
    }

    /// The question that the next answer is for, taken.
    pub(crate) fn answered(&mut self) -> Option<Question> {
        let question = self.questions.pop_front()?;
        if let Question::Publish(_) = &question {
            self.in_flight -= 1;
        }
        Some(question)
    }

    /// Time passes: asks whether the server is there, and judges its silence.
    ///
    /// Ticks are counted, not time: a thread or a process that was stopped itself has not waited for an answer. A server
    /// that floods with messages may answer late; one that never answers gets nothing of ours, and is given up, too.
    pub(crate) fn tick(&mut self, deadline: u32, role: bool) -> Result<(), Trouble> {
        self.silent = if self.heard { 0 } else { self.silent + 1 };
        self.owing = if self.answered || self.questions.is_empty() { 0 } else { self.owing + 1 };
        (self.heard, self.answered) = (false, false);
        if self.silent >= deadline || self.owing >= 4 * deadline {
            return Err(Trouble::new("it does not answer"));
        }
        if !self.has_room() {
            return Ok(());
        }
        if role {
            self.ask(Question::Role, cmd("ROLE"), 0);
        } else {
            let (command, ping) = self.next_ping();
            self.ask(Question::Ping(ping), command, 0);
        }
        Ok(())
    }
}
