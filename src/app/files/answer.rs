//! The answer to a request for a file: caching (RFC 9110, sections 8.8.3 and 13; RFC 9111, section 5.2), which
//! encoding, and which pages of other origins may read it.

use super::compress::Compressor;
use super::encoding::{self, Coding};
use super::file::File;
use super::{Files, Hit, What};
use crate::app::http::Request;
use crate::wire::frame::Frame;
use crate::wire::response::Response;
use std::sync::Arc;

impl Hit<'_> {
    /// The answer. Without a compressor, every file is sent as it is.
    pub(crate) fn answer(&self, request: &Request<'_>, compressor: Option<&Compressor>) -> Response {
        let response = match &self.what {
            What::File(file) => self.files.give(file, request, compressor),
            What::Absent(message) => Response::error(404, "not_found", message),
            What::Folder(path) => {
                let query = request.inner.head.query();
                let mark = if query.is_empty() { "" } else { "?" };
                Response::redirect(301, &format!("{path}{mark}{query}"))
            }
        };
        let origin = request.header("origin").and_then(|origin| std::str::from_utf8(origin).ok());
        self.files.cors.apply(origin, response)
    }
}

impl Files {
    fn give(&self, file: &Arc<File>, request: &Request<'_>, compressor: Option<&Compressor>) -> Response {
        let known = request.inner.head.all("if-none-match").find_map(|tags| file.known(tags));
        let response = match known {
            Some(coding) => Response::empty(304).header("ETag", file.etag(coding)),
            None => {
                let accepted = request.inner.head.all("accept-encoding").collect::<Vec<_>>().join(&b","[..]);
                let (coding, body) = body(file, &accepted, compressor);
                let response =
                    Response::shared(200, &file.content_type, body).header("ETag", file.etag(coding));
                match coding {
                    Coding::Identity => response,
                    _ => response.header("Content-Encoding", coding.name()),
                }
            }
        };
        let response = response.header("Cache-Control", self.cache_control.clone());
        if file.varies() { response.header("Vary", "Accept-Encoding") } else { response }
    }
}

/// The file in the encoding that the client likes best of those that are there. The best one that is not is made
/// meanwhile, for the next time: a reactor does not wait for it.
fn body(file: &Arc<File>, accepted: &[u8], compressor: Option<&Compressor>) -> (Coding, Frame) {
    let mut maker = compressor;
    for coding in encoding::accepted(accepted) {
        let Some(form) = file.shorter(coding) else { break };
        match form.get() {
            Some(Some(bytes)) => return (coding, bytes.clone()),
            // It was not shorter.
            Some(None) => {}
            None => {
                if let Some(compressor) = maker.take() {
                    compressor.make(file, coding);
                }
            }
        }
    }
    (Coding::Identity, file.bytes.clone())
}
