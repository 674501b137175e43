//! Handlers that panic: whom that ends, and nobody else.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a handler said when it panicked.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

/// Runs a handler of the program.
///
/// What it may have left half done is its own: the server's own state is changed by calls that it makes, and each of
/// those is whole when it returns.
pub(crate) fn guard<R>(handler: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(handler)).map_err(|payload| Panicked(message(&*payload)))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
