//! `POST /api/v1/publish`: messages from other programs, and the report of what became of each.

use super::Api;
use super::body::{BadBody, Body, MAX_MESSAGES, Parcel};
use fanfare::{Context, DeliveryReport, Params, Request, Responder, Response};
use serde::Serialize;
use std::cell::RefCell;
use std::iter::Enumerate;
use std::rc::Rc;
use std::sync::Arc;
use std::vec::IntoIter;

pub(super) fn serve(
    _: &Arc<Api>,
    cx: &mut Context<'_>,
    request: &Request<'_>,
    _: &Params,
    responder: Responder,
) {
    match read(request) {
        Ok(Body::One(parcel)) => cx.publish_with(&parcel.to, &parcel.frame, move |cx, report| {
            responder.send(cx, Response::json(200, &Report::from(report)));
        }),
        Ok(Body::Many(parcels)) if parcels.is_empty() => {
            responder.send(cx, Response::json(200, &[(); 0]));
        }
        Ok(Body::Many(parcels)) => {
            let batch = Rc::new(RefCell::new(Batch::new(parcels.len(), responder)));
            publish(cx, parcels.into_iter().enumerate(), batch);
        }
        Err(refusal) => {
            let why = String::from_utf8_lossy(&refusal.body).into_owned();
            log::info!("{}: publish refused with {}: {why}", request.peer(), refusal.status);
            responder.send(cx, refusal);
        }
    }
}

/// Publishes one after the other; when so much is queued that it should be sent first, the rest comes after that.
fn publish(cx: &mut Context<'_>, mut parcels: Enumerate<IntoIter<Parcel>>, batch: Rc<RefCell<Batch>>) {
    while let Some((place, parcel)) = parcels.next() {
        let reports = batch.clone();
        cx.publish_with(&parcel.to, &parcel.frame, move |cx, report| {
            let whole = reports.borrow_mut().reported(place, report);
            if let Some((responder, response)) = whole {
                responder.send(cx, response);
            }
        });
        if cx.is_congested() {
            return cx.later(move |cx| publish(cx, parcels, batch));
        }
    }
}

/// Nothing is sent before all of it is understood.
fn read(request: &Request<'_>) -> Result<Body, Response> {
    if !request.header("content-type").is_none_or(is_taken) {
        let message = "expected Content-Type: application/json";
        return Err(Response::error(415, "unsupported_media_type", message));
    }
    Body::parse(request.body()).map_err(|error| match error {
        BadBody::Bad(message) => super::bad_request(&message),
        BadBody::TooMany => {
            Response::error(413, "too_large", &format!("{MAX_MESSAGES} messages at most in one request"))
        }
    })
}

/// `application/json`, a type with the suffix `+json`, or what curl and others say when they were not told;
/// parameters do not matter.
fn is_taken(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["application/json", "application/x-www-form-urlencoded"].contains(&essence.as_str())
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The reports of an array, in its order.
struct Batch {
    reports: Vec<Report>,
    /// How many of them are still to come.
    missing: usize,
    responder: Option<Responder>,
}

impl Batch {
    fn new(count: usize, responder: Responder) -> Batch {
        let reports = vec![Report::from(DeliveryReport::default()); count];
        Batch { reports, missing: count, responder: Some(responder) }
    }

    /// Keeps one report; the last one makes the answer.
    fn reported(&mut self, place: usize, report: DeliveryReport) -> Option<(Responder, Response)> {
        self.reports[place] = report.into();
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        let response = Response::json(200, &self.reports);
        self.responder.take().map(|responder| (responder, response))
    }
}

/// A delivery report as it is told.
#[derive(Clone, Debug, Serialize)]
struct Report {
    matched: u64,
    written: u64,
    queued: u64,
    dropped: Dropped,
    nodes: Nodes,
}

#[derive(Clone, Debug, Serialize)]
struct Dropped {
    slow: u64,
    volatile: u64,
    closed: u64,
    busy: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Nodes {
    asked: u64,
    answered: u64,
}

impl From<DeliveryReport> for Report {
    fn from(report: DeliveryReport) -> Report {
        let DeliveryReport {
            matched,
            written,
            queued,
            dropped_slow,
            dropped_volatile,
            dropped_closed,
            dropped_busy,
        } = report;
        Report {
            matched,
            written,
            queued,
            dropped: Dropped {
                slow: dropped_slow,
                volatile: dropped_volatile,
                closed: dropped_closed,
                busy: dropped_busy,
            },
            // This one, as long as there is no cluster.
            nodes: Nodes { asked: 1, answered: 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_several_names() {
        for json in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.a+json ;x=1"] {
            assert!(is_taken(json.as_bytes()), "{json}");
        }
        for other in ["", "text/plain", "multipart/form-data", "application/jsonp", "json", "\u{e9}"] {
            assert!(!is_taken(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_report_tells_every_reason() {
        let report =
            DeliveryReport { matched: 9, written: 3, queued: 2, dropped_slow: 4, ..Default::default() };
        let text = serde_json::to_string(&Report::from(report)).unwrap();
        let expected = r#"{"matched":9,"written":3,"queued":2,"dropped":{"slow":4,"volatile":0,"closed":0,"busy":0},"nodes":{"asked":1,"answered":1}}"#;
        assert_eq!(text, expected);
    }
}
