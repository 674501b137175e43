//! Protocol sessions: bytes in, events out. No I/O, no clock.
