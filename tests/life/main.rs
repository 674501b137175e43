//! The program's life as whoever runs it sees it: what a service manager is told and passes on, the reload, the drain.

mod activation;
mod drain;
mod manager;
mod packages;
mod reload;
#[path = "../support/mod.rs"]
mod support;
