//! What comes from a server and what it means: messages, confirmations, answers to questions.

use super::driver::Driver;
use super::node::Question;
use super::spool::Publish;
use super::table::Change;
use super::topology::{Said, Trouble};
use super::{Event, Reason};
use redis::{PushKind, RedisError, Role, ServerError, ServerErrorKind, Value, from_redis_value};
use std::mem;
use std::sync::atomic::Ordering;

impl Driver {
    /// Takes in what was said on a connection without a question.
    pub(crate) fn hear(&mut self, (id, push): Said) {
        let index = self.nodes.iter().position(|node| node.id == id);
        if let Some(index) = index {
            self.nodes[index].heard();
        }
        match (&push.kind, &push.data[..]) {
            (
                PushKind::Message | PushKind::SMessage,
                [Value::BulkString(channel), Value::BulkString(payload)],
            )
            | (PushKind::PMessage, [_, Value::BulkString(channel), Value::BulkString(payload)]) => {
                self.shared.received.fetch_add(1, Ordering::Relaxed);
                self.tell(Event::Message { channel, payload });
            }
            (PushKind::SUnsubscribe, [Value::BulkString(name), ..]) => {
                if let Some(index) = index {
                    self.on_left(index, name);
                }
            }
            (PushKind::Disconnection, _) => {
                if let Some(index) = index {
                    let trouble = Trouble::new("the server closed the connection");
                    self.nodes[index].trouble.get_or_insert(trouble);
                }
            }
            // Confirmations, which are looked at among the answers, and kinds that were not asked for.
            _ => {}
        }
    }

    /// A sharded channel is left: because that was asked for, or because its slot has left the node.
    fn on_left(&mut self, index: usize, name: &[u8]) {
        let node = &self.nodes[index];
        let asked = std::str::from_utf8(name).is_ok_and(|name| {
            let mut batches = node.questions.iter();
            batches.any(|one| matches!(one, Question::Changes { left, .. } if left.contains(name)))
        });
        if !asked && self.table.end(name, node.id) {
            self.moved = Some(Trouble::new("a slot has moved").at(&node.address));
        }
    }

    /// Takes in the answers that a connection has brought.
    pub(crate) fn read(&mut self, index: usize) -> Result<(), Trouble> {
        while let Some(answers) = self.nodes[index].land() {
            for answer in answers? {
                self.on_answer(index, answer)?;
            }
            if self.nodes[index].lacks_an_answer() {
                return Err(Trouble::new("something unasked took the place of an answer"));
            }
        }
        Ok(())
    }

    fn on_answer(&mut self, index: usize, answer: Value) -> Result<(), Trouble> {
        // Or something unasked, which takes a place and answers nothing.
        if let Value::Push { kind, data } = &answer {
            self.on_confirmation(index, kind, data);
            return Ok(());
        }
        let node = &mut self.nodes[index];
        // A refused command of the batch; the ping behind it ends the batch.
        if let (Value::ServerError(error), Some(Question::Changes { errors, .. })) =
            (&answer, node.questions.front_mut())
        {
            errors.push(error.clone());
            return Ok(());
        }
        let question = node.answered().ok_or_else(|| Trouble::new("an answer to no question"))?;
        match question {
            Question::Publish(message) => self.on_published(index, answer, message)?,
            Question::Changes { changes, restores, errors, ping, .. } => {
                is_echo(&answer, ping)?;
                self.on_changed(index, &changes, restores, &errors);
            }
            Question::Count(id) => self.counted(id, count_of(&answer)),
            Question::Ping(number) => is_echo(&answer, number)?,
            Question::Role => match from_redis_value(answer).map_err(RedisError::from)? {
                Role::Primary { .. } => {}
                _ => return Err(Trouble::new("it is no longer the master")),
            },
        }
        Ok(())
    }

    fn on_confirmation(&mut self, index: usize, kind: &PushKind, data: &[Value]) {
        let Some(Value::BulkString(name)) = data.first() else { return };
        let id = self.nodes[index].id;
        match kind {
            PushKind::Subscribe | PushKind::SSubscribe => self.table.confirm(false, name, id),
            PushKind::PSubscribe => self.table.confirm(true, name, id),
            _ => {}
        }
    }

    /// A batch of changes is done, or as much of it as the server will do.
    fn on_changed(&mut self, index: usize, changes: &[Change], restores: usize, errors: &[ServerError]) {
        let id = self.nodes[index].id;
        self.nodes[index].restoring -= restores;
        for change in changes {
            // Those are tried again, later.
            self.failed |= self.table.has_failed(change, id);
        }
        if let Some(error) = errors.iter().find(|error| is_elsewhere(error)) {
            self.moved = Some(Trouble(text_of(error)).at(&self.nodes[index].address));
        } else if let Some(error) = errors.first() {
            self.complain(index, &format!("a subscription: {}", text_of(error)));
        }
    }

    fn on_published(&mut self, index: usize, answer: Value, message: Publish) -> Result<(), Trouble> {
        match answer {
            Value::Int(receivers) => {
                self.shared.published.fetch_add(1, Ordering::Relaxed);
                if let Some(ticket) = message.ticket {
                    let receivers = u64::try_from(receivers).unwrap_or(0);
                    self.tell(Event::Published { ticket, receivers, own: message.own });
                }
                Ok(())
            }
            Value::ServerError(error) if is_elsewhere(&error) => {
                self.moved = Some(Trouble(text_of(&error)).at(&self.nodes[index].address));
                self.put_back(message);
                Ok(())
            }
            Value::ServerError(error) => {
                self.complain(index, &format!("a message: {}", text_of(&error)));
                self.drop_message(&message, Reason::Refused);
                Ok(())
            }
            _ => {
                self.drop_message(&message, Reason::Unknown);
                Err(Trouble::new("an answer that is not understood"))
            }
        }
    }

    /// Says once in a time of being up what Redis refuses.
    fn complain(&mut self, index: usize, what: &str) {
        if !mem::replace(&mut self.complained, true) {
            log::warn!("redis: {} refuses {what}", self.nodes[index].address);
        }
    }

    /// A node has answered to a count, or will not.
    pub(crate) fn counted(&mut self, id: u64, count: Option<u64>) {
        let Some(counting) = self.counts.get_mut(&id) else { return };
        counting.left -= 1;
        counting.sum = counting.sum.zip(count).map(|(sum, count)| sum.saturating_add(count));
        if counting.left == 0 {
            let (ticket, count) = (counting.ticket, counting.sum);
            self.counts.remove(&id);
            self.tell(Event::Counted { ticket, count });
        }
    }
}

/// What a server says, as it says it.
fn text_of(error: &ServerError) -> String {
    format!("{} {}", error.code(), error.details().unwrap_or_default())
}

/// Whether an error says that a Cluster has the slot elsewhere, or nowhere for now: nothing was done.
fn is_elsewhere(error: &ServerError) -> bool {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    matches!(error.kind(), Some(Moved | Ask | TryAgain | ClusterDown))
}

/// A ping with a number is answered with the number; anything else is the answer to something else.
fn is_echo(answer: &Value, number: u64) -> Result<(), Trouble> {
    match answer {
        Value::BulkString(text) if *text == number.to_string().into_bytes() => Ok(()),
        Value::ServerError(error) => Err(Trouble(text_of(error))),
        _ => Err(Trouble::new("the answer to another question")),
    }
}

/// The number behind the name, in the answer to `PUBSUB NUMSUB` for one name.
fn count_of(answer: &Value) -> Option<u64> {
    match answer {
        Value::Array(pair) => match &pair[..] {
            [_, Value::Int(count)] => u64::try_from(*count).ok(),
            _ => None,
        },
        _ => None,
    }
}
