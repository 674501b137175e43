//! The man page, the completions of shells and the configuration file to begin with: made of the command line's
//! description and the table of keys, so that they have all of it.

use crate::config::{Config, FILE_VARIABLE, keys};
use crate::flags::{Papers, described};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::fmt::Write as _;
use std::io;
use std::path::Path;

const NAME: &str = "fanfare";

const SIGNALS: [(&str, &str); 3] = [
    (
        "SIGTERM",
        "Drains the server: it is not ready any more, listens for no clients, closes its connections evenly over \
         drain.seconds with close code 1012, and ends. The second SIGTERM or SIGINT ends it at once.",
    ),
    ("SIGINT", "Closes all connections with close code 1001 and ends within seconds."),
    (
        "SIGHUP",
        "Reads the configuration again. What can change without a restart does; the log names what cannot. A file that \
         is wrong changes nothing.",
    ),
];

const STATUS: [(&str, &str); 3] =
    [("0", "A clean end."), ("2", "An error of usage or configuration."), ("1", "Anything else.")];

const FILES: [(&str, &str); 2] = [
    ("/etc/fanfare/fanfare.toml", "The configuration of the service."),
    ("../share/fanfare/client", "Beside the program's folder: the browser client of Socket.IO."),
];

/// Writes them into a folder that is there.
///
/// # Errors
/// What the folder says.
pub(crate) fn write(papers: Papers, folder: &Path) -> io::Result<()> {
    match papers {
        Papers::Configuration => std::fs::write(folder.join(format!("{NAME}.toml")), configuration()),
        Papers::Manual => std::fs::write(folder.join(format!("{NAME}.1")), manual()?),
        Papers::Completions => {
            for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
                clap_complete::generate_to(shell, &mut described(), NAME, folder)?;
            }
            Ok(())
        }
    }
}

/// Every key as a comment with its default.
fn configuration() -> String {
    let mut file = String::from(
        "# The configuration of fanfare. Every key is here with its default: take the # away before the ones that are to be\n\
         # others. `fanfare check -c FILE` says what is in effect, `systemctl reload fanfare` makes the server read it again.\n",
    );
    let defaults = Config::default();
    let mut section = None;
    for key in keys() {
        if key.section() != section {
            section = key.section();
            // Writing to a String does not fail.
            let _ = writeln!(file, "\n[{}]", section.unwrap_or_default());
        }
        let value = key.show(&defaults);
        let about = if value.is_some() { "" } else { ". Not set" };
        let _ = writeln!(file, "\n# {}{about}.", key.about);
        let _ = writeln!(file, "#{} = {}", key.leaf(), value.unwrap_or_default());
    }
    file
}

fn manual() -> io::Result<Vec<u8>> {
    let man = Man::new(described()).manual("System Manager's Manual");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut more = Roff::new();
    more.control("SH", ["COMMANDS"]);
    for command in described().get_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        entry(&mut more, command.get_name(), &about);
    }
    more.control("SH", ["CONFIGURATION"]);
    more.text([roman(format!(
        "A TOML file, named by --config or {FILE_VARIABLE}. Every key has an environment variable; flags win over the \
         environment, the environment over the file."
    ))]);
    let defaults = Config::default();
    for key in keys() {
        let default = key.show(&defaults).unwrap_or_else(|| "none".to_owned());
        let about = format!("{}. Default: {default}. Variable: {}.", key.about, key.variable());
        entry(&mut more, key.name, &about);
    }
    for (title, entries) in [("SIGNALS", &SIGNALS[..]), ("EXIT STATUS", &STATUS), ("FILES", &FILES)] {
        more.control("SH", [title]);
        entries.iter().for_each(|(name, about)| entry(&mut more, name, about));
    }
    more.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn entry(page: &mut Roff, name: &str, about: &str) {
    page.control("TP", []);
    page.text([bold(name)]);
    page.text([roman(about)]);
}
