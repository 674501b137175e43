//! The load tool of fanfare.
fn main() {}
