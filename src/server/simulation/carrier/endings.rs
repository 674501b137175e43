//! How a session ends that its client ends, politely or by offending the server.

use super::{Carrier, Line, Message, Net, Purpose, State, noop};
use crate::wire::engine::PacketType;
use crate::wire::frame::{Opcode, encode_masked_part};

impl Carrier {
    pub(super) fn drop_lines(&mut self, net: &mut Net<'_>, which: impl Fn(&Line) -> bool) {
        for line in self.lines.iter().filter(|line| which(line)) {
            let pipe = &mut net.pipes[line.pipe];
            pipe.client_done = true;
            pipe.broken |= net.dice.chance(30);
        }
        self.lines.retain(|line| !which(line));
    }

    /// Ends its connections: at once, or when what is to be sent on them is sent.
    pub(super) fn hang_up(&mut self, net: &mut Net<'_>) {
        for line in &mut self.lines {
            let pipe = &mut net.pipes[line.pipe];
            if line.out.is_empty() && line.withheld.is_empty() {
                pipe.client_done = true;
                line.ended = true;
            }
        }
        self.lines.retain(|line| !line.ended);
    }

    /// Says goodbye, in one of the ways that there are. What the server says to that is not of interest.
    pub(in super::super) fn leave(&mut self, net: &mut Net<'_>) {
        if self.parting || self.is_over() {
            return;
        }
        if !self.is_open() {
            return self.lose(net);
        }
        let bye = Message::Text(String::new());
        if let Some(at) = self.find(Purpose::WebSocket) {
            if net.dice.chance(50) {
                self.frame(at, PacketType::Close, &bye, net.dice);
            } else {
                let mut close = Vec::new();
                encode_masked_part(Some(Opcode::Close), true, b"\x03\xE8", [9, 9, 9, 9], &mut close);
                self.lines[at].out.extend(close);
            }
        } else if !self.has(Purpose::Post) {
            self.outgoing.clear();
            self.outgoing.push_back((PacketType::Close, bye));
            self.post(net);
            // Its poll, if there is one, is answered too; or it waits for nothing.
            self.parting = true;
            if net.dice.chance(70) {
                return self.drop_lines(net, Line::upgrades);
            }
            self.drop_lines(net, |line| line.purpose != Purpose::Post);
        } else {
            return self.lose(net);
        }
        self.state = State::Left;
    }

    /// Everything breaks.
    pub(in super::super) fn lose(&mut self, net: &mut Net<'_>) {
        for line in &self.lines {
            net.pipes[line.pipe].broken = true;
        }
        self.lines.clear();
        self.state = State::Left;
    }

    /// Breaks the protocol on its transport, so that the server ends the session; false if there was no occasion.
    pub(in super::super) fn misbehave(&mut self, net: &mut Net<'_>) -> bool {
        if !self.is_open() {
            return false;
        }
        if let Some(at) = self.find(Purpose::WebSocket) {
            let bad: [&[u8]; 3] = [b"\x81\x81\0\0\0\x009", b"\xC1\x80\0\0\0\0", b"\x81\x01x"];
            self.lines[at].out.extend(*net.dice.pick(&bad));
            return true;
        }
        match (net.dice.below(4), self.find(Purpose::Poll), self.has(Purpose::Post)) {
            (0, Some(_), _) => self.poll(net),
            (1, Some(at), _) => {
                // The connection of its poll is lost.
                net.pipes[self.lines[at].pipe].broken |= net.dice.chance(50);
                net.pipes[self.lines[at].pipe].client_done = true;
                self.lines.remove(at);
                self.state = State::Left;
            }
            (2, _, false) if self.outgoing.is_empty() => {
                // Two POSTs at once, the first of which takes its time: with nothing in them that has an order.
                for number in 0..2 {
                    self.outgoing.push_back(noop());
                    let at = self.post(net);
                    let line = &mut self.lines[at];
                    if number == 0 {
                        line.withheld = line.out.split_off(line.out.len() - 1).into();
                    }
                }
            }
            (3, _, false) => {
                // A POST that breaks off.
                self.outgoing.push_back(noop());
                let at = self.post(net);
                let line = &mut self.lines[at];
                let keep = net.dice.below(line.out.len());
                line.out.truncate(keep);
                self.state = State::Left;
            }
            _ => return false,
        }
        true
    }
}
