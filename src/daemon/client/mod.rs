//! The browser client: socket.io-client's own files under the path of Socket.IO, as pages expect them there.
//!
//! Owns what is answered for them: caching (RFC 9110, sections 8.8.3 and 13; RFC 9111, section 5.2), which encoding,
//! and which pages of other origins may read them. [`package`] reads the files, [`encoding`] understands
//! Accept-Encoding, [`compress`] makes the shorter forms.

mod compress;
mod encoding;
mod package;

use crate::config::{Cors, SocketIoConfig};
use compress::Compressor;
use encoding::Coding;
use fanfare::{Builder, Request, Response};
use package::{File, MISSING};
use std::io;
use std::sync::Arc;

pub(crate) use package::Client;

/// Caches ask every time, so that an upgrade of the client reaches pages at once; mostly the answer is 304.
const CACHE_CONTROL: &str = "public, max-age=0";

/// What the handlers share.
struct Shared {
    cors: Cors,
    credentials: bool,
    compressor: Compressor,
}

/// Adds the routes to a server, and says in the log what is not there.
///
/// # Errors
/// The thread that compresses does not start.
pub(crate) fn install(builder: Builder, config: &SocketIoConfig, client: Client) -> io::Result<Builder> {
    if !config.serve_client {
        return Ok(builder);
    }
    match &client.problem {
        Some(problem) => log::warn!("{MISSING} ({problem})"),
        None => log::info!("serving socket.io-client {} at {}", client.versions(), config.path),
    }
    let shared = Arc::new(Shared {
        cors: config.cors.clone(),
        credentials: config.cors_credentials,
        compressor: Compressor::start()?,
    });
    Ok(client.files.into_iter().fold(builder, |builder, (name, file)| {
        let shared = shared.clone();
        let file = file.map(Arc::new);
        builder.route("GET", &format!("{}{name}", config.path), move |cx, request, _, responder| {
            let response = match &file {
                Some(file) => shared.answer(file, request),
                None => Response::error(404, "not_found", MISSING),
            };
            responder.send(cx, shared.share(response, request.header("origin")));
        })
    }))
}

impl Shared {
    fn answer(&self, file: &Arc<File>, request: &Request<'_>) -> Response {
        let known = request.header("if-none-match").and_then(|tags| file.known(tags));
        let response = match known {
            Some(coding) => Response::empty(304).header("ETag", file.etag(coding)),
            None => {
                let (coding, body) = self.body(file, request.header("accept-encoding"));
                let response =
                    Response::shared(200, file.content_type, body).header("ETag", file.etag(coding));
                match coding {
                    Coding::Identity => response,
                    _ => response.header("Content-Encoding", coding.name()),
                }
            }
        };
        response.header("Cache-Control", CACHE_CONTROL).header("Vary", "Accept-Encoding")
    }

    /// The file in the encoding that the client likes best of those that are there. The best one that is not is made
    /// meanwhile, for the next time: a reactor does not wait for it.
    fn body(&self, file: &Arc<File>, accepted: Option<&[u8]>) -> (Coding, fanfare::Frame) {
        let mut asked = false;
        for coding in encoding::accepted(accepted) {
            match file.shorter(coding) {
                None => return (Coding::Identity, file.bytes.clone()),
                Some(form) => match form.get() {
                    Some(Some(bytes)) => return (coding, bytes.clone()),
                    // It was not shorter.
                    Some(None) => {}
                    None if asked => {}
                    None => {
                        asked = true;
                        self.compressor.make(file, coding);
                    }
                },
            }
        }
        (Coding::Identity, file.bytes.clone())
    }

    /// Lets pages of other origins read the answer, as far as that is configured (Fetch, section 3.3).
    fn share(&self, response: Response, origin: Option<&[u8]>) -> Response {
        let origins = match &self.cors {
            Cors::Off => return response,
            Cors::Any => return response.header("Access-Control-Allow-Origin", "*"),
            Cors::Origins(origins) => origins,
        };
        let response = response.header("Vary", "Origin");
        let allowed = origins
            .iter()
            .find(|allowed| origin.is_some_and(|origin| allowed.as_bytes().eq_ignore_ascii_case(origin)));
        match allowed {
            None => response,
            Some(allowed) => {
                let response = response.header("Access-Control-Allow-Origin", allowed.clone());
                if self.credentials {
                    response.header("Access-Control-Allow-Credentials", "true")
                } else {
                    response
                }
            }
        }
    }
}
