//! Which handler serves which method and path.

use super::context::Context;
use super::endpoint::Endpoint;
use super::engine::{Mount, Served};
use super::files::{Compressor, FilesAt, Hit};
use super::http::{Request, Responder};
use super::nodes::OnQuestion;
use super::socketio::{Namespace, Parser, SocketIo, pieces};
use crate::base::compression::Compression;
use crate::wire::frame::Frame;
use crate::wire::parcel::{Parcel, Settings};
use crate::wire::socketio::PacketType;
use compact_str::CompactString;
use percent_encoding::percent_decode_str;
use std::io;
use std::sync::Arc;

/// A handler of HTTP requests.
pub(crate) type RouteFn = Box<dyn Fn(&mut Context<'_>, &Request<'_>, &Params, Responder) + Send + Sync>;

/// What the `{…}` segments of a route's path stand for, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<String>);

impl Params {
    /// The parameter at this place; empty if the route has none there.
    pub fn get(&self, place: usize) -> &str {
        self.0.get(place).map_or("", String::as_str)
    }
}

struct Route {
    method: String,
    segments: Vec<String>,
    /// For operators.
    admin: bool,
    handler: RouteFn,
}

/// All routes and endpoints of a server. Few, and asked once a request: a list.
#[derive(Default)]
pub(crate) struct Router {
    /// Operators have an address of their own; then the others do not serve what is for them.
    pub(crate) separate_admin: bool,
    /// What is agreed on with clients of plain WebSocket endpoints.
    pub(crate) compression: Option<Compression>,
    routes: Vec<Route>,
    endpoints: Vec<(String, Box<dyn Endpoint>)>,
    mounts: Vec<Mount>,
    questions: Vec<(String, OnQuestion)>,
    files: Vec<FilesAt>,
    /// Makes the shorter forms of files; there while a server with files runs.
    pub(crate) compressor: Option<Compressor>,
}

/// What serves a request.
pub(crate) enum Found<'a> {
    /// A route's handler.
    Route(&'a RouteFn, Params),
    /// A file, or what is said of it.
    File(Hit<'a>),
    /// The path is served with other methods only.
    OtherMethods(Vec<&'a str>),
    /// Nothing.
    Nothing,
}

impl Router {
    pub(crate) fn route(&mut self, method: &str, path: &str, admin: bool, handler: RouteFn) {
        let segments = path.split('/').map(str::to_owned).collect();
        self.routes.push(Route { method: method.to_owned(), segments, admin, handler });
    }

    pub(crate) fn endpoint(&mut self, path: &str, endpoint: Box<dyn Endpoint>) {
        self.endpoints.push((path.to_owned(), endpoint));
    }

    pub(crate) fn endpoint_at(&self, path: &str) -> Option<u16> {
        self.endpoints.iter().position(|(at, _)| at == path).map(|number| number as u16)
    }

    pub(crate) fn endpoint_by_number(&self, number: u16) -> &dyn Endpoint {
        &*self.endpoints[usize::from(number)].1
    }

    pub(crate) fn add_mount(&mut self, mount: Mount) {
        self.mounts.push(mount);
    }

    pub(crate) fn add_files(&mut self, files: FilesAt) {
        self.files.push(files);
    }

    /// Starts the thread that the files need, if there are any. It ends with the router.
    pub(crate) fn start_compressor(&mut self) -> io::Result<()> {
        if !self.files.is_empty() {
            self.compressor = Some(Compressor::start()?);
        }
        Ok(())
    }

    /// The Engine.IO server of a path.
    pub(crate) fn mount_at(&self, path: &str) -> Option<u16> {
        self.mounts.iter().position(|mount| mount.options.serves(path)).map(|number| number as u16)
    }

    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    pub(crate) fn mount(&self, number: u16) -> &Mount {
        &self.mounts[usize::from(number)]
    }

    /// The number of the namespace of a mount that has this name and no other.
    pub(crate) fn namespace_number(&self, mount: u16, namespace: &str) -> Option<u16> {
        match &self.mount(mount).served {
            Served::SocketIo(socketio) => socketio.find(namespace),
            Served::Endpoint(_) => None,
        }
    }

    /// Whether there is such a namespace.
    pub(crate) fn has_namespace(&self, is_such: impl Fn(&Namespace) -> bool) -> bool {
        self.socketios().any(|(_, socketio)| socketio.namespaces().any(&is_such))
    }

    /// Whether the namespace of this name, or one that may be of this name, is such.
    pub(crate) fn may_be(&self, name: &str, is_such: impl Fn(&Namespace) -> bool) -> bool {
        self.socketios().any(|(_, socketio)| match socketio.find(name) {
            Some(definition) => is_such(socketio.namespace_at(definition)),
            None => socketio.namespaces().any(|namespace| namespace.name().is_none() && is_such(namespace)),
        })
    }

    /// How the packets of a namespace are written.
    pub(crate) fn parser_of(&self, namespace: &str) -> Parser {
        self.serving(namespace).next().map_or(Parser::Json, |(_, parser)| parser)
    }

    /// Where there may be sockets in a namespace, and their parser: where it is defined by its name or, if it is
    /// nowhere, where it may be a dynamic one.
    fn serving<'r>(&'r self, name: &'r str) -> impl Iterator<Item = (&'r Mount, Parser)> {
        let is_explicit = self.socketios().any(|(_, socketio)| socketio.find(name).is_some());
        self.socketios().filter_map(move |(mount, socketio)| {
            let found = if is_explicit { socketio.find(name) } else { socketio.presume(name) };
            Some((mount, socketio.namespace_at(found?).parser))
        })
    }

    fn socketios(&self) -> impl Iterator<Item = (&Mount, &SocketIo)> {
        self.mounts.iter().filter_map(|mount| match &mount.served {
            Served::SocketIo(socketio) => Some((mount, &**socketio)),
            Served::Endpoint(_) => None,
        })
    }

    /// Whether every name of a namespace has one parser, as far as programs have to see to that.
    pub(crate) fn has_settled_parsers(&self) -> bool {
        self.socketios().all(|(_, one)| {
            one.has_settled_parsers() && self.socketios().all(|(_, other)| one.agrees_with(other))
        })
    }

    /// A frame on its way to sockets of any dialect.
    pub(crate) fn parcel(&self, frame: &Frame) -> Parcel {
        if !self.has_many_dialects() {
            return Parcel::from(frame.clone());
        }
        Parcel::of_frame(frame, Settings { volatile: false, compression: self.endpoint_compression() })
    }

    /// An event of a namespace, as another node tells it, on its way to sockets of any dialect.
    pub(crate) fn event_parcel(
        &self,
        namespace: &str,
        (data, attachments): (&str, &[Arc<[u8]>]),
        (id, volatile): (Option<u64>, bool),
    ) -> Parcel {
        let kind = if attachments.is_empty() { PacketType::Event } else { PacketType::BinaryEvent };
        let made = pieces(self.parser_of(namespace), kind, namespace, id, data, attachments);
        Parcel::new(made, Settings { volatile, compression: self.namespace_compression(namespace) })
    }

    /// Answers questions of this name of other nodes.
    pub(crate) fn add_question(&mut self, name: &str, handler: OnQuestion) {
        self.questions.push((name.to_owned(), handler));
    }

    /// Who answers questions of this name.
    pub(crate) fn question(&self, name: &str) -> Option<&OnQuestion> {
        self.questions.iter().find(|(known, _)| known == name).map(|(_, handler)| handler)
    }

    /// The names of the namespaces that are always there.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = &str> {
        let all = self.socketios().flat_map(|(_, socketio)| socketio.namespaces());
        all.filter_map(|namespace| namespace.name().map(CompactString::as_str))
    }

    /// How what endpoints publish is compressed.
    pub(crate) fn endpoint_compression(&self) -> Option<Compression> {
        let engines = self.mounts.iter().filter(|mount| matches!(mount.served, Served::Endpoint(_)));
        self.compression.or_else(|| engines.filter_map(|mount| mount.options.compression).next())
    }

    /// How what is sent in a namespace is compressed.
    pub(crate) fn namespace_compression(&self, namespace: &str) -> Option<Compression> {
        self.serving(namespace).find_map(|(mount, _)| mount.options.compression)
    }

    /// Whether what an endpoint publishes may be for sockets of several dialects.
    pub(crate) fn has_many_dialects(&self) -> bool {
        self.compression.is_some()
            || self.mounts.iter().any(|mount| matches!(mount.served, Served::Endpoint(_)))
    }

    /// HEAD is served as GET; whoever sends the answer leaves out its body.
    ///
    /// An address for operators serves every route, the others only those that are not for operators.
    pub(crate) fn find(&self, method: &str, path: &str, on_admin: bool) -> Found<'_> {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut others = Vec::new();
        for route in &self.routes {
            if route.admin && self.separate_admin && !on_admin {
                continue;
            }
            let Some(params) = matches(&route.segments, path) else { continue };
            if route.method == method {
                return Found::Route(&route.handler, params);
            }
            others.push(route.method.as_str());
        }
        match self.file_at(path, on_admin) {
            Some(hit) if method == "GET" => return Found::File(hit),
            Some(_) if !others.contains(&"GET") => others.push("GET"),
            _ => {}
        }
        if others.is_empty() { Found::Nothing } else { Found::OtherMethods(others) }
    }

    /// What files there are at a path. An Engine.IO server has what is below its path, but for files that are
    /// added there, and its path itself.
    fn file_at(&self, path: &str, on_admin: bool) -> Option<Hit<'_>> {
        let mount = self.mount_at(path).filter(|_| !on_admin).map(|number| &*self.mount(number).options.path);
        if mount.is_some_and(|mount| path.len() <= mount.len()) {
            return None;
        }
        let mut files = self.files.iter().filter(|at| mount.is_none_or(|mount| at.are_in(mount)));
        files.find_map(|at| at.find(path))
    }
}

fn matches(segments: &[String], path: &str) -> Option<Params> {
    let mut params = Params::default();
    let mut parts = path.split('/');
    for segment in segments {
        let part = parts.next()?;
        if segment.starts_with('{') {
            let decoded = percent_decode_str(part).decode_utf8().ok()?;
            if decoded.is_empty() {
                return None;
            }
            params.0.push(decoded.into_owned());
        } else if segment != part {
            return None;
        }
    }
    parts.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(route: &str, path: &str) -> Option<Vec<String>> {
        let segments: Vec<String> = route.split('/').map(str::to_owned).collect();
        matches(&segments, path).map(|params| params.0)
    }

    #[test]
    fn segments_match_whole_and_parameters_are_decoded() {
        assert_eq!(params("/a/b", "/a/b"), Some(vec![]));
        assert_eq!(params("/a/b", "/a/b/"), None);
        assert_eq!(params("/a/b", "/a"), None);
        assert_eq!(params("/a/{x}/c", "/a/d%2F1/c"), Some(vec!["d/1".to_owned()]));
        assert_eq!(params("/a/{x}/c", "/a//c"), None);
        assert_eq!(params("/a/{x}", "/a/%FF"), None);
    }
}
