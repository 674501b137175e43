//! The browser client of Socket.IO: the files of npm's socket.io-client packages, read once before a server starts.
//!
//! Owns which of them are served under which names, and their versions, which are part of their tags.

use super::Files;
use super::file::File;
use super::folder::{FilesError, read};
use serde::Deserialize;
use std::io;
use std::path::Path;

/// What is said where a file would be.
const MISSING: &str = "this file of the browser client is not installed: npm install socket.io-client has it";
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

impl Files {
    /// The browser client of Socket.IO, out of a folder where `npm install socket.io-client` ran: `socket.io.js`,
    /// `socket.io.min.js`, `socket.io.esm.min.js` and `socket.io.msgpack.min.js` with their maps. Pages expect them
    /// below the path of Socket.IO, whose requests are not disturbed by them:
    /// `builder.files("/socket.io/", Files::socketio_client(".")?)`.
    ///
    /// If `npm install socket.io-client-2@npm:socket.io-client@2.5.0` ran there too, the client of 2.x is
    /// `2/socket.io.js` and `2/socket.io.slim.js`. What is not there is answered with 404; older packages have fewer
    /// files.
    ///
    /// This reads files and so is nothing for a handler.
    ///
    /// # Errors
    /// The package is not there, or is not what it should be.
    pub fn socketio_client(dir: impl AsRef<Path>) -> Result<Files, FilesError> {
        let mut files = Files::new();
        for (number, package) in PACKAGES.iter().enumerate() {
            let at = dir.as_ref().join("node_modules").join(package.folder);
            // The one for old pages may be left out.
            if number > 0 && !at.exists() {
                continue;
            }
            let version = version(&at)?;
            for (file, name) in package.names() {
                let is_needed = file == package.scripts[0];
                if let Some(file) = read_file(&at.join("dist").join(&file), &version, is_needed)? {
                    files = files.add(&name, file);
                }
            }
            files.versions.push(version);
        }
        Ok(Files::socketio_client_names().fold(files, |files, name| files.absent(&name, MISSING)))
    }

    /// The paths at which the files of [`Files::socketio_client`] are, whether they are installed or not.
    pub fn socketio_client_names() -> impl Iterator<Item = String> {
        PACKAGES.iter().flat_map(Package::names).map(|(_, name)| name)
    }
}

impl Package {
    /// Its files, each with the name under which it is served.
    fn names(&self) -> impl Iterator<Item = (String, String)> {
        let files = self.scripts.iter().flat_map(|script| [(*script).to_owned(), format!("{script}.map")]);
        files.map(|file| (file.clone(), format!("{}{file}", self.prefix)))
    }
}

/// The version of a package: it becomes part of a header field.
fn version(package: &Path) -> Result<String, FilesError> {
    #[derive(Deserialize)]
    struct Description {
        version: String,
    }
    let path = package.join("package.json");
    let bytes = read(&path, FILE_BYTES)?;
    let Description { version } = serde_json::from_slice(&bytes)
        .map_err(|error| FilesError::Package(path.clone(), error.to_string()))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-+".contains(&byte);
    if !(1..=VERSION_BYTES).contains(&version.len()) || !version.bytes().all(is_plain) {
        return Err(FilesError::Package(path, format!("{version:?} is no version")));
    }
    Ok(version)
}

/// A file; nothing if it is not there and need not be.
fn read_file(path: &Path, version: &str, is_needed: bool) -> Result<Option<File>, FilesError> {
    let bytes = match read(path, FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(FilesError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound && !is_needed => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let is_map = path.extension().is_some_and(|extension| extension == "map");
    let content_type =
        if is_map { "application/json; charset=utf-8" } else { "application/javascript; charset=utf-8" };
    Ok(Some(File::new(content_type, version, bytes)))
}
