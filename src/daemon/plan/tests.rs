//! Plans against machines that are made up: folders with the files that a kernel would have.

use super::machine::Machine;
use super::settings::{Here, Place, Rule, SETTINGS, descriptors};
use super::{Load, Protocol, Question, doctor};
use crate::config::Config;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a kernel says on a box with 64 GB that nobody has tuned.
const UNTUNED: &[(&str, &str)] = &[
    ("proc/self/limits", "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   524288   files\n"),
    ("proc/self/cgroup", "0::/system.slice/fanfare.service\n"),
    ("proc/meminfo", "MemTotal:       65536000 kB\nMemFree:        9 kB\nSwapTotal:       8388604 kB\n"),
    ("proc/sys/fs/file-max", "9223372036854775807\n"),
    ("proc/sys/fs/nr_open", "1048576\n"),
    ("proc/sys/kernel/osrelease", "6.12.1-amd64\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/tcp_mem", "768000\t1024000\t1536000\n"),
    ("proc/sys/net/ipv4/tcp_notsent_lowat", "4294967295\n"),
    ("proc/sys/net/ipv4/tcp_syncookies", "1\n"),
    ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    ("proc/sys/vm/swappiness", "60\n"),
    ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
    ("sys/fs/cgroup/system.slice/memory.max", "max\n"),
    ("sys/fs/cgroup/system.slice/pids.max", "4915\n"),
    ("sys/fs/cgroup/system.slice/fanfare.service/memory.max", "34359738368\n"),
    ("sys/fs/cgroup/system.slice/fanfare.service/pids.max", "max\n"),
];

/// The folder of a machine, which is removed with this value.
struct Root(PathBuf);

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Root {
    fn new(files: &[(&str, &str)]) -> Root {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("fanfare-plan-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let root = Root(std::env::temp_dir().join(name));
        fs::create_dir_all(&root.0).unwrap();
        files.iter().for_each(|(path, text)| root.write(path, text.as_bytes()));
        root
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn machine(&self) -> Machine {
        Machine::at(&self.0, 4)
    }
}

fn load(connections: u64) -> Load {
    Load {
        connections,
        reactors: 4,
        protocol: Protocol::Ws,
        slow_readers: connections / 100,
        queued_bytes: 1 << 20,
    }
}

/// The settings of this status, and how many will not do.
fn of_status(status: &str, load: &Load, machine: &Machine) -> (Vec<String>, usize) {
    let (text, wrong) = doctor::examine(load, &Config::default(), machine);
    let lines = text.lines().filter_map(|line| line.strip_prefix(status)?.split_once(':'));
    (lines.map(|(name, _)| name.trim().to_owned()).collect(), wrong)
}

#[test]
fn an_untuned_box_is_told_what_100_000_connections_miss() {
    let (root, load) = (Root::new(UNTUNED), load(100_000));
    let machine = root.machine();
    let (low, wrong) = of_status("low", &load, &machine);
    assert_eq!(low, ["net.core.somaxconn"]);
    let (high, _) = of_status("high", &load, &machine);
    assert_eq!(high, ["net.ipv4.tcp_notsent_lowat", "vm.swappiness"]);
    assert_eq!(wrong, 3);
    assert_eq!(of_status("unknown", &load, &machine).0, [""; 0]);
    let (text, _) = doctor::examine(&load, &Config::default(), &machine);
    let line = "low      net.core.somaxconn: 4096, wanted 32768: sysctl -w net.core.somaxconn='32768'\n";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("ok       pids.max: 4915\n"), "{text}");
    assert!(text.contains("ok       memory.max: 32.0 GiB\n"), "{text}");
}

#[test]
fn each_setting_turns_at_the_value_that_is_wanted() {
    let load = load(1_000_000);
    for setting in SETTINGS {
        let wanted = (setting.wanted)(&load).unwrap();
        assert!(setting.holds(&wanted, &wanted), "{}", setting.name);
        let mut worse = wanted.clone();
        for place in 0..wanted.len() {
            worse[place] = match setting.rule {
                Rule::AtLeast | Rule::Version => wanted[place] - 1,
                Rule::AtMost => wanted[place] + 1,
            };
            assert!(!setting.holds(&worse, &wanted), "{}: {worse:?}", setting.name);
            worse[place] = wanted[place];
        }
        if setting.rule != Rule::Version {
            assert!(!setting.holds(&[], &wanted), "{}", setting.name);
        }
    }
}

#[test]
fn what_is_better_already_is_kept_and_what_was_done_is_enough() {
    let (root, load) = (Root::new(UNTUNED), load(1_000_000));
    let machine = root.machine();
    let plan = super::print::sysctl(&load, &machine);
    assert!(plan.contains("\nfs.file-max = 9223372036854775807\n"), "{plan}");
    assert!(plan.contains("\nnet.ipv4.tcp_mem = 768000 1050000 1536000\n"), "{plan}");
    assert!(plan.contains("\nvm.swappiness = 10\n"), "{plan}");

    for line in plan.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(" = ").expect("a name and its numbers");
        root.write(&format!("proc/sys/{}", name.replace('.', "/")), value.as_bytes());
    }
    for setting in SETTINGS.iter().filter(|setting| setting.place == Place::Kernel) {
        let Here::Numbers(here) = (setting.here)(&machine) else { panic!("{} is not there", setting.name) };
        assert!(setting.holds(&here, &(setting.wanted)(&load).unwrap()), "{}", setting.name);
    }
    assert_eq!(super::print::sysctl(&load, &machine), plan);
}

#[test]
fn what_cannot_be_read_is_unknown() {
    let nothing = Root::new(&[]);
    let (unknown, wrong) = of_status("unknown", &load(100_000), &nothing.machine());
    // The number of cores is told.
    assert_eq!((unknown.len(), wrong), (SETTINGS.len() - 1, 0));

    for rubbish in
        [&b""[..], b"\n", b"\xff\xfe", b"-1", b"99999999999999999999", b"[", b"1 x", b"0::/../..\n"]
    {
        let root = Root::new(&[]);
        UNTUNED.iter().for_each(|(path, _)| root.write(path, rubbish));
        let (_, wrong) = of_status("low", &load(100_000), &root.machine());
        assert_eq!(wrong, 0, "{rubbish:?}");
    }
}

#[test]
fn what_is_not_there_needs_no_setting() {
    let root = Root::new(UNTUNED);
    root.write("proc/meminfo", b"MemTotal: 65536000 kB\nSwapTotal: 0 kB\n");
    fs::remove_dir_all(root.0.join("proc/sys/net/netfilter")).unwrap();
    let machine = root.machine();
    let (ok, _) = of_status("ok", &load(1_000_000), &machine);
    assert!(ok.contains(&"vm.swappiness".to_owned()), "{ok:?}");
    assert!(ok.contains(&"net.netfilter.nf_conntrack_max".to_owned()), "{ok:?}");
    let plan = super::print::sysctl(&load(1_000_000), &machine);
    assert!(!plan.contains("swappiness") && !plan.contains("conntrack"), "{plan}");
}

#[test]
fn a_question_is_completed_from_the_configuration_and_the_machine() {
    let root = Root::new(UNTUNED);
    let machine = root.machine();
    let question =
        Question { connections: None, protocol: Protocol::Sio, slow_readers: None, queued_bytes: None };
    // Four tables of 524,288 descriptors are more than is assumed.
    let mut config = Config::default();
    let assumed = question.load(&config, &machine);
    assert_eq!((assumed.connections, assumed.reactors, assumed.slow_readers), (1_000_000, 4, 10_000));
    assert_eq!(assumed.queued_bytes, 1 << 20);
    root.write("proc/self/limits", b"Max open files   1024   20000   files\n");
    assert_eq!(question.load(&config, &machine).connections, 4 * (20_000 - 128));
    config.limits.connections = Some(5_000);
    config.limits.outbox_bytes = 7;
    config.reactors = 3;
    let configured = question.load(&config, &machine);
    assert_eq!((configured.connections, configured.reactors, configured.queued_bytes), (5_000, 3, 7));
    let told =
        Question { connections: Some(9_000), slow_readers: Some(10_000), queued_bytes: Some(8), ..question };
    let told = told.load(&config, &machine);
    assert_eq!((told.connections, told.slow_readers, told.queued_bytes), (9_000, 9_000, 8));
    let (_, wrong) = doctor::examine(&told, &config, &machine);
    let allowed = Config { limits: fanfare::Limits { connections: Some(9_000), ..config.limits }, ..config };
    assert_eq!(doctor::examine(&told, &allowed, &machine).1, wrong - 1);
}

#[test]
fn memory_is_the_sum_of_its_parts() {
    let memory = load(1_000_000).memory();
    assert_eq!(memory.idle_user, 200_000_000);
    assert_eq!(memory.idle_kernel, 4_096_000_000);
    assert_eq!(memory.slow_user, 10_000 << 20);
    // 4 MB each would be ten times as much as all the others cost.
    assert_eq!(memory.slow_kernel, 10_000 * (160 << 10));
    assert_eq!(load(1_000).memory().slow_kernel, 10 * (4 << 20));
    assert_eq!(descriptors(&load(1_000_001)), 250_001 + 128);
    // The largest plan has room in its numbers.
    let most = Load { queued_bytes: 1 << 30, slow_readers: 100_000_000, ..load(100_000_000) };
    assert!(most.memory().machine() > most.memory().total());
    assert!(SETTINGS.iter().all(|setting| (setting.wanted)(&most).is_some()));
}

#[test]
fn tuning_has_what_is_planned() {
    let page = include_str!("../../../tuning.md");
    for setting in SETTINGS {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", setting.name)));
        let row = row.unwrap_or_else(|| panic!("{} is not in tuning.md", setting.name));
        let loads = [(100_000, 4), (1_000_000, 16)].map(|(n, reactors)| Load { reactors, ..load(n) });
        let wanted = loads.map(|load| setting.show(&(setting.wanted)(&load).unwrap()));
        let expected = format!("| `{}` | {} | {} | ", setting.name, wanted[0], wanted[1]);
        assert!(row.starts_with(&expected), "{row} does not begin with {expected}");
    }
}
