//! The program as its users meet it: configuration, refusals, the ready line, signals, exit status.

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use support::{Ended, Folder, PATIENCE, Received, Reply, Server, Ws, fanfare, run};

/// Runs the program and expects an error of usage or configuration: what it said.
fn refused(arguments: &[&str]) -> String {
    usage_error(run(&mut fanfare(arguments)))
}

fn usage_error(ended: Ended) -> String {
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert_eq!(ended.stdout, "", "nothing but errors is said");
    one_line(&ended.stderr)
}

fn one_line(stderr: &str) -> String {
    let line = stderr.strip_prefix("fanfare: ").unwrap_or_else(|| panic!("no error: {stderr:?}"));
    let line = line.strip_suffix('\n').unwrap_or(line);
    assert!(!line.contains('\n'), "more than one line: {line:?}");
    line.to_owned()
}

/// What `fanfare check` prints for this file and environment.
fn checked(folder: &Folder, file: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    let path = folder.write("checked.toml", file);
    let mut command = fanfare(&["check", "-c", path.to_str().unwrap()]);
    let ended = run(command.args(flags).envs(environment.iter().copied()));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.stderr, "");
    ended.stdout
}

/// The value that `check` printed for a key of any section.
fn value<'a>(shown: &'a str, key: &str) -> &'a str {
    let line = shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
    let line = line.unwrap_or_else(|| panic!("{key} is not in\n{shown}"));
    line.split(" # ").next().unwrap_or(line)
}

#[test]
fn help_and_version_are_said_on_standard_output() {
    let version = run(&mut fanfare(&["--version"]));
    assert_eq!((version.status, version.stdout.as_str()), (Some(0), "fanfare 0.1.0\n"));
    for arguments in [&["--help"][..], &["serve", "--help"], &["check", "--help"]] {
        let help = run(&mut fanfare(arguments));
        assert_eq!((help.status, help.stderr.as_str()), (Some(0), ""));
        let flags = [
            "--config",
            "--listen",
            "--reactors",
            "--api-key",
            "--token",
            "--open",
            "--log",
            "--log-format",
            "FANFARE_LIMITS_IDLE_S",
        ];
        for flag in flags {
            assert!(help.stdout.contains(flag), "{flag} is not in {}", help.stdout);
        }
    }
}

#[test]
fn usage_errors_are_one_line_and_status_2() {
    assert!(refused(&["--no-such-flag"]).contains("--no-such-flag"));
    assert!(refused(&["no-such-command"]).contains("no-such-command"));
    assert!(refused(&["--listen"]).contains("--listen"));
    assert!(refused(&["--reactors", "1", "--reactors", "2"]).contains("multiple times"));
    assert_eq!(refused(&["--reactors", "65"]), "--reactors: expected a number from 0 to 64, found \"65\"");
    assert_eq!(
        refused(&["check", "--log-format", "xml"]),
        "--log-format: expected text or json, found \"xml\""
    );
    assert_eq!(
        refused(&["check", "--log", "loud"]),
        "--log: expected off, error, warn, info, debug or trace, found \"loud\""
    );
    assert!(refused(&["--listen", "3000"]).starts_with("--listen: expected different addresses such as"));
    assert!(refused(&["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1"]).contains("different addresses"));
    assert_eq!(refused(&["--open=perhaps"]), "--open: expected true or false, found \"perhaps\"");
}

#[test]
fn check_prints_toml_that_says_the_same_again_and_hides_secrets() {
    let folder = Folder::new();
    let file = "listen = [\"[::1]:3000\", \"unix:/run/a \\\"b\\\".sock\"]\nlog = \"debug\"\n\
                [auth]\ntoken = \"hush-token\"\norigins = [\"https://a.example\", \"null\"]\n\
                [api]\nkey = \"hush-key\"\n\
                [socketio]\nserve_client = false\ncors = \"*\"\nclient_dir = \"/a \\\"b\\\"\"\nnamespaces = \"/é\"\n[limits]\nidle_s = 0\nconnections = 9\n";
    let shown = checked(&folder, file, &[], &[]);
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!((value(&shown, "token"), value(&shown, "key")), ("\"***\"", "\"***\""));
    assert_eq!(value(&shown, "origins"), "[\"https://a.example\", \"null\"]");
    assert_eq!((value(&shown, "idle_s"), value(&shown, "connections")), ("0", "9"));
    assert_eq!(value(&shown, "message_bytes"), "1000000");

    let without_origins = |shown: &str| {
        shown.lines().map(|line| line.split(" # ").next().unwrap_or(line).to_owned()).collect::<Vec<_>>()
    };
    let again = checked(&folder, &shown, &[], &[]);
    assert_eq!(without_origins(&again), without_origins(&shown));

    let defaults = run(&mut fanfare(&["check"]));
    assert_eq!(defaults.status, Some(0));
    assert_eq!(value(&defaults.stdout, "listen"), "[\"127.0.0.1:3000\"]");
    assert!(defaults.stdout.contains("# token is not set"), "{}", defaults.stdout);
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = Folder::new();
    let file = "listen = \"127.0.0.1:1\"\nreactors = 1\nlog = \"error\"\nopen = true\n\
                [limits]\nmessage_bytes = 1_000\n";
    let shown = checked(&folder, file, &[], &[]);
    assert_eq!(value(&shown, "listen"), "[\"127.0.0.1:1\"]");
    assert!(shown.contains("message_bytes = 1000 # ") && shown.contains("checked.toml:6\n"), "{shown}");

    let environment = [
        ("FANFARE_LISTEN", "127.0.0.1:2, unix:/run/x"),
        ("FANFARE_REACTORS", "2"),
        ("FANFARE_LOG", "warn"),
        ("FANFARE_LOG_FORMAT", "json"),
        ("FANFARE_OPEN", "false"),
        ("FANFARE_LIMITS_MESSAGE_BYTES", "2_000"),
        ("FANFARE_LIMITS_OUTBOX_BYTES", "2001"),
        ("FANFARE_LIMITS_HANDSHAKE_S", "3"),
        ("FANFARE_LIMITS_IDLE_S", "4"),
        ("FANFARE_LIMITS_CONNECTIONS", "5"),
        ("FANFARE_LIMITS_HEAD_BYTES", "2002"),
        ("FANFARE_LIMITS_ROOMS_PER_SOCKET", "6"),
        ("FANFARE_SOCKETIO_PATH", "/x/"),
        ("FANFARE_SOCKETIO_PING_INTERVAL_MS", "11"),
        ("FANFARE_SOCKETIO_PING_TIMEOUT_MS", "12"),
        ("FANFARE_SOCKETIO_CONNECT_TIMEOUT_MS", "13"),
        ("FANFARE_SOCKETIO_UPGRADE_TIMEOUT_MS", "14"),
        ("FANFARE_SOCKETIO_MAX_PAYLOAD_BYTES", "15"),
        ("FANFARE_SOCKETIO_TRANSPORTS", "websocket"),
        ("FANFARE_SOCKETIO_ALLOW_UPGRADES", "false"),
        ("FANFARE_SOCKETIO_EIO3", "0"),
        ("FANFARE_SOCKETIO_NAMESPACES", "/a, /b"),
        ("FANFARE_SOCKETIO_PARSER", "msgpack"),
        ("FANFARE_SOCKETIO_MSGPACK_NAMESPACES", "/,/b"),
        ("FANFARE_SOCKETIO_COMPRESSION", "1"),
        ("FANFARE_SOCKETIO_CORS", "https://a.example"),
        ("FANFARE_SOCKETIO_CORS_CREDENTIALS", "true"),
        ("FANFARE_SOCKETIO_COOKIE", "io"),
        ("FANFARE_SOCKETIO_SERVE_CLIENT", "false"),
        ("FANFARE_SOCKETIO_CLIENT_DIR", "/d/e"),
        ("FANFARE_WS_COMPRESSION", "true"),
        ("FANFARE_COMPRESSION_THRESHOLD_BYTES", "2003"),
        ("FANFARE_COMPRESSION_LEVEL", "7"),
        ("FANFARE_CLUSTER_SHARDED", "true"),
        ("FANFARE_UNIX_MODE", "600"),
        ("FANFARE_TLS_MIN_VERSION", "1.3"),
        ("FANFARE_PROXY_PROTOCOL_FROM", "10.0.0.0/8, unix"),
        ("FANFARE_PROXY_TRUSTED", "::1"),
        ("FANFARE_CLUSTER_NODE", "17"),
        ("FANFARE_CLUSTER_PREFIX", "shop:1"),
        ("FANFARE_CLUSTER_SPOOL_BYTES", "2004"),
        ("FANFARE_CLUSTER_SPOOL_AGE_MS", "16"),
        ("FANFARE_AUTH_TOKEN", "hush-1"),
        ("FANFARE_AUTH_ORIGINS", "https://a.example,https://b.example:8443"),
        ("FANFARE_AUTH_CLIENT_PUBLISH", "d1:group:a-*, !*:domain"),
        ("FANFARE_AUTH_JWT_SECRET", "hush-3-0123456789abcdef0123456789"),
        ("FANFARE_AUTH_JWT_JWKS_URL", "https://a.example/jwks"),
        ("FANFARE_AUTH_JWT_JWKS_REFRESH_S", "18"),
        ("FANFARE_AUTH_JWT_LEEWAY_S", "19"),
        ("FANFARE_AUTH_JWT_AUDIENCE", "a, b"),
        ("FANFARE_AUTH_JWT_ISSUER", "https://a.example/"),
        ("FANFARE_AUTH_JWT_USER_CLAIM", "uid"),
        ("FANFARE_AUTH_JWT_GROUPS_CLAIM", "gs"),
        ("FANFARE_AUTH_JWT_ROOMS_CLAIM", "rs"),
        ("FANFARE_AUTH_JWT_PUBLISH_CLAIM", "ps"),
        ("FANFARE_AUTH_JWT_DOMAIN_CLAIMS", "d,e"),
        ("FANFARE_AUTH_WEBHOOK_URL", "http://b.example:1/x"),
        ("FANFARE_AUTH_WEBHOOK_TIMEOUT_MS", "20"),
        ("FANFARE_AUTH_WEBHOOK_CACHE_S", "21"),
        ("FANFARE_AUTH_WEBHOOK_CONCURRENCY", "22"),
        ("FANFARE_API_KEY", "hush-2"),
        ("FANFARE_API_KEYS", "publish+read:hush-4, admin:hush-5"),
    ];
    let shown = checked(&folder, file, &environment, &[]);
    let expected = [
        ("listen", "[\"127.0.0.1:2\", \"unix:/run/x\"]"),
        ("reactors", "2"),
        ("log", "\"warn\""),
        ("log_format", "\"json\""),
        ("open", "false"),
        ("message_bytes", "2000"),
        ("outbox_bytes", "2001"),
        ("handshake_s", "3"),
        ("idle_s", "4"),
        ("connections", "5"),
        ("head_bytes", "2002"),
        ("rooms_per_socket", "6"),
        ("path", "\"/x/\""),
        ("ping_interval_ms", "11"),
        ("ping_timeout_ms", "12"),
        ("connect_timeout_ms", "13"),
        ("upgrade_timeout_ms", "14"),
        ("max_payload_bytes", "15"),
        ("transports", "[\"websocket\"]"),
        ("allow_upgrades", "false"),
        ("eio3", "false"),
        ("namespaces", "[\"/a\", \"/b\"]"),
        ("parser", "\"msgpack\""),
        ("msgpack_namespaces", "[\"/\", \"/b\"]"),
        ("compression", "true"),
        ("cors", "[\"https://a.example\"]"),
        ("cors_credentials", "true"),
        ("cookie", "\"io\""),
        ("serve_client", "false"),
        ("client_dir", "\"/d/e\""),
        ("compression", "true"),
        ("threshold_bytes", "2003"),
        ("level", "7"),
        ("sharded", "true"),
        ("unix_mode", "\"0600\""),
        ("min_version", "\"1.3\""),
        ("protocol_from", "[\"10.0.0.0/8\", \"unix\"]"),
        ("trusted", "[\"::1\"]"),
        ("node", "17"),
        ("prefix", "\"shop:1\""),
        ("spool_bytes", "2004"),
        ("spool_age_ms", "16"),
        ("token", "\"***\""),
        ("origins", "[\"https://a.example\", \"https://b.example:8443\"]"),
        ("client_publish", "[\"d1:group:a-*\", \"!*:domain\"]"),
        ("secret", "\"***\""),
        ("jwks_url", "\"https://a.example/jwks\""),
        ("jwks_refresh_s", "18"),
        ("leeway_s", "19"),
        ("audience", "[\"a\", \"b\"]"),
        ("issuer", "[\"https://a.example/\"]"),
        ("user_claim", "\"uid\""),
        ("groups_claim", "\"gs\""),
        ("rooms_claim", "\"rs\""),
        ("publish_claim", "\"ps\""),
        ("domain_claims", "[\"d\", \"e\"]"),
        ("url", "\"http://b.example:1/x\""),
        ("timeout_ms", "20"),
        ("cache_s", "21"),
        ("concurrency", "22"),
        ("key", "\"***\""),
        ("keys", "[\"publish+read:***\", \"admin:***\"]"),
    ];
    for (key, expected) in expected {
        assert_eq!(value(&shown, key), expected, "{key}");
    }
    assert!(shown.contains("reactors = 2 # FANFARE_REACTORS"), "{shown}");

    let flags =
        ["--listen", "127.0.0.1:3", "--listen", "[::1]:3", "--reactors", "3", "--log", "trace", "--open"];
    let shown = checked(&folder, file, &environment, &flags);
    let expected = [
        ("listen", "[\"127.0.0.1:3\", \"[::1]:3\"]"),
        ("reactors", "3"),
        ("log", "\"trace\""),
        ("open", "true"),
        ("idle_s", "4"),
    ];
    for (key, expected) in expected {
        assert_eq!(value(&shown, key), expected, "{key}");
    }
    assert!(shown.contains("reactors = 3 # --reactors"), "{shown}");

    // An empty variable is one that is not there.
    let shown = checked(&folder, file, &[("FANFARE_REACTORS", "")], &[]);
    assert_eq!(value(&shown, "reactors"), "1");
    // The file, too, can be named by the environment.
    let path = folder.write("named.toml", "reactors = 7\n");
    let named = run(fanfare(&["check"]).env("FANFARE_CONFIG", &path));
    assert_eq!(value(&named.stdout, "reactors"), "7");
}

#[test]
fn errors_of_the_file_name_file_line_key_and_what_was_expected() {
    let folder = Folder::new();
    let error = |text: &str| {
        let path = folder.write("wrong.toml", text);
        let path = path.to_str().unwrap();
        let said = refused(&["check", "-c", path]);
        assert_eq!(refused(&["-c", path]), said, "serve says the same");
        said.strip_prefix(path).unwrap_or_else(|| panic!("no file in {said}")).to_owned()
    };
    assert_eq!(
        error("reactors = 1\n\n[limits]\nmesage_bytes = 5\n"),
        ":4: limits.mesage_bytes: unknown key, expected one of message_bytes, outbox_bytes, handshake_s, idle_s, \
         connections, head_bytes, rooms_per_socket, connections_per_ip, connections_per_user, messages_per_s, \
         messages_burst, accepts_per_s, memory_bytes, send_buffer_bytes"
    );
    assert_eq!(
        error("listne = \"127.0.0.1:1\"\n"),
        ":1: listne: unknown key, expected one of listen, unix_mode, reactors, balance, log, log_format, open, redis, [cluster], [auth], \
         [auth.jwt], [auth.webhook], [api], [admin], [tls], [proxy], [socketio], [limits], [ws], [compression], [drain]"
    );
    assert!(error("\n[nothing]\nlisten = \"127.0.0.1:1\"\n").starts_with(":2: nothing: unknown key"));
    assert!(error("log.file = \"x\"\n").starts_with(":1: log: expected off, error"));
    assert_eq!(error("# first\nlimits = 5\n"), ":2: limits: expected a section [limits]");
    let range = |key: &str, value: &str, range: &str| {
        let found = value.trim_matches('_');
        assert_eq!(
            error(&format!("[limits]\n{key} = {value}\n")),
            format!(":2: limits.{key}: expected a number from {range}, found {found}")
        );
    };
    assert_eq!(
        error("[socketio]\nping_timeout_ms = 9\n"),
        ":2: socketio.ping_timeout_ms: expected a number from 10 to 604800000, found 9"
    );
    assert!(
        error("[socketio]\npath = \"/socket.io\"\n").starts_with(":2: socketio.path: expected a path such")
    );
    assert_eq!(
        error("[socketio]\ntransports = [\"polling\", \"webtransport\"]\n"),
        ":2: socketio.transports: expected polling, websocket or both, found [\"polling\", \"webtransport\"]"
    );
    assert!(
        error("[socketio]\nparser = \"xml\"\n").starts_with(":2: socketio.parser: expected json or msgpack")
    );
    assert!(error("[socketio]\ncors = true\n").starts_with(":2: socketio.cors: expected origins such as"));
    assert!(
        error("[socketio]\ncookie = \"a b\"\n").starts_with(":2: socketio.cookie: expected the name of a")
    );
    assert!(
        error("[socketio]\nnamespaces = \"news\"\n")
            .starts_with(":2: socketio.namespaces: expected different")
    );
    assert_eq!(
        error("[cluster]\nprefix = \"a#b\"\n"),
        ":2: cluster.prefix: expected 1 to 64 letters, digits, dots, colons, dashes and underscores, found \"a#b\""
    );
    assert!(error("redis = \"http://a\"\n").starts_with(":1: redis: expected a URL such as redis://"));
    // Keys that do not go together.
    assert!(
        error("[socketio]\ncors = \"*\"\ncors_credentials = true\n")
            .starts_with(":3: socketio.cors_credentials: expected origins in socketio.cors, found \"*\"")
    );
    assert_eq!(
        error("[socketio]\nnamespaces = [\"/a\"]\nmsgpack_namespaces = [\"/\", \"/a\", \"/b\"]\n"),
        ":3: socketio.msgpack_namespaces: expected \"/\" or names that are in socketio.namespaces, found \"/b\""
    );
    assert_eq!(
        error("[limits]\nmessages_burst = 5\n"),
        ":2: limits.messages_burst: expected limits.messages_per_s to be set, too"
    );
    range("memory_bytes", "\"4 GiB\"", "0 to 1125899906842624");
    range("connections_per_ip", "-1", "0 to 4294967296");
    range("connections_per_user", "4294967297", "0 to 4294967296");
    range("message_bytes", "0", "1 to 1073741824");
    range("message_bytes", "1073741825", "1 to 1073741824");
    range("outbox_bytes", "-1", "1 to 1073741824");
    range("outbox_bytes", "\"1 MiB\"", "1 to 1073741824");
    range("handshake_s", "0", "1 to 3600");
    range("idle_s", "604801", "0 to 604800");
    range("connections", "4294967297", "0 to 4294967296");
    range("head_bytes", "127", "128 to 1048576");
    range("rooms_per_socket", "0", "1 to 1000000");
    assert_eq!(
        error("[compression]\nlevel = 10\n"),
        ":2: compression.level: expected a number from 1 to 9, found 10"
    );
    assert!(error("[ws]\ncompression = 1\n").starts_with(":2: ws.compression: expected true or false"));
    assert!(
        error("reactors = 1.5\n").starts_with(":1: reactors: expected a number from 0 to 64, found a number")
    );
    assert!(error("open = \"true\"\n").starts_with(":1: open: expected true or false, found \"true\""));
    assert!(error("listen = []\n").starts_with(":1: listen: expected different addresses"));
    assert!(error("listen = [5]\n").starts_with(":1: listen: expected different addresses"));
    assert!(error("listen = [\"127.0.0.1\"]\n").contains("found [\"127.0.0.1\"]"));
    assert!(
        error("[auth]\norigins = [\"https://a.example/\"]\n")
            .starts_with(":2: auth.origins: expected origins")
    );
    assert!(error("reactors = 1\nreactors = 2\n").starts_with(":2: "), "a key stands there once");
    assert!(error("reactors = 1\nlog = \"info\n").starts_with(":2: "), "no TOML");

    let bad_secret = error("[auth]\ntoken = \"hush hush\"\n");
    assert!(bad_secret.starts_with(":2: auth.token: expected 1 to 1024 visible ASCII"), "{bad_secret}");
    assert!(!bad_secret.contains("hush"), "{bad_secret}");

    let bad_variable = run(fanfare(&["check"]).env("FANFARE_LIMITS_IDLE_S", "soon"));
    assert_eq!(
        usage_error(bad_variable),
        "FANFARE_LIMITS_IDLE_S: expected a number from 0 to 604800, found \"soon\""
    );
    let missing = folder.path("missing.toml");
    let said = refused(&["-c", missing.to_str().unwrap()]);
    assert!(said.starts_with(missing.to_str().unwrap()) && said.contains("No such file"), "{said}");
}

#[test]
fn others_are_let_in_only_on_purpose() {
    let folder = Folder::new();
    for public in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let said = refused(&["--listen", public]);
        assert!(said.starts_with("--listen: other machines can reach"), "{said}");
        for wanted in ["auth.token (--token)", "api.key (--api-key)", "--open"] {
            assert!(said.contains(wanted), "{wanted} is not in {said}");
        }
        // One public address among local ones, and one of two secrets.
        refused(&["--listen", "127.0.0.1:0", "--listen", public]);
        assert!(refused(&["--listen", public, "--token", "t"]).contains("set api.key"));
        assert!(refused(&["--listen", public, "--api-key", "k"]).contains("set auth.token"));
        refused(&["check", "--listen", public]);
        refused(&["--listen", public, "--open=false"]);
        for allowed in [&["--open"][..], &["--token", "t", "--api-key", "k"]] {
            let ended = run(fanfare(&["check", "--listen", public]).args(allowed));
            assert_eq!(ended.status, Some(0), "{ended:?}");
        }
    }
    let file = folder.write("public.toml", "\nlisten = \"0.0.0.0:0\"\n");
    let said = refused(&["-c", file.to_str().unwrap()]);
    assert!(said.contains("public.toml:2: listen: other machines"), "{said}");

    let server = Server::spawn(&mut fanfare(&["--listen", "0.0.0.0:0", "--open"]));
    assert!(server.ready.starts_with("fanfare ready on http://0.0.0.0:"), "{}", server.ready);
    assert!(!server.ready.contains(":0 "), "the real port: {}", server.ready);
    // Unix sockets are local.
    let socket = format!("unix:{}", folder.path("s").display());
    assert_eq!(Server::spawn(&mut fanfare(&["--listen", &socket])).at, socket);
}

#[test]
fn the_ready_line_is_exact_and_alone() {
    let mut server = Server::start(&["--reactors", "5"]);
    let port = server.addr().port();
    assert_ne!(port, 0);
    assert_eq!(server.ready, format!("fanfare ready on http://127.0.0.1:{port} (5 reactors)"));
    let mut ws = server.client("d1", "c1", "g1");
    ws.send("{\"mode\":1,\"msgId\":7}");
    assert!(ws.text().starts_with("{\"msgId\":7,\"mode\":1,\"code\":0,\"time\":"));
    server.signal("TERM");
    assert_eq!(ws.closed().0, 1012);
    drop(ws);
    assert_eq!(server.wait().code(), Some(0));
    assert_eq!(server.rest_of_output(), [""; 0]);

    let one_a_core = std::thread::available_parallelism().unwrap().get().min(64);
    assert_eq!(Server::start(&[]).reactors, one_a_core);
    assert_eq!(
        Server::spawn(&mut fanfare(&["serve", "--listen", "127.0.0.1:0", "--reactors", "1"])).reactors,
        1
    );
}

#[test]
fn unix_sockets_and_several_listeners_work() {
    let folder = Folder::new();
    let path = folder.path("fanfare.sock");
    let unix = format!("unix:{}", path.display());
    let mut only_unix = Server::spawn(&mut fanfare(&["--listen", &unix, "--reactors", "2"]));
    assert_eq!(only_unix.ready, format!("fanfare ready on {unix} (2 reactors)"));
    let mut clients: Vec<_> =
        (0..8).map(|n| Ws::open_unix(&path, &format!("/ws?bizCode=d&clientId=c{n}"))).collect();
    clients[0].send("{\"mode\":300,\"content\":[1, 2]}");
    for client in &mut clients[1..] {
        assert_eq!(client.text(), "{\"msgId\":null,\"mode\":300,\"from\":\"c0\",\"content\":[1, 2]}");
    }
    // Who listens there is not pushed aside.
    let second = run(&mut fanfare(&["--listen", &unix]));
    assert_eq!(second.status, Some(1), "{second:?}");
    assert!(second.stderr.contains("cannot listen on unix:"), "{second:?}");
    only_unix.signal("TERM");
    drop(clients);
    assert_eq!(only_unix.wait().code(), Some(0));
    assert!(!path.exists(), "the socket's file is gone");

    // The ready line names the first TCP address; the log names all.
    let both =
        Server::spawn(&mut fanfare(&["--listen", &unix, "--listen", "127.0.0.1:0", "--listen", "[::1]:0"]));
    both.wait_for_log(&format!("listening on {unix}"));
    both.wait_for_log(&format!("listening on {}", both.addr()));
    both.wait_for_log("listening on [::1]:");
    let mut over_tcp = both.client("d", "c1", "");
    let mut over_unix = Ws::open_unix(&path, "/ws?bizCode=d&clientId=c2");
    over_unix.send("{\"mode\":100,\"targetClientId\":\"c1\",\"content\":1}");
    assert!(over_tcp.text().contains("\"from\":\"c2\""));
}

#[test]
fn a_port_that_is_taken_is_status_1_and_one_line() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = holder.local_addr().unwrap().to_string();
    let ended = run(fanfare(&["--listen", &addr]).env("FANFARE_LOG", "off"));
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let said = one_line(&ended.stderr);
    assert!(said.starts_with(&format!("cannot listen on {addr}: Address already in use")), "{said}");
    // Another server with the same flags, too, which would share the port if it could.
    let server = Server::start(&[]);
    assert_eq!(run(fanfare(&["--listen", &server.at]).env("FANFARE_LOG", "off")).status, Some(1));
    let nowhere = run(&mut fanfare(&["--listen", "unix:/no/such/folder/s", "--log", "off"]));
    assert_eq!(nowhere.status, Some(1));
    assert!(one_line(&nowhere.stderr).contains("/no/such/folder/s"), "{nowhere:?}");
}

#[test]
fn the_first_signal_ends_cleanly() {
    for (signal, drain_s) in [("TERM", "0"), ("INT", "60")] {
        let mut command = fanfare(&["--listen", "127.0.0.1:0", "--reactors", "2"]);
        let mut server = Server::spawn(command.env("FANFARE_DRAIN_SECONDS", drain_s));
        let mut clients: Vec<_> = (0..6).map(|n| server.client("d", &format!("c{n}"), "g")).collect();
        let kept_alive = server.connect();
        server.signal(signal);
        for client in &mut clients {
            let (code, reason) = client.closed();
            assert_eq!((code, reason.as_str()), (1001, "server shutting down"));
        }
        // Nobody has answered yet, so it is still there; but it takes nobody new.
        let start = Instant::now();
        while server.try_connect().is_ok() {
            assert!(start.elapsed() < PATIENCE, "it still accepts");
            std::thread::sleep(Duration::from_millis(10));
        }
        for client in &mut clients {
            client.send_close(1001);
            assert_eq!(client.recv(), Received::End);
        }
        assert_eq!(server.wait().code(), Some(0), "{}", server.log());
        server.wait_for_log(&format!("SIG{signal}"));
        drop(kept_alive);
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        let mut server = Server::start(&["--reactors", "1"]);
        let mut client = server.client("d", "c", "");
        server.signal("TERM");
        assert_eq!(client.closed().0, 1012);
        let start = Instant::now();
        server.signal(signal);
        assert_eq!(server.wait().signal(), Some(number));
        assert!(start.elapsed() < Duration::from_secs(3), "it waited for the client");
    }
}

#[test]
fn who_does_not_answer_the_close_delays_the_end_by_seconds_only() {
    let mut server = Server::start(&["--reactors", "1"]);
    let mut client = server.client("d", "c", "");
    server.signal("TERM");
    assert_eq!(client.closed().0, 1012);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn what_the_file_says_holds() {
    let folder = Folder::new();
    let file = folder.write(
        "limits.toml",
        "reactors = 1\n[auth]\ntoken = \"456\"\norigins = [\"https://a.example\"]\n\
         [limits]\nmessage_bytes = 200\nhandshake_s = 2\nconnections = 2\nhead_bytes = 400\n\
         rooms_per_socket = 3\n",
    );
    let server = Server::configured(&file);
    let target = |client: &str| format!("/ws?bizCode=d&clientId={client}&token=456");
    assert_eq!(server.try_ws("/ws?bizCode=d&clientId=c").err().unwrap().status, 401);
    assert_eq!(server.try_ws("/ws?bizCode=d&clientId=c&token=4567").err().unwrap().status, 401);
    let from = |origin: &str| Ws::open(server.connect(), &target("c"), &format!("Origin: {origin}\r\n"));
    assert_eq!(from("https://b.example").err().unwrap().status, 403);
    assert!(from("https://a.example").is_ok(), "its origin is allowed");
    assert_eq!(server.get(&format!("/{}", "x".repeat(400))).status, 431);

    let mut silent = server.connect();
    assert_eq!(support::Reply::read(&mut silent).unwrap().status, 408);

    let mut client = server.ws(&target("c1"));
    let _other = server.ws(&target("c2"));
    let full = server.try_ws(&target("c3")).err().expect("there are two already");
    assert_eq!(full.status, 503);
    assert!(full.header("retry-after").is_some(), "{full:?}");

    client.send("{\"mode\":2,\"group\":\"a,b,c\",\"msgId\":1}");
    assert!(client.text().starts_with("{\"msgId\":1,\"mode\":2,\"code\":413,"));
    client.send("{\"mode\":2,\"group\":\"a,b\",\"msgId\":1}");
    assert_eq!(client.text(), "{\"msgId\":1,\"mode\":2,\"code\":0}");
    client.send(&"x".repeat(201));
    assert_eq!(client.closed().0, 1009);

    let quick = Server::spawn(fanfare(&["--listen", "127.0.0.1:0"]).env("FANFARE_LIMITS_IDLE_S", "1"));
    let mut idle = quick.client("d", "c", "");
    assert_eq!(idle.closed(), (1001, "idle timeout".to_owned()));
}

#[test]
fn the_log_goes_to_standard_error_as_far_as_asked() {
    let server = Server::start(&["--log", "debug"]);
    server.wait_for_log("listening on");
    let log = server.log();
    let line = log.lines().find(|line| line.contains("listening on")).unwrap();
    assert!(line.contains("INFO") && line.contains('T') && line.contains('Z'), "no time: {line}");
    assert!(!log.contains('\u{1b}'), "no colours");
    let mut silent = Server::start(&["--log", "off"]);
    silent.signal("TERM");
    assert_eq!(silent.wait().code(), Some(0));
    assert_eq!(silent.log(), "");
    let misspelt = Server::spawn(fanfare(&["--listen", "127.0.0.1:0"]).env("FANFARE_LIMIT_IDLE_S", "5"));
    misspelt.wait_for_log("these environment variables set nothing: FANFARE_LIMIT_IDLE_S");
}

#[test]
fn operators_can_have_an_address_of_their_own() {
    let folder = Folder::new();
    let socket = folder.path("admin");
    let file = folder.write(
        "admin.toml",
        &format!("listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"unix:{}\"\n", socket.display()),
    );
    let server = Server::configured(&file);
    for moved in ["/", "/metrics", "/api/v1/stats"] {
        assert_eq!(server.get(moved).status, 404, "{moved}");
    }
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/readyz").status, 200);
    let ask = |target: &str| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        Reply::read(&mut stream).unwrap().status
    };
    for served in ["/", "/metrics", "/api/v1/stats", "/healthz"] {
        assert_eq!(ask(served), 200, "{served}");
    }
    // Clients have no business there.
    assert_eq!(ask("/ws"), 404);
    let mut client = server.client("d1", "c1", "g1");
    client.send("{\"mode\":1}");
    assert!(client.text().contains("\"code\":0"));
    let same =
        folder.write("same.toml", "listen = \"127.0.0.1:3999\"\n[admin]\nlisten = \"127.0.0.1:3999\"\n");
    let said = refused(&["check", "-c", same.to_str().unwrap()]);
    assert!(
        said.contains("same.toml:3: admin.listen: expected addresses other than those of listen"),
        "{said}"
    );
    let public = folder.write("public.toml", "[admin]\nlisten = \"0.0.0.0:0\"\n");
    let said = refused(&["-c", public.to_str().unwrap()]);
    assert!(said.contains("public.toml:2: admin.listen: other machines"), "{said}");
}

#[test]
fn every_refusal_and_eviction_is_logged_with_address_and_name() {
    let folder = Folder::new();
    let file = folder.write(
        "log.toml",
        "listen = \"127.0.0.1:0\"\nreactors = 2\n[auth]\ntoken = \"hush\"\n[limits]\nconnections = 3\n",
    );
    let server = Server::configured(&file);
    let target = |client: &str| format!("/ws?bizCode=d1&clientId={client}&token=hush");
    assert!(server.try_ws("/ws?bizCode=d1&clientId=bad-token&token=guess").is_err());
    let mut binary = server.ws(&target("binary"));
    let mut broken = server.ws(&target("broken"));
    let mut replaced = server.ws(&target("replaced"));
    assert!(server.try_ws(&target("too-many")).is_err());
    binary.send_frame(fanfare::wire::frame::Opcode::Binary, b"x");
    assert_eq!(binary.closed().0, 1003);
    broken.send_bytes(&[0xf1, 0x80, 0, 0, 0, 0]);
    assert_eq!(broken.closed().0, 1002);
    let _newer = server.ws(&target("replaced"));
    assert_eq!(replaced.closed().0, 4001);
    for (name, what) in [
        ("\"d1\" \"bad-token\"", "refused"),
        ("\"d1\" \"@binary\"", "closed with 1003"),
        ("\"d1\" \"@broken\"", "closed with 1002"),
        ("\"d1\" \"@too-many\"", "refused with 503"),
        ("@replaced", "replaced, closed with 4001"),
    ] {
        server.wait_for_log(name);
        let log = server.log();
        let told = |line: &&str| line.contains(name) && line.contains(what) && line.contains("127.0.0.1:");
        assert!(log.lines().any(|line| told(&line)), "{name} {what} is not in {log}");
    }
    assert!(!server.log().contains("guess") && !server.log().contains("hush"), "a token is in the log");
}

#[test]
fn whoever_leaves_as_soon_as_it_is_refused_is_named() {
    let server = Server::start(&["--token", "t", "--reactors", "1"]);
    let refused: Vec<_> = (0..50)
        .map(|_| {
            let stream = server.connect();
            let addr = stream.local_addr().unwrap();
            assert!(Ws::open(stream, "/ws?bizCode=d&clientId=c&token=x", "").is_err());
            addr
        })
        .collect();
    refused.iter().for_each(|addr| server.wait_for_log(&format!("{addr}: refused with 401")));
    assert!(!server.log().contains("(gone)"), "{}", server.log());
}

#[test]
fn more_groups_than_allowed_are_the_clients_fault() {
    let folder = Folder::new();
    let file = folder.write("few.toml", "[limits]\nrooms_per_socket = 3\n");
    let server = Server::configured(&file);
    let target = |groups: &str| format!("/ws?bizCode=d&clientId=c&group={groups}");
    let Err(refusal) = server.try_ws(&target("a,b,c")) else {
        panic!("three groups and its own are four rooms")
    };
    assert_eq!(refusal.status, 400, "{}", refusal.body);
    let mut client = server.ws(&target("a,b"));
    client.send(r#"{"mode":2,"group":"c"}"#);
    assert!(client.text().contains("\"code\":413"));
}
