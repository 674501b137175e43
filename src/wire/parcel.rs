//! A message on its way to many recipients: made once in every dialect that one of them speaks, and no other.
//!
//! Owns: which dialects share a form, and the making of each form, once for the whole process however many
//! reactors deliver it. Leaves to others: the bytes of frames ([`super::frame`]), of Engine.IO packets
//! ([`super::engine`]) and their compression ([`super::deflate`]).

use super::deflate;
use super::dialect::Dialect;
use super::engine::{Revision, base64_frame, binary_frame, message_frame};
use super::frame::{Frame, Opcode};
use crate::base::compression::Compression;
use smallvec::SmallVec;
use std::sync::{Arc, OnceLock};

/// One WebSocket or Engine.IO message of several that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A text message.
    Text(Box<str>),
    /// A binary message.
    Binary(Arc<[u8]>),
}

/// A message, or several that are never torn apart: a Socket.IO packet with its attachments.
#[derive(Clone, Debug)]
pub struct Parcel(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// For plain WebSockets only, as nearly all are where nothing else is served: no other form is kept.
    Plain(Frame),
    Forms(Arc<Forms>),
}

#[derive(Debug)]
struct Forms {
    pieces: SmallVec<[Piece; 1]>,
    settings: Settings,
    /// Bytes of all pieces.
    len: usize,
    has_binary: bool,
    made: [OnceLock<Frame>; Dialect::FORMS],
}

/// How a parcel is to be treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who cannot take it now does not get it.
    pub volatile: bool,
    /// How it is compressed for those who take it so; `None`: not.
    pub compression: Option<Compression>,
}

impl From<Frame> for Parcel {
    fn from(frame: Frame) -> Parcel {
        Parcel(Kind::Plain(frame))
    }
}

impl Parcel {
    /// A parcel for links of any dialect.
    pub fn new(pieces: impl IntoIterator<Item = Piece>, settings: Settings) -> Parcel {
        let pieces: SmallVec<[Piece; 1]> = pieces.into_iter().collect();
        let len = pieces.iter().map(Piece::len).sum();
        let has_binary = pieces.iter().any(|piece| matches!(piece, Piece::Binary(_)));
        let made = std::array::from_fn(|_| OnceLock::new());
        Parcel(Kind::Forms(Arc::new(Forms { pieces, settings, len, has_binary, made })))
    }

    /// The message of a WebSocket frame, for links of any dialect.
    ///
    /// A frame that is no message (a control frame, raw bytes) stays what it is and reaches plain WebSockets only.
    pub fn of_frame(frame: &Frame, settings: Settings) -> Parcel {
        let piece = match frame.message() {
            Some((Opcode::Text, payload)) => {
                std::str::from_utf8(payload).ok().map(|text| Piece::Text(text.into()))
            }
            Some((Opcode::Binary, payload)) => Some(Piece::Binary(payload.into())),
            _ => None,
        };
        let Some(piece) = piece else { return Parcel::from(frame.clone()) };
        let parcel = Parcel::new([piece], settings);
        if let Kind::Forms(forms) = &parcel.0 {
            // It is there already; nobody else has the parcel yet.
            let _ = forms.made[Dialect::PLAIN.form_index()].set(frame.clone());
        }
        parcel
    }

    /// The messages that it is made of; none if it is for plain WebSockets only.
    pub fn pieces(&self) -> &[Piece] {
        match &self.0 {
            Kind::Plain(_) => &[],
            Kind::Forms(forms) => &forms.pieces,
        }
    }

    /// The frame that it is, if it is for plain WebSockets only or was made of one.
    pub fn frame(&self) -> Option<&Frame> {
        match &self.0 {
            Kind::Plain(frame) => Some(frame),
            Kind::Forms(forms) => forms.made[Dialect::PLAIN.form_index()].get(),
        }
    }

    /// Whether a recipient that cannot take it now is passed over.
    pub fn is_volatile(&self) -> bool {
        matches!(&self.0, Kind::Forms(forms) if forms.settings.volatile)
    }

    /// About how many bytes it has.
    pub fn len(&self) -> usize {
        match &self.0 {
            Kind::Plain(frame) => frame.len(),
            Kind::Forms(forms) => forms.len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its form in a dialect; `on_made` is called if that had to be made now. Nothing if it has none.
    pub fn form(&self, dialect: Dialect, on_made: impl FnOnce(Dialect)) -> Option<&Frame> {
        match &self.0 {
            Kind::Plain(frame) => dialect.engine_form().is_none().then_some(frame),
            Kind::Forms(forms) => {
                let dialect = forms.shared(dialect);
                Some(forms.made[dialect.form_index()].get_or_init(|| {
                    on_made(dialect);
                    make(&forms.pieces, dialect, forms.settings.compression)
                }))
            }
        }
    }
}

impl Forms {
    /// The dialect whose form this one shares: text looks the same in all of Engine.IO.
    fn shared(&self, dialect: Dialect) -> Dialect {
        let how = self.settings.compression.filter(|_| takes_deflate(&self.pieces, dialect));
        let deflate = how.is_some_and(|how| longest(&self.pieces) >= how.threshold_bytes);
        let engine = dialect.engine_form().is_some() && !self.has_binary;
        let form = if engine { Dialect::engine(Revision::Four, false) } else { dialect.wide() };
        form.with_deflate(deflate)
    }
}

/// Whether a client of this dialect may get these messages compressed.
fn takes_deflate(pieces: &[Piece], dialect: Dialect) -> bool {
    // A packet has a few bytes around its piece.
    let fits = || longest(pieces) + 16 <= Dialect::NARROW_BYTES;
    dialect.is_deflate() && (!dialect.is_narrow() || fits())
}

fn longest(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::len).max().unwrap_or(0)
}

/// The form of messages in a dialect, for one recipient.
pub fn make(pieces: &[Piece], dialect: Dialect, compression: Option<Compression>) -> Frame {
    let compression = compression.filter(|_| takes_deflate(pieces, dialect));
    match pieces {
        [only] => frame(only, dialect, compression),
        several => {
            let mut all = Vec::new();
            several.iter().for_each(|piece| all.extend_from_slice(&frame(piece, dialect, compression)));
            Frame::from_bytes(all)
        }
    }
}

fn frame(piece: &Piece, dialect: Dialect, compression: Option<Compression>) -> Frame {
    let frame = match (piece, dialect.engine_form()) {
        (Piece::Text(text), None) => Frame::text(text),
        (Piece::Binary(bytes), None) => Frame::binary(bytes),
        (Piece::Text(text), Some(_)) => message_frame(text),
        (Piece::Binary(bytes), Some((revision, true))) => base64_frame(revision, bytes),
        (Piece::Binary(bytes), Some((revision, false))) => binary_frame(revision, bytes),
    };
    let deflate = |how: Compression| {
        deflate::with_thread(how.level, |deflater| deflater.frame_if_worth(&frame, how.threshold_bytes))
    };
    compression.and_then(deflate).unwrap_or(frame)
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Piece::Text(text) => text.len(),
            Piece::Binary(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parcel: &Parcel, dialect: Dialect, made: &mut Vec<&'static str>) -> Vec<u8> {
        parcel.form(dialect, |dialect| made.push(dialect.name())).unwrap().to_vec()
    }

    #[test]
    fn text_is_made_once_for_all_of_engine_io() {
        let parcel = Parcel::new([Piece::Text("2[\"e\"]".into())], Settings::default());
        let mut made = Vec::new();
        for revision in [Revision::Three, Revision::Four] {
            for base64 in [false, true] {
                let dialect = Dialect::engine(revision, base64);
                assert_eq!(form(&parcel, dialect, &mut made), b"\x81\x0742[\"e\"]");
                assert_eq!(
                    form(&parcel.clone(), dialect.with_deflate(true), &mut made),
                    b"\x81\x0742[\"e\"]"
                );
            }
        }
        assert_eq!(form(&parcel, Dialect::PLAIN, &mut made), b"\x81\x062[\"e\"]");
        assert_eq!(made, ["eio4", "websocket"]);
    }

    #[test]
    fn a_packet_with_an_attachment_is_one_piece_in_each_dialect() {
        let pieces = [Piece::Text("51-[{}]".into()), Piece::Binary([1u8, 2].as_slice().into())];
        let parcel = Parcel::new(pieces, Settings { volatile: true, compression: None });
        assert!(parcel.is_volatile());
        let mut made = Vec::new();
        let three = Dialect::engine(Revision::Three, false);
        assert_eq!(form(&parcel, three, &mut made), b"\x81\x08451-[{}]\x82\x03\x04\x01\x02");
        let four = Dialect::engine(Revision::Four, false);
        assert_eq!(form(&parcel, four, &mut made), b"\x81\x08451-[{}]\x82\x02\x01\x02");
        let text = Dialect::engine(Revision::Four, true);
        assert_eq!(form(&parcel, text, &mut made), b"\x81\x08451-[{}]\x81\x05bAQI=");
        assert_eq!(made, ["eio3", "eio4", "eio4_base64"]);
    }

    #[test]
    fn a_frame_is_its_own_plain_form() {
        let frame = Frame::text("hi");
        let parcel = Parcel::of_frame(&frame, Settings::default());
        let plain = parcel.form(Dialect::PLAIN, |_| panic!("it is there")).unwrap();
        assert!(plain.same(&frame));
        let engine = parcel.form(Dialect::engine(Revision::Four, false), |_| ()).unwrap();
        assert_eq!(&engine[..], b"\x81\x034hi");
        assert!(Parcel::from(frame).form(Dialect::engine(Revision::Four, false), |_| ()).is_none());
    }
}
