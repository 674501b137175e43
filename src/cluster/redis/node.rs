//! One connection: what waits to be written, what was asked and is not answered, and whether the server is silent.

use super::resp::{self, Decoder};
use super::spool::Publish;
use super::stream::{Opened, Stream, Trouble};
use super::table::Change;
use super::url::Address;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may be ready for the socket. What is not there yet is surely not sent.
const STAGED_BYTES: usize = 64 << 10;
/// Messages, and what they count, that may be sent and not answered: what an outage makes unknown.
const WINDOW_MESSAGES: usize = 8_192;
const WINDOW_BYTES: usize = 1 << 20;

/// A question to the server. Answers come in the order of the questions.
#[derive(Debug)]
pub(crate) enum Question {
    /// A message whose last byte has that place among all bytes of the connection.
    Publish(Publish, u64),
    /// Changes of subscriptions and a ping behind them, which is answered when all were tried.
    Changes {
        changes: Vec<Change>,
        restores: usize,
        errors: Vec<String>,
    },
    Count(u64),
    Ping,
    Role,
}

/// The connection to one server.
pub(crate) struct Node {
    /// Never 0, and never used twice.
    pub(crate) id: u32,
    pub(crate) address: Address,
    pub(crate) needed: bool,
    stream: Stream,
    pub(crate) decoder: Decoder,
    output: Vec<u8>,
    /// Of the output.
    written: usize,
    /// Bytes that were written and are no longer in the output.
    gone: u64,
    flushed: bool,
    pub(crate) questions: VecDeque<Question>,
    in_flight: usize,
    in_flight_bytes: usize,
    /// Names whose turn has not come.
    pub(crate) todo: VecDeque<Change>,
    /// Of the changes to do and those in questions: so many of the first must be done before the link is up.
    pub(crate) to_restore: usize,
    pub(crate) restoring: usize,
    /// Something came since the last tick; a question was answered.
    heard: bool,
    answered: bool,
    /// Ticks without.
    silent: u32,
    owing: u32,
    pub(crate) trouble: Option<Trouble>,
}

impl Node {
    pub(crate) fn new(id: u32, address: Address, opened: Opened) -> Node {
        Node {
            id,
            address,
            needed: true,
            stream: opened.stream,
            decoder: opened.decoder,
            output: Vec::new(),
            written: 0,
            gone: 0,
            flushed: true,
            questions: VecDeque::new(),
            in_flight: 0,
            in_flight_bytes: 0,
            todo: VecDeque::new(),
            to_restore: 0,
            restoring: 0,
            heard: true,
            answered: true,
            silent: 0,
            owing: 0,
            trouble: None,
        }
    }

    /// Writes and reads what can be; whether there is something to look at.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.trouble.is_some() {
            return true;
        }
        match self.poll_io(cx) {
            Ok(ready) => ready,
            Err(trouble) => {
                self.trouble = Some(trouble);
                true
            }
        }
    }

    fn poll_io(&mut self, cx: &mut Context<'_>) -> Result<bool, Trouble> {
        let mut ready = false;
        while self.written < self.output.len() {
            let unwritten = &self.output[self.written..];
            let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(cx, unwritten)? else { break };
            if written == 0 {
                return Err(Trouble::new("the connection takes nothing"));
            }
            self.written += written;
            self.flushed = false;
            ready = true;
        }
        if self.written == self.output.len() || self.written > STAGED_BYTES {
            self.output.drain(..self.written);
            self.output.shrink_to(4 * STAGED_BYTES);
            self.gone += self.written as u64;
            self.written = 0;
        }
        if !self.flushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_ready() {
            self.flushed = true;
        }
        let mut space = ReadBuf::new(self.decoder.space());
        if Pin::new(&mut self.stream).poll_read(cx, &mut space)?.is_ready() {
            let bytes = space.filled().len();
            if bytes == 0 {
                return Err(Trouble::new("the server closed the connection"));
            }
            self.decoder.filled(bytes);
            self.heard = true;
            ready = true;
        }
        Ok(ready)
    }

    /// Whether more may be made ready for the socket.
    pub(crate) fn has_room(&self) -> bool {
        self.output.len() - self.written < STAGED_BYTES
    }

    /// Whether another message may be sent: changes of subscriptions go first.
    pub(crate) fn takes_messages(&self) -> bool {
        self.todo.is_empty()
            && self.has_room()
            && self.in_flight < WINDOW_MESSAGES
            && self.in_flight_bytes < WINDOW_BYTES
    }

    /// Messages that are not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn publish(&mut self, sharded: bool, message: Publish) {
        resp::begin(&mut self.output, 3);
        resp::argument(&mut self.output, if sharded { b"SPUBLISH" } else { b"PUBLISH" });
        resp::argument(&mut self.output, message.channel.as_bytes());
        resp::argument(&mut self.output, &message.payload);
        self.in_flight += 1;
        self.in_flight_bytes += message.weight();
        self.questions.push_back(Question::Publish(message, self.gone + self.output.len() as u64));
    }

    /// Writes one command with all of the names.
    pub(crate) fn command<'a>(&mut self, command: &str, names: impl ExactSizeIterator<Item = &'a Arc<str>>) {
        resp::begin(&mut self.output, 1 + names.len());
        resp::argument(&mut self.output, command.as_bytes());
        names.for_each(|name| resp::argument(&mut self.output, name.as_bytes()));
    }

    /// Ends a batch of commands that change subscriptions.
    pub(crate) fn end_changes(&mut self, changes: Vec<Change>, restores: usize) {
        resp::command(&mut self.output, &["PING"]);
        self.questions.push_back(Question::Changes { changes, restores, errors: Vec::new() });
    }

    pub(crate) fn count(&mut self, sharded: bool, channel: &str, ticket: u64) {
        resp::command(&mut self.output, &["PUBSUB", if sharded { "SHARDNUMSUB" } else { "NUMSUB" }, channel]);
        self.questions.push_back(Question::Count(ticket));
    }

    /// The question that the next answer is for, taken.
    pub(crate) fn answered(&mut self) -> Option<Question> {
        self.answered = true;
        let question = self.questions.pop_front()?;
        if let Question::Publish(message, _) = &question {
            self.in_flight -= 1;
            self.in_flight_bytes -= message.weight();
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
        if self.has_room() {
            resp::command(&mut self.output, &[if role { "ROLE" } else { "PING" }]);
            self.questions.push_back(if role { Question::Role } else { Question::Ping });
        }
        Ok(())
    }

    /// How many bytes the socket took so far: what ends behind them has surely not arrived.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.gone + self.written as u64
    }
}
