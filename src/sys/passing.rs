//! Passing descriptors from one thread's table to another's: `SCM_RIGHTS` over a socket pair (unix(7)).
//!
//! The number that travels with a descriptor lets the receiver match it with what it is told by mail: each sender
//! passes the descriptor first, so that it is there when the mail is read.

use rustix::net;
use rustix::net::{AddressFamily, RecvAncillaryMessage, SendAncillaryMessage, SocketFlags, SocketType};
use std::collections::HashMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// Where a thread receives descriptors.
#[derive(Debug)]
pub struct DoorIn {
    fd: OwnedFd,
    /// Received, and not asked for yet.
    here: HashMap<u64, OwnedFd>,
}

/// Where other threads pass descriptors to it.
#[derive(Debug)]
pub struct DoorOut(OwnedFd);

/// A way for descriptors into one thread.
///
/// # Errors
/// What socketpair(2) says.
pub fn door() -> io::Result<(DoorIn, DoorOut)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Messages with borders: a number and its descriptor are received together or not at all.
    let (way_in, way_out) = net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    Ok((DoorIn { fd: way_in, here: HashMap::new() }, DoorOut(way_out)))
}

impl DoorOut {
    /// Passes a copy of a descriptor on.
    ///
    /// # Errors
    /// `WouldBlock` if the other side has not received enough of what it was passed; else what sendmsg(2) says.
    pub fn pass(&self, fd: BorrowedFd<'_>, number: u64) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = net::SendAncillaryBuffer::new(&mut space);
        let descriptors = [fd];
        if !beside.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let number = number.to_ne_bytes();
        match net::sendmsg(&self.0, &[IoSlice::new(&number)], &mut beside, net::SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            // Too many are under way, whoever passed them: that passes, too.
            Err(rustix::io::Errno::TOOMANYREFS) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Its number in the table.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl DoorIn {
    /// Takes the descriptor with this number; nothing if it did not arrive, as when this table was full.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub fn take(&mut self, number: u64) -> io::Result<Option<OwnedFd>> {
        while !self.here.contains_key(&number) {
            let mut bytes = [0; 8];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut beside = net::RecvAncillaryBuffer::new(&mut space);
            let mut slices = [IoSliceMut::new(&mut bytes)];
            match net::recvmsg(&self.fd, &mut slices, &mut beside, net::RecvFlags::CMSG_CLOEXEC) {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let arrived = u64::from_ne_bytes(bytes);
            let fd = beside.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
                _ => None,
            });
            match fd {
                Some(fd) => drop(self.here.insert(arrived, fd)),
                None if arrived == number => return Ok(None),
                None => {}
            }
        }
        Ok(self.here.remove(&number))
    }

    /// Its number in the table.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::own_descriptor_table;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_arrives_in_another_table_whatever_the_order_of_asking() {
        let (mut entrance, way) = door().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        let (mut other_near, other_far) = UnixStream::pair().unwrap();
        let receiver = std::thread::spawn(move || {
            own_descriptor_table().unwrap();
            let mut taken = Vec::new();
            for number in [7, 3] {
                loop {
                    if let Some(fd) = entrance.take(number).unwrap() {
                        break taken.push(UnixStream::from(fd));
                    }
                    std::thread::yield_now();
                }
            }
            taken[0].write_all(b"seven").unwrap();
            taken[1].write_all(b"three").unwrap();
            assert!(entrance.take(1).unwrap().is_none());
        });
        way.pass(far.as_fd(), 3).unwrap();
        way.pass(other_far.as_fd(), 7).unwrap();
        receiver.join().unwrap();
        drop((far, other_far));
        let mut text = String::new();
        other_near.read_to_string(&mut text).unwrap();
        near.read_to_string(&mut text).unwrap();
        assert_eq!(text, "seventhree");
    }

    #[test]
    fn a_full_door_says_so() {
        let (_entrance, way) = door().unwrap();
        let (_near, far) = UnixStream::pair().unwrap();
        let refused = (0..100_000).find_map(|number| way.pass(far.as_fd(), number).err());
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
