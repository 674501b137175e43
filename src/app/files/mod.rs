//! Files that a server has in memory and answers requests with, below a path.
//!
//! Owns what there is, what is found at a path, and how caches and pages of other origins are told. [`folder`] and
//! [`bundle`] read files, [`file`] is one of them, [`encoding`] understands Accept-Encoding, [`compress`] makes the
//! shorter forms. Leaves to the router which of the files, the routes and the Engine.IO servers of a path serves it.
//!
//! A path is looked up in a table and nowhere else: at the time of a request no file system is asked.

mod answer;
mod bundle;
mod compress;
mod encoding;
mod file;
mod folder;
mod media;

pub use folder::FilesError;

pub(crate) use compress::Compressor;

use super::engine::Cors;
use file::File;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Caches ask every time, so that what changed reaches pages at once; mostly the answer is 304.
const CACHE_CONTROL: &str = "public, max-age=0";
/// What is served where its folder is asked for.
const INDEX: &str = "index.html";
/// What a path may have as it is (RFC 3986, section 2.3), and the slash between its segments.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Files to be served below a path, by [`Builder::files`](crate::Builder::files).
///
/// They are held in memory, because a handler must not wait for a disk, and so are their shorter forms: what is text is
/// sent in gzip or brotli to clients that take it, once a thread of its own has made that; until then it is sent as it
/// is. Answers have an ETag and are answered with 304 to whoever has it. `HEAD` is served as `GET`. Ranges are
/// not served: the answer is always the whole file, for which a client has a minute.
///
/// `index.html` is also what is answered for its folder; for the folder without its last slash, that is 301 to the
/// path with it.
///
/// ```no_run
/// use fanfare::{Files, Server};
///
/// let running = Server::builder()
///     .listen("127.0.0.1:3000".parse()?)
///     .files("/", Files::from_dir("public")?)
///     .files("/socket.io/", Files::socketio_client(".")?)
///     .start()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Files {
    /// By decoded path, without a slash before it.
    entries: HashMap<String, Entry>,
    cache_control: String,
    cors: Cors,
    versions: Vec<String>,
}

enum Entry {
    File(Arc<File>),
    /// It could be there: what is said about that.
    Absent(String),
}

impl Files {
    /// No files yet.
    pub fn new() -> Files {
        Files {
            entries: HashMap::new(),
            cache_control: CACHE_CONTROL.to_owned(),
            cors: Cors::default(),
            versions: Vec::new(),
        }
    }

    /// Adds a file, which is served at this path below the path of all; one that is already there is replaced. The
    /// path is not percent-encoded; the content type is sent as it is.
    pub fn file(self, path: &str, content_type: &str, bytes: impl Into<Vec<u8>>) -> Files {
        let bytes = bytes.into();
        let size = format!("{:x}", bytes.len());
        self.add(path, File::new(content_type, &size, bytes))
    }

    /// Answers a path with 404 and this message, unless there is a file: for what somebody will ask for, and is to be
    /// told how to get.
    pub fn absent(mut self, path: &str, message: &str) -> Files {
        let path = path.trim_start_matches('/');
        if !matches!(self.entries.get(path), Some(Entry::File(_))) {
            self.entries.insert(path.to_owned(), Entry::Absent(message.to_owned()));
        }
        self
    }

    /// What Cache-Control says of every file. Default `public, max-age=0`: caches ask every time whether it is still
    /// the same.
    pub fn cache_control(mut self, value: &str) -> Files {
        self.cache_control = value.to_owned();
        self
    }

    /// Lets pages of other origins read the files. Default none.
    pub fn cors(mut self, cors: Cors) -> Files {
        self.cors = cors;
        self
    }

    /// The versions of the packages that [`Files::socketio_client`] found, the current client's first.
    pub fn versions(&self) -> &[String] {
        &self.versions
    }

    fn add(mut self, path: &str, file: File) -> Files {
        self.entries.insert(path.trim_start_matches('/').to_owned(), Entry::File(Arc::new(file)));
        self
    }

    fn has_file(&self, path: &str) -> bool {
        matches!(self.entries.get(path), Some(Entry::File(_)))
    }
}

impl Default for Files {
    fn default() -> Files {
        Files::new()
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.entries.values().filter(|entry| matches!(entry, Entry::File(_))).count();
        f.debug_struct("Files").field("count", &count).finish_non_exhaustive()
    }
}

/// Files, and below which path they are.
pub(crate) struct FilesAt {
    /// Begins and ends with a slash.
    path: String,
    files: Files,
}

/// What there is at the path of a request.
pub(crate) struct Hit<'a> {
    files: &'a Files,
    what: What<'a>,
}

enum What<'a> {
    File(&'a Arc<File>),
    Absent(&'a str),
    /// A folder without its last slash; it is at this path.
    Folder(String),
}

impl FilesAt {
    pub(crate) fn new(path: &str, files: Files) -> FilesAt {
        let inner = path.trim_matches('/');
        let path = if inner.is_empty() { "/".to_owned() } else { format!("/{inner}/") };
        FilesAt { path, files }
    }

    /// Whether they are in this folder, which ends with a slash.
    pub(crate) fn are_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// What there is at a path, which is as it was sent.
    pub(crate) fn find(&self, path: &str) -> Option<Hit<'_>> {
        let files = &self.files;
        let hit = |what| Some(Hit { files, what });
        let Some(below) = path.strip_prefix(&self.path) else {
            let is_whole = self.path.strip_suffix('/') == Some(path) && files.has_file(INDEX);
            return if is_whole { hit(What::Folder(self.path.clone())) } else { None };
        };
        let below = percent_decode_str(below).decode_utf8().ok()?;
        match files.entries.get(&*below) {
            Some(Entry::File(file)) => return hit(What::File(file)),
            Some(Entry::Absent(message)) => return hit(What::Absent(message)),
            None => {}
        }
        if below.is_empty() || below.ends_with('/') {
            return match files.entries.get(&format!("{below}{INDEX}")) {
                Some(Entry::File(file)) => hit(What::File(file)),
                _ => None,
            };
        }
        let is_folder = files.has_file(&format!("{below}/{INDEX}"));
        let at = || format!("{}{}/", self.path, utf8_percent_encode(&below, ENCODED));
        if is_folder { hit(What::Folder(at())) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(at: &str, path: &str) -> Option<String> {
        let files = Files::new()
            .file("index.html", "text/html", "root")
            .file("/a b/é.txt", "text/plain", "é")
            .file("a b/index.html", "text/html", "a b")
            .file("\\evil/index.html", "text/html", "evil")
            .absent("a b/é.txt", "is there")
            .absent("gone.js", "gone");
        let at = FilesAt::new(at, files);
        at.find(path).map(|hit| match hit.what {
            What::File(file) => String::from_utf8(file.bytes.to_vec()).unwrap(),
            What::Absent(message) => format!("absent: {message}"),
            What::Folder(at) => format!("to {at}"),
        })
    }

    #[test]
    fn a_path_is_looked_up_decoded() {
        for (at, path, expected) in [
            ("/static", "/static/", "root"),
            ("/static/", "/static/index.html", "root"),
            ("static", "/static", "to /static/"),
            ("/static", "/static/a%20b/%C3%A9.txt", "é"),
            ("/static", "/static/a%20b%2F%c3%a9.txt", "é"),
            ("/static", "/static/a%20b", "to /static/a%20b/"),
            ("/static", "/static/a%20b/", "a b"),
            ("/static", "/static/gone.js", "absent: gone"),
            ("/", "/", "root"),
            ("", "/a%20b", "to /a%20b/"),
            // What a browser would take for another host.
            ("/", "/\\evil", "to /%5Cevil/"),
        ] {
            assert_eq!(found(at, path).as_deref(), Some(expected), "{at} {path}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_there() {
        for path in [
            "/",
            "*",
            "/staticx",
            "/static//",
            "/static//index.html",
            "/static/./index.html",
            "/static/../static/index.html",
            "/static/%2e%2e/static/index.html",
            "/static/%2Findex.html",
            "/static/a%2520b/",
            "/static/a b/%E9.txt",
            "/static/index.html/",
            "/static/index.html%00",
            "/static/%",
            "/static/%zz",
            "/Static/",
            "/%73tatic/",
        ] {
            assert_eq!(found("/static", path), None, "{path}");
        }
    }
}
