//! What is read before a server starts: folders, and the browser client of Socket.IO.

use crate::embedded::Embedded;
use crate::support::Folder;
use crate::{HANDSHAKE, ask, found, get, page, serve, site, socketio};
use fanfare::{Files, FilesError, Server};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::process::Command;

#[test]
fn links_are_followed_within_the_folder() {
    let folder = site();
    symlink(folder.path("site/docs"), folder.path("site/manual")).unwrap();
    symlink("app.js", folder.path("site/latest.js")).unwrap();
    // The folder itself may be one.
    symlink(folder.path("site"), folder.path("www")).unwrap();
    let server = serve("/", Files::from_dir(folder.path("www")).unwrap());
    assert_eq!(page(&server, "/latest.js"), found("let app"));
    assert_eq!(page(&server, "/manual/deep/a%20b%20%C3%A9.txt"), found("deep"));

    let refused = |link: &str, to: &str| {
        let at = folder.path(link);
        symlink(to, &at).unwrap();
        let error = Files::from_dir(folder.path("site")).unwrap_err();
        fs::remove_file(at).unwrap();
        error
    };
    for (link, to) in [
        ("site/secret.txt", "../secret.txt"),
        ("site/docs/up", "../.."),
        ("site/docs/deep/passwd", "/etc/passwd"),
        ("site/root", "/"),
    ] {
        let error = refused(link, to);
        assert!(matches!(&error, FilesError::Outside(path) if *path == folder.path(link)), "{error}");
        assert!(error.to_string().contains("leads out of the folder"), "{error}");
    }
    // A neighbour whose name begins with that of the folder.
    fs::create_dir(folder.path("site-2")).unwrap();
    assert!(matches!(refused("site/two", "../site-2"), FilesError::Outside(_)));
    let nowhere = refused("site/nowhere", "nothing");
    assert!(matches!(&nowhere, FilesError::Io(path, _) if path.ends_with("nowhere")), "{nowhere}");
    assert!(matches!(refused("site/docs/again", ".."), FilesError::TooDeep(_)));
    assert!(Files::from_dir(folder.path("site")).is_ok());
}

#[test]
fn a_folder_that_cannot_be_served_is_refused() {
    let folder = Folder::new();
    let error = Files::from_dir(folder.path("nothing")).unwrap_err();
    assert!(error.to_string().ends_with("nothing: No such file or directory (os error 2)"), "{error}");
    let file = folder.write("file", "");
    assert!(matches!(Files::from_dir(file), Err(FilesError::Io(..))));

    fs::create_dir(folder.path("pipe")).unwrap();
    let pipe = folder.path("pipe/p");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = Files::from_dir(folder.path("pipe")).unwrap_err();
    assert!(matches!(&error, FilesError::NoFile(path) if *path == pipe), "{error}");

    fs::create_dir(folder.path("name")).unwrap();
    fs::write(folder.path("name").join(std::ffi::OsString::from_vec(b"\xff.txt".to_vec())), "").unwrap();
    assert!(matches!(Files::from_dir(folder.path("name")), Err(FilesError::Name(_))));
}

#[test]
fn a_folder_that_is_too_large_is_refused() {
    let folder = Folder::new();
    let inside = |name: &str| {
        fs::create_dir(folder.path(name)).unwrap();
        folder.path(name)
    };
    let large = inside("large");
    fs::File::create(large.join("a")).unwrap().set_len((Files::MAX_BYTES - 10) as u64).unwrap();
    fs::create_dir(large.join("b")).unwrap();
    fs::write(large.join("b/b"), "0123456789").unwrap();
    assert!(Files::from_dir(&large).is_ok());
    fs::write(large.join("b/c"), "x").unwrap();
    let error = Files::from_dir(&large).unwrap_err();
    assert!(matches!(&error, FilesError::TooManyBytes(path) if *path == large), "{error}");
    assert!(error.to_string().ends_with("large: its files have more than 67108864 bytes"), "{error}");

    let many = inside("many");
    for number in 1..Files::MAX_ENTRIES {
        fs::write(many.join(number.to_string()), "").unwrap();
    }
    // Folders count, what is left out does not.
    fs::create_dir(many.join("folder")).unwrap();
    fs::write(many.join(".hidden"), "").unwrap();
    assert!(Files::from_dir(&many).is_ok());
    fs::write(many.join("folder/x"), "").unwrap();
    let error = Files::from_dir(&many).unwrap_err();
    assert!(matches!(&error, FilesError::TooManyEntries(path) if *path == many), "{error}");

    let deep = inside("deep");
    fs::create_dir_all(deep.join("x/".repeat(Files::MAX_DEPTH))).unwrap();
    assert!(Files::from_dir(&deep).is_ok());
    fs::create_dir_all(deep.join("x/".repeat(Files::MAX_DEPTH + 1))).unwrap();
    assert!(matches!(Files::from_dir(&deep), Err(FilesError::TooDeep(_))));
}

/// Installs a package as npm would.
fn package(folder: &Folder, name: &str, version: &str, scripts: &[&str]) {
    let package = folder.path(&format!("node_modules/{name}"));
    fs::create_dir_all(package.join("dist")).unwrap();
    fs::write(package.join("package.json"), format!("{{\"version\":\"{version}\"}}")).unwrap();
    for script in scripts {
        fs::write(package.join("dist").join(script), format!("{name} {script}")).unwrap();
    }
}

#[test]
fn serve_client() {
    let folder = Folder::new();
    package(&folder, "socket.io-client", "4.8.4", &["socket.io.js", "socket.io.js.map", "socket.io.min.js"]);
    let files = Files::socketio_client(folder.path("")).unwrap();
    assert_eq!(files.versions(), ["4.8.4"]);
    let server = Embedded::start(Server::builder().socketio(socketio()).files("/socket.io/", files));
    let answer = get(&server, "/socket.io/socket.io.js");
    assert_eq!((answer.status, answer.text()), (200, "socket.io-client socket.io.js"));
    assert!(answer.header("etag").unwrap().starts_with("\"4.8.4-"));
    let same = format!("If-None-Match: {}\r\n", answer.header("etag").unwrap());
    assert_eq!(ask(&server, "GET", "/socket.io/socket.io.js", &same).status, 304);
    assert_eq!(page(&server, "/socket.io/socket.io.js.map"), found("socket.io-client socket.io.js.map"));
    // Whoever looks for what could be there is told; all else is for Socket.IO.
    for absent in ["socket.io.esm.min.js", "2/socket.io.js"] {
        let answer = get(&server, &format!("/socket.io/{absent}"));
        assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()));
        assert!(answer.text().contains("npm install"));
    }
    assert_eq!(get(&server, "/socket.io/other.js").status, 400);
    assert_eq!(get(&server, HANDSHAKE).status, 200);
    server.websocket("/socket.io/?EIO=4", "");

    package(&folder, "socket.io-client-2", "2.5.0", &["socket.io.js"]);
    let files = Files::socketio_client(folder.path("")).unwrap();
    assert_eq!(files.versions(), ["4.8.4", "2.5.0"]);
    let server = serve("/elsewhere", files);
    assert_eq!(page(&server, "/elsewhere/2/socket.io.js"), found("socket.io-client-2 socket.io.js"));

    let names: Vec<String> = Files::socketio_client_names().collect();
    assert!(names.len() == 12 && names.contains(&"socket.io.msgpack.min.js.map".to_owned()), "{names:?}");
    let empty = Files::socketio_client(folder.path("node_modules")).unwrap_err();
    assert!(matches!(&empty, FilesError::Io(path, _) if path.ends_with("package.json")), "{empty}");
    folder.write("node_modules/socket.io-client/package.json", "{\"version\":\"4\\r\\nX: y\"}");
    assert!(matches!(Files::socketio_client(folder.path("")), Err(FilesError::Package(..))));
}
