//! fanfare: a realtime push server and library.
#[doc(hidden)]
pub mod base;
#[doc(hidden)]
pub mod hub;
#[doc(hidden)]
pub mod reactor;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod wire;
