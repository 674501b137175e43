//! One file as it is served: its bytes, its shorter forms, and the tags by which caches know them (RFC 9110,
//! sections 8.8.3 and 13.1.2).

use super::compress::Form;
use super::encoding::Coding;
use super::media;
use crate::wire::frame::Frame;

pub(super) struct File {
    pub(super) content_type: String,
    /// What its reader knows of it, and a sum of the content: a cache notices either.
    tag: String,
    pub(super) bytes: Frame,
    /// Nothing if compressing it again would be in vain.
    forms: Option<Forms>,
}

#[derive(Default)]
struct Forms {
    gzip: Form,
    brotli: Form,
}

impl File {
    /// `mark` becomes part of the tags: no quotes, no commas.
    pub(super) fn new(content_type: &str, mark: &str, bytes: Vec<u8>) -> File {
        let mut sum = flate2::Crc::new();
        sum.update(&bytes);
        File {
            content_type: content_type.to_owned(),
            tag: format!("{mark}-{:08x}", sum.sum()),
            bytes: Frame::from_bytes(bytes),
            forms: media::is_compressible(content_type).then(Forms::default),
        }
    }

    /// Whether it has other forms than itself.
    pub(super) fn varies(&self) -> bool {
        self.forms.is_some()
    }

    /// Its form in a coding; nothing if that is the file itself.
    pub(super) fn shorter(&self, coding: Coding) -> Option<&Form> {
        let forms = self.forms.as_ref()?;
        match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(&forms.gzip),
            Coding::Brotli => Some(&forms.brotli),
        }
    }

    /// The tag of one form: forms differ byte by byte, so their tags do.
    pub(super) fn etag(&self, coding: Coding) -> String {
        match coding {
            Coding::Identity => format!("\"{}\"", self.tag),
            _ => format!("\"{}-{}\"", self.tag, coding.name()),
        }
    }

    /// The form that a cache has according to a line of If-None-Match: tags are compared weakly. No tag of ours has a
    /// comma, so that the list may be cut at each.
    pub(super) fn known(&self, tags: &[u8]) -> Option<Coding> {
        let tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let mut tags = tags.map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag));
        let own = Coding::ALL.map(|coding| (coding, self.etag(coding)));
        tags.find_map(|tag| {
            own.iter().find(|(_, etag)| tag == b"*" || tag == etag.as_bytes()).map(|(coding, _)| *coding)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_every_form() {
        // The sum of nothing is 0.
        let file = File::new("text/plain", "4.8.4", Vec::new());
        for (tags, found) in [
            ("\"4.8.4-00000000\"", Some(Coding::Identity)),
            ("W/\"4.8.4-00000000\"", Some(Coding::Identity)),
            ("\"4.8.4-00000000-gzip\"", Some(Coding::Gzip)),
            ("\"x\", \"y,z\" ,\tW/\"4.8.4-00000000-br\"", Some(Coding::Brotli)),
            ("*", Some(Coding::Identity)),
            ("", None),
            ("\"\"", None),
            ("4.8.4-00000000", None),
            ("\"4.8.4\"", None),
            ("\"4.8.4-00000001\"", None),
            ("w/\"4.8.4-00000000\"", None),
        ] {
            assert_eq!(file.known(tags.as_bytes()), found, "{tags}");
        }
    }
}
