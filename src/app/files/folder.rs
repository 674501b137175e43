//! Reading files before a server starts: a folder with all that is below it.
//!
//! Owns what is taken and what is refused, and the bounds of it.

use super::{Files, media};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why files cannot be served; each names the file or the folder.
#[derive(Debug)]
pub enum FilesError {
    /// The system does not let it be read.
    Io(PathBuf, io::Error),
    /// It is neither a file nor a folder: a pipe, say.
    NoFile(PathBuf),
    /// It is larger than so many bytes.
    TooLarge(PathBuf, u64),
    /// It is a symbolic link that leads out of the folder that is served.
    Outside(PathBuf),
    /// Its name is not UTF-8, so that no path of a request means it.
    Name(PathBuf),
    /// The files of this folder have more than [`Files::MAX_BYTES`] together.
    TooManyBytes(PathBuf),
    /// This folder has more than [`Files::MAX_ENTRIES`] files and folders.
    TooManyEntries(PathBuf),
    /// It is more than [`Files::MAX_DEPTH`] folders below the one that is served; also where a link leads back up.
    TooDeep(PathBuf),
    /// It does not describe an npm package, for this reason.
    Package(PathBuf, String),
}

impl fmt::Display for FilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use FilesError::*;
        let (Io(path, _)
        | NoFile(path)
        | TooLarge(path, _)
        | Outside(path)
        | Name(path)
        | TooManyBytes(path)
        | TooManyEntries(path)
        | TooDeep(path)
        | Package(path, _)) = self;
        write!(f, "{}: ", path.display())?;
        match self {
            Io(_, error) => error.fmt(f),
            NoFile(_) => f.write_str("it is no file"),
            TooLarge(_, bytes) => write!(f, "it is larger than {bytes} bytes"),
            Outside(_) => f.write_str("the link leads out of the folder"),
            Name(_) => f.write_str("its name is not UTF-8"),
            TooManyBytes(_) => write!(f, "its files have more than {} bytes", Files::MAX_BYTES),
            TooManyEntries(_) => write!(f, "it has more than {} files and folders", Files::MAX_ENTRIES),
            TooDeep(_) => write!(f, "it is more than {} folders deep", Files::MAX_DEPTH),
            Package(_, reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for FilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FilesError::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Files {
    /// The most bytes that the files of a folder may have together: they are held in memory.
    pub const MAX_BYTES: usize = 64 << 20;
    /// The most files and folders below a folder.
    pub const MAX_ENTRIES: usize = 10_000;
    /// How many folders deep a file may be below the folder.
    pub const MAX_DEPTH: usize = 32;

    /// The files of a folder and of the folders in it, as they are now: what changes later is not noticed. Content
    /// types follow from the ends of the names.
    ///
    /// What begins with a dot is left out, as it is seldom meant for others; [`Files::file`] adds it. A symbolic
    /// link is followed within the folder.
    ///
    /// This reads files and so is nothing for a handler.
    ///
    /// # Errors
    /// What cannot be read or served, a link that leads out of the folder, and a folder past a bound.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Files, FilesError> {
        let dir = dir.as_ref();
        let root = fs::canonicalize(dir).map_err(failed(dir))?;
        let mut files = Files::new();
        let (mut bytes, mut entries) = (0, 0);
        let mut folders = vec![(dir.to_owned(), String::new(), 0)];
        while let Some((folder, name, depth)) = folders.pop() {
            for entry in fs::read_dir(&folder).map_err(failed(&folder))? {
                let entry = entry.map_err(failed(&folder))?;
                let path = entry.path();
                if entry.file_name().as_encoded_bytes().starts_with(b".") {
                    continue;
                }
                entries += 1;
                if entries > Files::MAX_ENTRIES {
                    return Err(FilesError::TooManyEntries(dir.to_owned()));
                }
                let Ok(own_name) = entry.file_name().into_string() else {
                    return Err(FilesError::Name(path));
                };
                let name = format!("{name}{own_name}");
                if entry.file_type().map_err(failed(&path))?.is_symlink()
                    && !fs::canonicalize(&path).map_err(failed(&path))?.starts_with(&root)
                {
                    return Err(FilesError::Outside(path));
                }
                if !path.is_dir() {
                    let left = (Files::MAX_BYTES - bytes) as u64;
                    let content = read(&path, left).map_err(|error| match error {
                        FilesError::TooLarge(..) => FilesError::TooManyBytes(dir.to_owned()),
                        error => error,
                    })?;
                    bytes += content.len();
                    files = files.file(&name, media::content_type(&name), content);
                } else if depth == Files::MAX_DEPTH {
                    return Err(FilesError::TooDeep(path));
                } else {
                    folders.push((path, format!("{name}/"), depth + 1));
                }
            }
        }
        Ok(files)
    }
}

/// What the system says of a path.
fn failed(path: &Path) -> impl FnOnce(io::Error) -> FilesError {
    let path = path.to_owned();
    move |error| FilesError::Io(path, error)
}

/// A regular file that is not too large.
pub(super) fn read(path: &Path, most_bytes: u64) -> Result<Vec<u8>, FilesError> {
    // A pipe would be waited for when it is opened.
    if !fs::metadata(path).map_err(failed(path))?.is_file() {
        return Err(FilesError::NoFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed(path))?;
    file.take(most_bytes + 1).read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() as u64 > most_bytes {
        return Err(FilesError::TooLarge(path.to_owned(), most_bytes));
    }
    Ok(bytes)
}
