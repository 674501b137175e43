//! What is installed: files and their places, the papers that the program makes, the units.

use crate::support::{Ended, Folder, Server, fanfare, run};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The most that `systemd-analyze security` may find to say about the service, in tenths; its versions differ a little.
const EXPOSURE: u32 = 15;

/// Runs a program that has to do.
fn done(command: &mut Command) -> Ended {
    let ended = run(command);
    assert_eq!(ended.status, Some(0), "{command:?}: {ended:?}");
    ended
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// `make` in the project, with the program of this test.
fn make(target: &str, folder: &Folder) -> Command {
    let mut command = Command::new("make");
    let variable = |name: &str, value: String| format!("{name}={value}");
    command.current_dir(here()).arg(target).args([
        variable("PROGRAM", env!("CARGO_BIN_EXE_fanfare").to_owned()),
        variable("TARGET", folder.path("target").display().to_string()),
        variable("DESTDIR", folder.path("root").display().to_string()),
        variable("PREFIX", "/opt/f".to_owned()),
    ]);
    // It may be a make that runs this test.
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL"] {
        command.env_remove(name);
    }
    command
}

/// The files below a folder, except those of the browser client, by their paths there.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.retain(|path| !path.contains("/client/"));
    found.sort();
    found
}

const INSTALLED: [&str; 13] = [
    "etc/fanfare/fanfare.toml",
    "opt/f/bin/fanfare",
    "opt/f/lib/systemd/system/fanfare.service",
    "opt/f/lib/systemd/system/fanfare.socket",
    "opt/f/lib/sysusers.d/fanfare.conf",
    "opt/f/share/bash-completion/completions/fanfare",
    "opt/f/share/doc/fanfare/README.md",
    "opt/f/share/doc/fanfare/haproxy.cfg",
    "opt/f/share/doc/fanfare/nginx.conf",
    "opt/f/share/doc/fanfare/tuning.md",
    "opt/f/share/fish/vendor_completions.d/fanfare.fish",
    "opt/f/share/man/man1/fanfare.1",
    "opt/f/share/zsh/site-functions/_fanfare",
];

#[test]
fn what_is_installed_is_complete_works_and_can_be_removed() {
    let folder = Folder::new();
    let root = folder.path("root");
    done(&mut make("install", &folder));
    assert_eq!(files(&root), INSTALLED);

    // A configuration that is there is the operator's.
    let config = root.join("etc/fanfare/fanfare.toml");
    fs::write(&config, "reactors = 2\n").unwrap();
    let again = done(&mut make("install", &folder));
    assert!(again.stdout.contains("stays as it is"), "{again:?}");
    assert_eq!(fs::read_to_string(&config).unwrap(), "reactors = 2\n");

    let mut command = Command::new(root.join("opt/f/bin/fanfare"));
    let server = Server::spawn(command.args(["--listen", "127.0.0.1:0", "-c"]).arg(&config));
    assert_eq!(server.reactors, 2);
    if here().join(".deps/client/node_modules").is_dir() {
        let script = server.get("/socket.io/socket.io.js");
        assert_eq!(script.status, 200, "it finds the browser client beside it: {}", server.log());
        assert!(script.body.contains("Socket.IO v4"), "{}", &script.body[..100]);
    }
    // One that runs can be replaced.
    done(&mut make("install", &folder));

    let unit = fs::read_to_string(root.join("opt/f/lib/systemd/system/fanfare.service")).unwrap();
    assert!(unit.contains("\nExecStart=/opt/f/bin/fanfare --config /etc/fanfare/fanfare.toml\n"), "{unit}");
    assert!(!unit.contains('@') || !unit.contains("@PREFIX@"), "{unit}");

    done(&mut make("uninstall", &folder));
    assert_eq!(files(&root), ["etc/fanfare/fanfare.toml"]);
    assert!(!root.join("opt/f/share/fanfare").exists(), "the browser client is gone, too");
}

#[test]
fn the_tarball_installs_the_same() {
    let folder = Folder::new();
    let made = done(&mut make("dist", &folder));
    let tarball = made.stdout.lines().last().unwrap().to_owned();
    assert!(tarball.ends_with("-linux.tar.gz") && tarball.contains("/dist/fanfare-0.1.0-"), "{tarball}");
    let unpacked = folder.path("unpacked");
    fs::create_dir(&unpacked).unwrap();
    done(Command::new("tar").args(["-xzf", &tarball, "--strip-components=1", "-C"]).arg(&unpacked));
    let root = folder.path("root");
    let script = unpacked.join("install.sh");
    done(Command::new(script).env("DESTDIR", &root).env("PREFIX", "/opt/f").env_remove("SYSCONFDIR"));
    assert_eq!(files(&root), INSTALLED);
    let wrong = run(Command::new(unpacked.join("install.sh")).arg("remove"));
    assert_eq!(wrong.status, Some(2), "{wrong:?}");
}

/// What the program writes for packages.
fn papers(what: &str) -> Folder {
    let folder = Folder::new();
    done(fanfare(&["generate", what]).arg(folder.path("")));
    folder
}

/// Names that stand everywhere: those of flags, and some of keys.
const NAMES: [&str; 3] = ["--listen", "--api-key", "--reactors"];

#[test]
fn the_man_page_has_every_key_and_is_read_without_a_complaint() {
    let folder = papers("man");
    let path = folder.path("fanfare.1");
    if Command::new("man").arg("--version").output().is_err() {
        eprintln!("man is not there: SKIPPED");
        return;
    }
    let mut command = Command::new("man");
    command.args(["--warnings", "-l"]).arg(&path).env("MANWIDTH", "200").env("LC_ALL", "C.UTF-8");
    let shown = done(&mut command);
    assert_eq!(shown.stderr, "", "troff complains");
    // A table of all keys is in the help, too; both are made of the same one.
    let help = done(&mut fanfare(&["--help"])).stdout;
    let keys = help.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(" [env: FANFARE_"));
    let keys: Vec<&str> = keys.map(|(key, _)| key.trim()).filter(|key| !key.starts_with('-')).collect();
    assert!(keys.len() > 30, "{keys:?}");
    for name in keys.into_iter().chain(NAMES).chain(["SIGHUP", "EXIT STATUS", "check"]) {
        assert!(shown.stdout.contains(name), "{name} is not in {}", shown.stdout);
    }
    assert!(!shown.stdout.contains("generate"), "for those who make packages");
}

#[test]
fn completions_are_scripts_of_their_shells() {
    let folder = papers("completions");
    done(Command::new("bash").arg("-n").arg(folder.path("fanfare.bash")));
    for file in ["fanfare.bash", "_fanfare", "fanfare.fish"] {
        let script = fs::read_to_string(folder.path(file)).unwrap();
        for name in NAMES {
            assert!(script.contains(name.trim_start_matches('-')), "{name} is not in {file}");
        }
        assert!(!script.contains("generate"), "{file}");
    }
    // As bash does it.
    let ask = "source \"$1\"; COMP_WORDS=(fanfare check --re); COMP_CWORD=2; _fanfare fanfare --re check; \
               echo \"${COMPREPLY[@]}\"";
    let offered = done(Command::new("bash").args(["-c", ask, "-"]).arg(folder.path("fanfare.bash")));
    assert!(offered.stdout.contains("--reactors") && offered.stdout.contains("--redis"), "{offered:?}");
    assert!(!offered.stdout.contains("--listen"), "{offered:?}");
}

#[test]
fn the_configuration_to_begin_with_says_the_defaults() {
    let folder = papers("config");
    let file = fs::read_to_string(folder.path("fanfare.toml")).unwrap();
    let shown = |file: &str| {
        let path = folder.write("tried.toml", file);
        let shown = done(fanfare(&["check", "-c"]).arg(path)).stdout;
        // Without where each value comes from.
        shown.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let defaults = shown("");
    assert_eq!(shown(&file), defaults, "as it is");
    let set: Vec<String> = file
        .lines()
        .filter(|line| !line.ends_with("= "))
        .map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let keys = set.iter().filter(|line| line.contains(" = ") && !line.starts_with('#')).count();
    assert!(keys > 30, "{set:?}");
    assert_eq!(shown(&set.join("\n")), defaults, "with all of it set");
    // And none is missing.
    let names = defaults.iter().filter_map(|line| line.trim_start_matches("# ").split([' ', '=']).next());
    for name in names.filter(|name| !name.is_empty() && !name.starts_with('[')) {
        assert!(file.lines().any(|line| line.starts_with(&format!("#{name} = "))), "{name} is not in {file}");
    }
}

#[test]
fn the_units_are_right_and_the_service_is_closed() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("systemd-analyze is not there: SKIPPED");
        return;
    }
    let folder = Folder::new();
    let unit = fs::read_to_string(here().join("deploy/fanfare.service")).unwrap();
    // The program has to be there.
    let program = env!("CARGO_BIN_EXE_fanfare");
    let service = folder.write(
        "fanfare.service",
        &unit.replace("@PREFIX@/bin/fanfare", program).replace("@SYSCONFDIR@", "/etc"),
    );
    let socket = fs::read_to_string(here().join("deploy/fanfare.socket")).unwrap();
    let socket = folder.write("fanfare.socket", &socket);
    let verified =
        done(Command::new("systemd-analyze").args(["verify", "--man=no"]).args([&service, &socket]));
    assert_eq!((verified.stdout.as_str(), verified.stderr.as_str()), ("", ""));
    let threshold = format!("--threshold={EXPOSURE}");
    let judged = run(Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &threshold])
        .arg(&service));
    assert_eq!(judged.status, Some(0), "{}", judged.stdout);
}

/// The system calls of a group of systemd's, and of the groups in it.
fn calls(groups: &BTreeMap<String, Vec<String>>, name: &str, found: &mut BTreeSet<String>) {
    for call in &groups[name] {
        match call.starts_with('@') {
            true => calls(groups, call, found),
            false => drop(found.insert(call.clone())),
        }
    }
}

#[test]
fn the_service_may_call_what_the_server_calls() {
    let works = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.is_ok_and(|output| output.status.success())
    };
    // Where nobody may trace, strace is as good as not there.
    if !works("systemd-analyze", "--version") || !works("strace", "true") {
        eprintln!("systemd-analyze or strace is not there: SKIPPED");
        return;
    }
    let listed = run(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager"])).stdout;
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut group = String::new();
    for line in listed.lines() {
        match line.strip_prefix("    ") {
            None => group = line.trim().to_owned(),
            Some(call) if call.starts_with('#') => {}
            Some(call) => groups.entry(group.clone()).or_default().push(call.trim().to_owned()),
        }
    }
    // As the unit says it.
    let unit = fs::read_to_string(here().join("deploy/fanfare.service")).unwrap();
    let mut allowed = BTreeSet::new();
    for names in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let mut named = BTreeSet::new();
        names.trim_start_matches('~').split(' ').for_each(|name| calls(&groups, name, &mut named));
        match names.starts_with('~') {
            true => allowed.retain(|call| !named.contains(call)),
            false => allowed.extend(named),
        }
    }
    assert!(allowed.contains("epoll_wait") && !allowed.contains("setuid"), "{allowed:?}");

    let folder = Folder::new();
    let (trace, socket) = (folder.path("trace"), format!("unix:{}", folder.path("s").display()));
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_fanfare"));
    let arguments = ["--listen", "127.0.0.1:0", "--listen", &socket, "--reactors", "2", "--log", "debug"];
    let mut server = Server::spawn(command.args(arguments).env("FANFARE_DRAIN_SECONDS", "1"));
    // A request of a session moves its connection to another reactor now and then.
    for _ in 0..8 {
        let open = server.get("/socket.io/?EIO=4&transport=polling").body;
        let sid = open.split("\"sid\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        assert_eq!(server.request("POST", &target, "", "40").status, 200);
    }
    for target in ["/metrics", "/api/v1/stats", "/socket.io/socket.io.js", "/readyz"] {
        server.get(target);
    }
    let mut client = server.client("d", "c", "g");
    client.send(r#"{"mode":300,"content":1}"#);
    server.signal("HUP");
    server.wait_for_log("reloaded");
    server.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    drop(client);
    assert_eq!(server.wait().code(), Some(0));
    let trace = fs::read_to_string(trace).unwrap();
    let used = trace.lines().filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('));
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let used: BTreeSet<&str> = used.map(|(name, _)| name).filter(|name| is_name(name)).collect();
    assert!(used.contains("unshare") && used.contains("accept4"), "{used:?}");
    let refused: Vec<_> = used.iter().filter(|call| !allowed.contains(**call)).collect();
    assert!(refused.is_empty(), "{refused:?} would be refused");
}
