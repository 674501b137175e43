//! The files of npm's socket.io-client packages, read once before the server starts.
//!
//! Owns where they are looked for, which of them are served under which names, and their tags.

use super::compress::Form;
use super::encoding::Coding;
use crate::config::SocketIoConfig;
use fanfare::Frame;
use serde::Deserialize;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is said where a file would be.
pub(super) const MISSING: &str = "the browser client is not installed: make run installs it, \
                                  or npm install socket.io-client in the folder that socketio.client_dir names";
/// The largest file that is taken, in bytes: many times what there is.
const FILE_BYTES: u64 = 8 << 20;
/// The longest version that is taken, in bytes.
const VERSION_BYTES: usize = 64;

/// A package in `node_modules`.
struct Package {
    folder: &'static str,
    /// What its files have before their names.
    prefix: &'static str,
    /// In `dist`; each has a map beside it. The first one has to be there.
    scripts: &'static [&'static str],
}

/// The client of today, and the last one of 2.x under a name that npm was told to give it.
const PACKAGES: [Package; 2] = [
    Package {
        folder: "socket.io-client",
        prefix: "",
        scripts: &["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js"],
    },
    Package { folder: "socket.io-client-2", prefix: "2/", scripts: &["socket.io.js", "socket.io.slim.js"] },
];

/// A file as it is served.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content_type: &'static str,
    /// The version and a sum of the content: a cache notices either.
    tag: String,
    pub(super) bytes: Frame,
    gzip: Form,
    brotli: Form,
}

impl File {
    /// Its form in a coding; nothing if that is the file itself.
    pub(super) fn shorter(&self, coding: Coding) -> Option<&Form> {
        match coding {
            Coding::Identity => None,
            Coding::Gzip => Some(&self.gzip),
            Coding::Brotli => Some(&self.brotli),
        }
    }

    /// The tag of one form: forms differ byte by byte, so their tags do.
    pub(super) fn etag(&self, coding: Coding) -> String {
        match coding {
            Coding::Identity => format!("\"{}\"", self.tag),
            _ => format!("\"{}-{}\"", self.tag, coding.name()),
        }
    }

    /// The form that a cache has according to If-None-Match (RFC 9110, section 13.1.2): tags are compared weakly. No
    /// tag of ours has a comma, so that the list may be cut at each.
    pub(super) fn known(&self, tags: &[u8]) -> Option<Coding> {
        let tags = tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let mut tags = tags.map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag));
        let own = Coding::ALL.map(|coding| (coding, self.etag(coding)));
        tags.find_map(|tag| {
            own.iter().find(|(_, etag)| tag == b"*" || tag == etag.as_bytes()).map(|(coding, _)| *coding)
        })
    }
}

/// Everything that is to be served.
#[derive(Debug)]
pub(crate) struct Client {
    /// By name under the path of Socket.IO; nothing where a file is missing.
    pub(super) files: Vec<(String, Option<File>)>,
    versions: Vec<String>,
    /// Why there is none, if it was not said where to look.
    pub(super) problem: Option<String>,
}

impl Client {
    /// Reads the files that are configured.
    ///
    /// # Errors
    /// What is wrong with the folder, if one is configured. What is not there without having been asked for is
    /// answered with 404.
    pub(crate) fn read(config: &SocketIoConfig) -> Result<Client, String> {
        let nothing = |problem: Option<String>| {
            let names = PACKAGES.iter().flat_map(Package::names).map(|(_, name)| (name, None)).collect();
            Client { files: names, versions: Vec::new(), problem }
        };
        if !config.serve_client {
            return Ok(nothing(None));
        }
        if let Some(folder) = &config.client_dir {
            return Client::read_from(folder)
                .map_err(|error| format!("expected a folder where npm installed socket.io-client: {error}"));
        }
        let found = beside_the_program().into_iter().find(|folder| folder.join("node_modules").is_dir());
        Ok(match found.map(|folder| Client::read_from(&folder)) {
            Some(Ok(client)) => client,
            Some(Err(error)) => nothing(Some(error)),
            None => nothing(Some("nothing is beside the program".to_owned())),
        })
    }

    fn read_from(folder: &Path) -> Result<Client, String> {
        let mut client = Client { files: Vec::new(), versions: Vec::new(), problem: None };
        for (number, package) in PACKAGES.iter().enumerate() {
            let at = folder.join("node_modules").join(package.folder);
            // The one for old pages may be left out.
            let version = if number > 0 && !at.exists() { None } else { Some(version(&at)?) };
            for (file, name) in package.names() {
                let file = match &version {
                    None => None,
                    Some(version) => {
                        read_file(&at.join("dist").join(&file), version, file == package.scripts[0])?
                    }
                };
                client.files.push((name, file));
            }
            client.versions.extend(version);
        }
        Ok(client)
    }

    /// The versions of what is served.
    pub(super) fn versions(&self) -> String {
        self.versions.join(" and ")
    }
}

impl Package {
    /// Its files, each with the name under which it is served.
    fn names(&self) -> impl Iterator<Item = (String, String)> {
        let files = self.scripts.iter().flat_map(|script| [(*script).to_owned(), format!("{script}.map")]);
        files.map(|file| (file.clone(), format!("{}{file}", self.prefix)))
    }
}

/// Where it is looked for: what a distribution installs, and what `make run` does.
fn beside_the_program() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let Some(folder) = program.as_deref().and_then(Path::parent) else { return Vec::new() };
    ["client", "../share/fanfare/client", "../../.deps/client"].map(|place| folder.join(place)).into()
}

/// The version of a package: it becomes part of a header field.
fn version(package: &Path) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Description {
        version: String,
    }
    let path = package.join("package.json");
    let bytes = read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let Description { version } =
        serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    if !(1..=VERSION_BYTES).contains(&version.len()) || !version.bytes().all(is_plain) {
        return Err(format!("{}: {version:?} is no version", path.display()));
    }
    Ok(version)
}

/// A file; nothing if it is not there and need not be: older packages have fewer.
fn read_file(path: &Path, version: &str, needed: bool) -> Result<Option<File>, String> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let is_map = path.extension().is_some_and(|extension| extension == "map");
    let mut sum = flate2::Crc::new();
    sum.update(&bytes);
    Ok(Some(File {
        content_type: if is_map {
            "application/json; charset=utf-8"
        } else {
            "application/javascript; charset=utf-8"
        },
        tag: format!("{version}-{:08x}", sum.sum()),
        bytes: Frame::from_bytes(bytes),
        gzip: Form::default(),
        brotli: Form::default(),
    }))
}

/// A regular file that is not too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe would be waited for when it is opened.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(io::Error::other(format!("it is larger than {FILE_BYTES} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_every_form() {
        let file = File {
            content_type: "",
            tag: "4.8.4-0123abcd".to_owned(),
            bytes: Frame::from_bytes([]),
            gzip: Form::default(),
            brotli: Form::default(),
        };
        for (tags, found) in [
            ("\"4.8.4-0123abcd\"", Some(Coding::Identity)),
            ("W/\"4.8.4-0123abcd\"", Some(Coding::Identity)),
            ("\"4.8.4-0123abcd-gzip\"", Some(Coding::Gzip)),
            ("\"x\", \"y,z\" ,\tW/\"4.8.4-0123abcd-br\"", Some(Coding::Brotli)),
            ("*", Some(Coding::Identity)),
            ("", None),
            ("\"\"", None),
            ("4.8.4-0123abcd", None),
            ("\"4.8.4\"", None),
            ("\"4.8.4-0123abce\"", None),
            ("w/\"4.8.4-0123abcd\"", None),
        ] {
            assert_eq!(file.known(tags.as_bytes()), found, "{tags}");
        }
    }
}
