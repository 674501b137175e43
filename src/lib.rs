//! fanfare: a realtime push server and library.
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod wire;
