//! What stands for TLS in a build without it: nobody can have any of this.

use std::io::{self, IoSlice};

/// There are none.
#[derive(Clone, Debug)]
pub enum Certificates {}

/// There is none.
#[derive(Debug)]
pub(in crate::reactor) enum Tunnel {}

/// Nothing is made.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Scratch;

impl Tunnel {
    pub(in crate::reactor) fn new(certificates: &Certificates) -> io::Result<Tunnel> {
        match *certificates {}
    }

    pub(in crate::reactor) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(in crate::reactor) fn kept(&self) -> &[u8] {
        match *self {}
    }

    pub(in crate::reactor) fn read(&mut self, _: &mut [u8], _: &mut Vec<u8>) -> io::Result<bool> {
        match *self {}
    }

    pub(in crate::reactor) fn write(
        &mut self,
        _: &[IoSlice<'_>],
        _: &mut Scratch,
        _: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        match *self {}
    }

    pub(in crate::reactor) fn flush(
        &mut self,
        _: impl FnMut(&[u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        match *self {}
    }

    pub(in crate::reactor) fn close(&mut self) {
        match *self {}
    }
}
