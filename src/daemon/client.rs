//! The browser client: socket.io-client's own files under the path of Socket.IO, as pages expect them there.
//!
//! Owns where they are looked for and what is said where they are not. Reading and serving them is the library's.

use crate::config::SocketIoConfig;
use crate::events;
use fanfare::{Builder, Files, FilesError};
use std::path::{Path, PathBuf};

/// What is said where a file would be.
const MISSING: &str = "the browser client is not installed: make run installs it, \
                       or npm install socket.io-client in the folder that socketio.client_dir names";

/// Everything that is to be served.
#[derive(Debug)]
pub(crate) struct Client {
    files: Files,
    /// Why there is none, if it was not said where to look.
    problem: Option<String>,
}

impl Client {
    /// Reads the files that are configured.
    ///
    /// # Errors
    /// What is wrong with the folder, if one is configured. What is not there without having been asked for is
    /// answered with 404.
    pub(crate) fn read(config: &SocketIoConfig) -> Result<Client, String> {
        let nothing = |problem: Option<String>| Client { files: Files::new(), problem };
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
            Some(Err(error)) => nothing(Some(error.to_string())),
            None => nothing(Some("nothing is beside the program".to_owned())),
        })
    }

    fn read_from(folder: &Path) -> Result<Client, FilesError> {
        Ok(Client { files: Files::socketio_client(folder)?, problem: None })
    }
}

/// Adds the files to a server, and says in the log what is not there.
pub(crate) fn install(builder: Builder, config: &SocketIoConfig, client: Client) -> Builder {
    if !config.serve_client {
        return builder;
    }
    let Client { files, problem } = client;
    match problem {
        Some(problem) => log::warn!("{MISSING} ({problem})"),
        None => {
            log::info!("serving socket.io-client {} at {}", files.versions().join(" and "), config.path);
        }
    }
    let files = Files::socketio_client_names().fold(files, |files, name| files.absent(&name, MISSING));
    builder.files(&config.path, files.cors(events::cors(config)))
}

/// Where it is looked for: what a distribution installs, and what `make run` does.
fn beside_the_program() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let Some(folder) = program.as_deref().and_then(Path::parent) else { return Vec::new() };
    ["client", "../share/fanfare/client", "../../.deps/client"].map(|place| folder.join(place)).into()
}
