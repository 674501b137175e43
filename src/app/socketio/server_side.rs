//! Events between the servers of a cluster.
//!
//! Owns: what a program says and hears. Leaves to others: how it reaches the other servers. There is no cluster yet, so
//! that there are none.

use super::error::{Error, Outcome};
use super::namespace::Namespace;
use crate::app::context::Context;
use crate::app::engine::Served;
use crate::app::handle::{Handle, Via};
use crate::wire::socketio::args::{Args, ArgsRef};
use crate::wire::socketio::value::ToArgs;
use serde::Deserialize;

/// What happens on a server itself, and none may claim of another.
const RESERVED: [&str; 3] = ["connect", "connection", "new_namespace"];

pub(super) type OnServerSide =
    Box<dyn Fn(&mut Context<'_>, &mut ServerEvent<'_>) -> Result<(), Error> + Send + Sync>;
/// Called with what is acknowledged to another server.
pub type ServerAck = Box<dyn FnOnce(&mut Context<'_>, Args)>;

/// An event of another server, lent for the call.
pub struct ServerEvent<'a> {
    name: &'a str,
    args: ArgsRef<'a>,
    ack: Option<ServerAck>,
}

impl std::fmt::Debug for ServerEvent<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerEvent")
            .field("name", &self.name)
            .field("args", &self.args)
            .finish_non_exhaustive()
    }
}

impl<'a> ServerEvent<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Its arguments, as they came.
    pub fn args(&self) -> ArgsRef<'a> {
        self.args
    }

    /// Its arguments as values: a tuple is read from as many of them, anything else from the first one.
    ///
    /// # Errors
    /// One is missing or of another type.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, Error> {
        Ok(self.args.parse()?)
    }

    /// Acknowledges the event, if the other server wants that and it was not done before.
    ///
    /// # Errors
    /// The arguments cannot be sent.
    pub fn ack(&mut self, cx: &mut Context<'_>, args: impl ToArgs) -> Result<(), Error> {
        let args = args.to_args()?.into_owned();
        if let Some(ack) = self.ack.take() {
            ack(cx, args);
        }
        Ok(())
    }
}

impl Namespace {
    /// Another server of the cluster emitted an event of this name to this namespace; told on one reactor. An error that
    /// a handler returns is logged. See [`Context::server_side_emit`].
    pub fn on_server_side<R: Outcome>(
        mut self,
        event: &str,
        handler: impl Fn(&mut Context<'_>, &mut ServerEvent<'_>) -> R + Send + Sync + 'static,
    ) -> Namespace {
        let handlers = self.listeners.server_side.entry(event.to_owned()).or_default();
        handlers.push(Box::new(move |cx, event| handler(cx, event).into_result()));
        self
    }
}

impl Context<'_> {
    /// Emits an event to a namespace of the other servers of the cluster, not of this one: to their handlers of
    /// [`Namespace::on_server_side`], and to no client. A server that is in no cluster has no others.
    ///
    /// # Errors
    /// The name is `connect`, `connection` or `new_namespace`, or the arguments cannot be sent.
    pub fn server_side_emit(&mut self, namespace: &str, event: &str, args: impl ToArgs) -> Result<(), Error> {
        check(namespace, event, args)
    }

    /// The same; `done` is called, once, with what each of the other servers acknowledged. Without others that is at
    /// once, and nothing.
    ///
    /// # Errors
    /// Those of [`Context::server_side_emit`]; then `done` is not called.
    pub fn server_side_emit_with_ack(
        &mut self,
        namespace: &str,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Context<'_>, Vec<Args>) + Send + 'static,
    ) -> Result<(), Error> {
        check(namespace, event, args)?;
        nobody_answers(self, done);
        Ok(())
    }

    /// Tells the handlers of [`Namespace::on_server_side`] what another server emitted, and `ack` what they acknowledge,
    /// if that is wanted. For whatever carries events between servers.
    ///
    /// # Errors
    /// The arguments cannot be sent.
    pub fn server_side(
        &mut self,
        namespace: &str,
        event: &str,
        args: impl ToArgs,
        ack: Option<ServerAck>,
    ) -> Result<(), Error> {
        let args = args.to_args()?;
        let mut told = ServerEvent { name: event, args: args.as_ref().as_ref(), ack };
        let router = self.core.router.clone();
        for mount in router.mounts() {
            let Served::SocketIo(socketio) = &mount.served else { continue };
            let Some(number) = socketio.find(namespace) else { continue };
            let handlers = &socketio.namespace_at(number).listeners.server_side;
            for handler in handlers.get(event).into_iter().flatten() {
                self.guarded("a handler of server-side events", |cx| {
                    if let Err(error) = handler(cx, &mut told) {
                        log::warn!("server-side event {event:?}: {error}");
                    }
                });
            }
        }
        Ok(())
    }
}

impl Handle {
    /// The same as [`Context::server_side_emit`], from any thread.
    ///
    /// # Errors
    /// Those of [`Context::server_side_emit`].
    pub fn server_side_emit(&self, namespace: &str, event: &str, args: impl ToArgs) -> Result<(), Error> {
        check(namespace, event, args)
    }

    /// The same as [`Context::server_side_emit_with_ack`], from any thread; `done` is called on a reactor.
    ///
    /// # Errors
    /// Those of [`Context::server_side_emit`]; then `done` is not called.
    pub fn server_side_emit_with_ack(
        &self,
        namespace: &str,
        event: &str,
        args: impl ToArgs,
        done: impl FnOnce(&mut Context<'_>, Vec<Args>) + Send + 'static,
    ) -> Result<(), Error> {
        check(namespace, event, args)?;
        nobody_answers(self, done);
        Ok(())
    }
}

/// All that there is to it while there are no other servers.
fn check(namespace: &str, event: &str, args: impl ToArgs) -> Result<(), Error> {
    if RESERVED.contains(&event) {
        return Err(Error::ReservedEvent(event.to_owned()));
    }
    args.to_args()?;
    log::debug!("server-side event {event:?} of {namespace:?}: there are no other servers");
    Ok(())
}

fn nobody_answers(via: impl Via, done: impl FnOnce(&mut Context<'_>, Vec<Args>) + Send + 'static) {
    via.carry(128, |cx| cx.guarded("the callback of a server-side event", |cx| done(cx, Vec::new())));
}
