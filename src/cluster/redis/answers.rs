//! What comes from a server and what it means: messages, confirmations, answers to questions.

use super::driver::Driver;
use super::node::Question;
use super::resp::{Decoder, Token, Tokens};
use super::spool::Publish;
use super::stream::Trouble;
use super::table::Change;
use super::topology::is_master;
use super::{Event, Reason};
use std::mem;
use std::sync::atomic::Ordering;

impl Driver {
    /// Takes in everything that a connection has brought.
    pub(crate) fn read(&mut self, index: usize) -> Result<(), Trouble> {
        // The frames borrow from it while the rest of the link is at work.
        let mut decoder = mem::replace(&mut self.nodes[index].decoder, Decoder::new(0));
        let result = loop {
            match decoder.next() {
                Ok(None) => break Ok(()),
                Ok(Some(frame)) => {
                    if let Err(trouble) = self.on_frame(index, frame) {
                        break Err(trouble);
                    }
                }
                Err(error) => break Err(error.into()),
            }
        };
        self.nodes[index].decoder = decoder;
        result
    }

    fn on_frame(&mut self, index: usize, frame: Tokens<'_>) -> Result<(), Trouble> {
        let mut tokens = frame.clone();
        match tokens.next() {
            Some(Token::Open(b'>', _)) => {
                self.on_push(index, tokens).ok_or_else(|| Trouble::new("a message that is not understood"))
            }
            Some(answer) => self.on_answer(index, answer, frame),
            None => Err(Trouble::new("an answer that is not understood")),
        }
    }

    fn on_push(&mut self, index: usize, mut tokens: Tokens<'_>) -> Option<()> {
        let kind = tokens.text()?;
        match kind {
            b"message" | b"smessage" | b"pmessage" => {
                if kind == b"pmessage" {
                    tokens.text()?;
                }
                let (channel, payload) = (tokens.text()?, tokens.text()?);
                self.shared.received.fetch_add(1, Ordering::Relaxed);
                self.tell(Event::Message { channel, payload });
            }
            b"subscribe" | b"ssubscribe" => self.table.confirm(false, tokens.text()?),
            b"psubscribe" => self.table.confirm(true, tokens.text()?),
            b"sunsubscribe" => {
                let name = tokens.text()?;
                let node = &self.nodes[index];
                let asked = matches!(node.questions.front(), Some(Question::Changes { changes, .. })
                    if changes.iter().any(|change| change.name.as_bytes() == name));
                // Else the slot has left the node.
                if !asked && self.table.end(name, node.id) {
                    self.moved = Some(Trouble::new("a slot has moved").at(&self.nodes[index].address));
                }
            }
            // Confirmations of what nobody waits for, and kinds that were not asked for.
            _ => {}
        }
        Some(())
    }

    fn on_answer(&mut self, index: usize, answer: Token<'_>, frame: Tokens<'_>) -> Result<(), Trouble> {
        let node = &mut self.nodes[index];
        // A refused command of the batch; the ping behind it ends the batch.
        if let (Token::Error(text), Some(Question::Changes { errors, .. })) =
            (answer, node.questions.front_mut())
        {
            errors.push(String::from_utf8_lossy(text).into_owned());
            return Ok(());
        }
        let question = node.answered().ok_or_else(|| Trouble::new("an answer to no question"))?;
        match question {
            Question::Publish(message, _) => self.on_published(index, answer, message)?,
            Question::Changes { changes, restores, errors } => {
                self.on_changed(index, &changes, restores, errors)
            }
            Question::Count(id) => self.counted(id, count_of(frame)),
            Question::Ping => {
                if let Token::Error(text) = answer {
                    return Err(Trouble(String::from_utf8_lossy(text).into_owned()));
                }
            }
            Question::Role => {
                if !is_master(frame) {
                    return Err(Trouble::new("it is no longer the master"));
                }
            }
        }
        Ok(())
    }

    /// A batch of changes is done, or as much of it as the server will do.
    fn on_changed(&mut self, index: usize, changes: &[Change], restores: usize, errors: Vec<String>) {
        let id = self.nodes[index].id;
        self.nodes[index].restoring -= restores;
        let failed: Vec<_> = changes.iter().filter(|change| self.table.has_failed(change, id)).collect();
        if let Some(error) = errors.iter().find(|error| is_elsewhere(error.as_bytes())) {
            self.moved = Some(Trouble(error.clone()).at(&self.nodes[index].address));
            return;
        }
        for change in failed {
            if change.alone {
                // Later.
                self.failed = true;
            } else if let Some(again) = self.table.retry(change) {
                // A name that was refused takes its whole command with it.
                let node = &mut self.nodes[index];
                node.todo.push_front(again);
                node.to_restore += usize::from(restores > 0);
                node.restoring += usize::from(restores > 0);
            }
        }
        if let Some(error) = errors.first() {
            self.complain(index, &format!("a subscription: {error}"));
        }
    }

    fn on_published(&mut self, index: usize, answer: Token<'_>, message: Publish) -> Result<(), Trouble> {
        match answer {
            Token::Integer(receivers) => {
                self.shared.published.fetch_add(1, Ordering::Relaxed);
                if let Some(ticket) = message.ticket {
                    let receivers = u64::try_from(receivers).unwrap_or(0);
                    self.tell(Event::Published { ticket, receivers, own: message.own });
                }
                Ok(())
            }
            Token::Error(text) if is_elsewhere(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                self.moved = Some(Trouble(text).at(&self.nodes[index].address));
                self.put_back(message);
                Ok(())
            }
            Token::Error(text) => {
                self.complain(index, &format!("a message: {}", String::from_utf8_lossy(text)));
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

/// Whether an error says that a Cluster has the slot elsewhere, or nowhere for now: nothing was done.
fn is_elsewhere(error: &[u8]) -> bool {
    [&b"MOVED "[..], b"ASK ", b"TRYAGAIN ", b"CLUSTERDOWN "].iter().any(|code| error.starts_with(code))
}

/// The number behind the name, in the answer to `PUBSUB NUMSUB` for one name.
fn count_of(mut tokens: Tokens<'_>) -> Option<u64> {
    tokens.open()?;
    tokens.text()?;
    u64::try_from(tokens.integer()?).ok()
}
