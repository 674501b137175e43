//! A client of `/ws` that blocks, for runs with few connections and a thread for each.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::run::Failure;
use crate::target::Target;
use crate::wire::frame::{next_frame, opcode};
use crate::wire::handshake::{Answer, put_request, read_answer};

/// An open connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// Received, from `at` on not looked at.
    bytes: Vec<u8>,
    at: usize,
}

impl Client {
    /// Connects and waits for the handshake's answer; nothing may take longer than `patience`.
    pub(crate) fn connect(target: &Target, path: &str, patience: Duration) -> Result<Self, Failure> {
        let stream = TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut client = Self { stream, bytes: Vec::new(), at: 0 };
        let mut request = Vec::new();
        put_request(&mut request, path, &target.host);
        client.write(&request)?;
        loop {
            match read_answer(&client.bytes, false) {
                Answer::Open(head) => {
                    client.at = head;
                    return Ok(client);
                }
                Answer::Refused(refusal) => return Err(Failure::Io(io::Error::other(refusal.reason()))),
                Answer::Incomplete => client.fill()?,
            }
        }
    }

    /// Writes all of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// What is made of the next text.
    pub(crate) fn text<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> io::Result<T> {
        loop {
            let next =
                next_frame(&self.bytes[self.at..]).map_err(|error| io::Error::other(error.to_string()))?;
            match next {
                Some((frame, length)) => {
                    if frame.opcode != opcode::TEXT || !frame.fin {
                        return Err(io::Error::other(
                            "a frame that is no text: the server ended the connection?",
                        ));
                    }
                    let result = read(frame.payload);
                    self.at += length;
                    return Ok(result);
                }
                None => self.fill()?,
            }
        }
    }

    /// The stream, for somebody who reads it otherwise.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.stream
    }

    fn fill(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let have = self.bytes.len();
        self.bytes.resize(have + (64 << 10), 0);
        let read = self.stream.read(&mut self.bytes[have..]);
        self.bytes.truncate(have + *read.as_ref().unwrap_or(&0));
        if read? == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }
}
