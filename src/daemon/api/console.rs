//! `/`, the console: a page that shows what the server does, and lets a person try both protocols.
//!
//! The page is files that the program carries. It asks the API for everything, with the key that the person gives it;
//! what it may load and run is only these files (`Content-Security-Policy`), so that a name that a client chose cannot
//! become part of it.

use super::Api;
use fanfare::{Context, Params, Request, Responder, Response};
use std::sync::Arc;

const PAGE: &str = include_str!("console/index.html");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// What the page loads.
const FILES: [(&str, &str, &str); 8] = [
    ("app.js", SCRIPT, include_str!("console/app.js")),
    ("charts.js", SCRIPT, include_str!("console/charts.js")),
    ("clients.js", SCRIPT, include_str!("console/clients.js")),
    ("dom.js", SCRIPT, include_str!("console/dom.js")),
    ("icon.svg", "image/svg+xml", include_str!("console/icon.svg")),
    ("live.js", SCRIPT, include_str!("console/live.js")),
    ("style.css", STYLE, include_str!("console/style.css")),
    ("try.js", SCRIPT, include_str!("console/try.js")),
];

/// Scripts and styles of its own and nothing else; connections to whatever address the person enters, which is what the
/// page is for.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn home(_: &Arc<Api>, cx: &mut Context<'_>, _: &Request<'_>, _: &Params, responder: Responder) {
    responder.send(cx, guarded(Response::html(200, PAGE)));
}

pub(super) fn file(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    _: &Request<'_>,
    params: &Params,
    responder: Responder,
) {
    let found = FILES.iter().find(|(name, ..)| *name == params.get(0));
    let response = match found {
        Some((_, kind, content)) => guarded(Response::bytes(200, kind, *content)),
        None => Response::error(404, "not_found", "the console has no such file"),
    };
    responder.send(cx, response);
}

/// A new version of the program is a new page, and nobody may frame it or take its files for something else.
fn guarded(response: Response) -> Response {
    response
        .header("Content-Security-Policy", POLICY)
        .header("X-Content-Type-Options", "nosniff")
        .header("Referrer-Policy", "no-referrer")
        .header("Cache-Control", "no-cache")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is between these, in order.
    fn between<'t>(text: &'t str, start: &'t str, end: char) -> impl Iterator<Item = &'t str> {
        text.split(start).skip(1).map(move |rest| rest.split(end).next().unwrap_or_default())
    }

    #[test]
    fn the_page_loads_its_own_files_only() {
        let mut loaded: Vec<&str> =
            between(PAGE, "src=\"", '"').chain(between(PAGE, "href=\"", '"')).collect();
        loaded.retain(|path| !path.starts_with('#') && !path.starts_with("/api/") && *path != "/metrics");
        assert!(loaded.len() >= 2, "{loaded:?}");
        for path in loaded {
            let name = path.strip_prefix("/console/").unwrap_or_else(|| panic!("{path} is another's"));
            assert!(FILES.iter().any(|(file, ..)| *file == name), "{path}");
        }
        for (file, _, text) in FILES {
            for import in between(text, "from './", '\'') {
                assert!(FILES.iter().any(|(name, ..)| *name == import), "{file} imports {import}");
            }
        }
    }

    #[test]
    fn nothing_that_was_sent_becomes_markup() {
        for (file, _, text) in FILES {
            for way in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("]
            {
                assert!(!text.contains(way), "{file} has {way}");
            }
        }
        assert!(!PAGE.contains(" onclick") && !PAGE.contains("<style") && !PAGE.contains(" style="));
    }
}
