//! A machine with everything that a change can be about, laid anew for each test, and stand-ins for the
//! programs that a change starts.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

use rmcp_change::plan::{Part, Planner};
use rmcp_change::{CommandRunner, RealDisk};
use rmcp_host::log::LogScanner;
use rmcp_host::{Caller, Machine};
use rmcp_knowledge::Knowledge;
use rmcp_model::{HostFacts, Plan, Reader, Wish};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Stand-ins for programs that need a whole machine: each does to the files what the real one does to them, as far
/// as a change can tell.
#[derive(Debug)]
pub(crate) struct StandIns(pub(crate) PathBuf);

impl StandIns {
    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.join(path)).unwrap_or_default()
    }

    fn write(&self, path: &str, text: String) -> io::Result<()> {
        fs::create_dir_all(self.0.join(path).parent().unwrap())?;
        fs::write(self.0.join(path), text)
    }

    /// `grub.cfg` follows from the settings and from the parts.
    fn grub(&self, config: &str) -> io::Result<()> {
        let sources =
            ["etc/default/grub", "etc/default/grub.d/zz-rmcp.cfg", "etc/grub.d/09_rmcp_once"];
        let text: Vec<String> = sources.iter().map(|path| self.read(path)).collect();
        self.write(config, format!("# made from\n{}", text.concat()))
    }

    /// Adds or removes words in a file of words, one a line.
    fn words(&self, path: &str, add: &[&str], remove: &[&str]) -> io::Result<()> {
        let text = self.read(path);
        let mut lines: Vec<&str> = text.lines().filter(|line| !remove.contains(line)).collect();
        lines.extend(add.iter().filter(|word| !text.lines().any(|line| line == **word)));
        self.write(path, lines.iter().map(|line| format!("{line}\n")).collect())
    }

    fn member(&self, user: &str, group: &str, add: bool) -> io::Result<()> {
        let text = self.read("etc/group");
        let lines = text.lines().map(|line| {
            let Some(members) = line.strip_prefix(&format!("{group}:x:992:")) else {
                return format!("{line}\n");
            };
            let mut members: Vec<&str> =
                members.split(',').filter(|member| !member.is_empty() && *member != user).collect();
            if add {
                members.push(user);
            }
            format!("{group}:x:992:{}\n", members.join(","))
        });
        let text = lines.collect();
        self.write("etc/group", text)
    }
}

impl CommandRunner for StandIns {
    fn run(&self, argv: &[String]) -> io::Result<()> {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        match argv.as_slice() {
            ["update-grub"] => self.grub("boot/grub/grub.cfg"),
            ["grub-mkconfig", "-o", config] | ["grub2-mkconfig", "-o", config] => {
                self.grub(config.trim_start_matches('/'))
            }
            ["grub-editenv" | "grub2-editenv", file, "set", word] => {
                self.words(file.trim_start_matches('/'), &[word], &[])
            }
            ["grub-editenv" | "grub2-editenv", file, "unset", name] => {
                let word = format!("{name}=1");
                let entry = format!("{name}=A-rmcp-once");
                self.words(file.trim_start_matches('/'), &[], &[&word, &entry])
            }
            ["grub2-reboot", entry] => {
                self.words("boot/grub2/grubenv", &[&format!("next_entry={entry}")], &[])
            }
            ["bootctl", "set-oneshot", ""] => {
                self.words("boot/oneshot", &[], &["A-rmcp-once.conf"])
            }
            ["bootctl", "set-oneshot", entry] => self.words("boot/oneshot", &[entry], &[]),
            ["grubby", "--update-kernel=ALL", words] => {
                let (words, add) = match words.strip_prefix("--args=") {
                    Some(words) => (words, true),
                    None => (words.strip_prefix("--remove-args=").unwrap(), false),
                };
                for entry in ["boot/loader/entries/f41.conf", "boot/loader/entries/f40.conf"] {
                    let text = self.read(entry);
                    let line = format!(" {words}\n");
                    let text = if add {
                        text.replacen('\n', &line, 1)
                    } else {
                        text.replacen(&line, "\n", 1)
                    };
                    self.write(entry, text)?;
                }
                Ok(())
            }
            ["kernelstub", "--add-options", word] => {
                self.words("etc/kernelstub/configuration", &[word], &[])
            }
            ["kernelstub", "--delete-options", word] => {
                self.words("etc/kernelstub/configuration", &[], &[word])
            }
            ["rpm-ostree", "kargs", words @ ..] => {
                let of = |option: &str| -> Vec<&str> {
                    words.iter().filter_map(|word| word.strip_prefix(option)).collect()
                };
                let (add, remove) = (of("--append-if-missing="), of("--delete-if-present="));
                self.words("boot/deployment", &add, &remove)
            }
            ["update-initramfs", "-u"] => {
                let text = format!("made from {}", self.read("etc/modprobe.d/rmcp.conf"));
                self.write("boot/initrd.img", text)
            }
            ["usermod", "--append", "--groups", group, user] => self.member(user, group, true),
            ["gpasswd", "--delete", user, group] => self.member(user, group, false),
            ["systemctl", "daemon-reload"] => Ok(()),
            other => Err(io::Error::other(format!("no stand-in for {other:?}"))),
        }
    }
}

/// How the machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loader {
    GrubWithDropIns,
    Grub,
    Bls,
    Systemd,
    Kernelstub,
    Ostree,
}

/// A change to be made on a machine.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) loader: Loader,
    pub(crate) permanent: bool,
    pub(crate) wishes: Vec<Wish>,
}

const HOME: &str = "/home/user";
const OVERRIDE: &str = "HSA_OVERRIDE_GFX_VERSION";

/// Every kind of change that there is, on every kind of machine where it differs.
pub(crate) fn kinds() -> Vec<Kind> {
    let words =
        || vec![Wish::KernelWords { words: vec!["pcie_aspm=off".into(), "iommu=soft".into()] }];
    let set = |reader| {
        vec![Wish::Variable { name: "HIP_VISIBLE_DEVICES".into(), value: "0".into(), reader }]
    };
    let python = |prefix: &str| set(Reader::Python { prefix: format!("{HOME}/{prefix}") });
    let unset = || Wish::UnsetVariable { name: OVERRIDE.into() };
    let option = || Wish::ModuleOption { name: "gttsize".into(), value: "8192".into() };
    let groups = || Wish::Groups { groups: Vec::new() };
    let kind = |name, loader, permanent, wishes| Kind { name, loader, permanent, wishes };
    let grub = Loader::GrubWithDropIns;
    vec![
        kind("kernel words for one start, GRUB", grub, false, words()),
        kind("kernel words, GRUB with drop-ins", grub, true, words()),
        kind("kernel words, GRUB", Loader::Grub, true, words()),
        kind("kernel words for one start, GRUB with entries", Loader::Bls, false, words()),
        kind("kernel words, grubby", Loader::Bls, true, words()),
        kind("kernel words for one start, systemd-boot", Loader::Systemd, false, words()),
        kind("kernel words, systemd-boot", Loader::Systemd, true, words()),
        kind("kernel words, kernelstub", Loader::Kernelstub, true, words()),
        kind("kernel words, rpm-ostree", Loader::Ostree, true, words()),
        kind("module option", grub, true, vec![option()]),
        kind("variable for a user", grub, true, set(Reader::User)),
        kind(
            "another value for a user",
            grub,
            true,
            vec![Wish::Variable {
                name: "HIP_VISIBLE_DEVICES".into(),
                value: "1".into(),
                reader: Reader::User,
            }],
        ),
        kind(
            "another variable for a unit",
            grub,
            true,
            vec![Wish::Variable {
                name: "HSA_ENABLE_SDMA".into(),
                value: "0".into(),
                reader: Reader::Unit { unit: "ollama.service".into() },
            }],
        ),
        kind("variable for everybody", grub, true, set(Reader::Everybody)),
        kind(
            "variable for a unit",
            grub,
            true,
            set(Reader::Unit { unit: "ollama.service".into() }),
        ),
        kind("variable for a venv", grub, true, python("venv")),
        kind("variable for a conda environment", grub, true, python("conda")),
        kind("variable for a program", grub, true, set(Reader::Command { name: "ollama".into() })),
        kind("variable no longer set", grub, true, vec![unset()]),
        kind("groups", grub, true, vec![groups()]),
        kind("MIOpen's cache", grub, true, vec![Wish::MiopenCache]),
        kind("interposer", grub, true, vec![Wish::Interposer { reader: Reader::User }]),
        kind("several", grub, true, vec![unset(), option(), groups(), Wish::MiopenCache]),
    ]
}

/// The files of every machine.
const FILES: [(&str, &str); 30] = [
    ("etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/bash\n"),
    ("etc/group", "root:x:0:\nvideo:x:44:user\nrender:x:992:\nuser:x:1000:\n"),
    ("etc/gshadow", "render:!::\n"),
    ("etc/environment", "HSA_OVERRIDE_GFX_VERSION=10.3.0\nLANG=de_DE.UTF-8\n"),
    (
        "etc/profile.d/rocm.sh",
        "if [ -d /opt/rocm ]; then\n    export HSA_OVERRIDE_GFX_VERSION=10.3.0\nfi\n",
    ),
    ("etc/zsh/zprofile", "# nothing\n"),
    ("etc/fish/config.fish", "# nothing\n"),
    ("etc/modprobe.d/mine.conf", "options snd_hda_intel power_save=0\n"),
    ("etc/kernel/cmdline", "root=UUID=1 ro quiet\n"),
    ("usr/sbin/update-initramfs", ""),
    ("usr/bin/grub-editenv", ""),
    ("usr/bin/bootctl", ""),
    ("usr/sbin/grub2-reboot", ""),
    ("usr/lib/rmcp/librmcp_hsa.so", ""),
    ("run/systemd/system/x", ""),
    ("boot/initrd.img", "made from "),
    ("proc/sys/kernel/osrelease", "6.12.0\n"),
    ("proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000001\n"),
    ("proc/cmdline", "root=UUID=1 ro quiet\n"),
    ("home/user/.profile", "# mine\nexport HSA_OVERRIDE_GFX_VERSION=10.3.0"),
    ("home/user/.zshrc", "export HSA_OVERRIDE_GFX_VERSION=\"10.3.0\" # for torch\n"),
    ("home/user/.config/fish/config.fish", "set -gx HSA_OVERRIDE_GFX_VERSION 10.3.0\n"),
    ("home/user/.cache/miopen/3.0/gfx1030.ukdb", "SQLite format 3"),
    ("home/user/.config/miopen/gfx1030.udb", "x=1"),
    ("home/user/venv/pyvenv.cfg", "home = /usr/bin\n"),
    ("home/user/venv/lib/python3.12/site-packages/x.py", ""),
    (
        "home/user/venv/bin/activate",
        "deactivate () {\n    unset VIRTUAL_ENV\n}\ndeactivate nondestructive\n",
    ),
    (
        "home/user/venv/bin/activate.fish",
        "function deactivate  -d \"x\"\n    set -e VIRTUAL_ENV\nend\n",
    ),
    ("home/user/conda/conda-meta/history", ""),
    ("home/user/conda/lib/python3.11/site-packages/x.py", ""),
];

const MACHINE: &str = "format = 1\nprovenance = \"synthetic\"\n[process]\nuid = 1000\ngid = 1000\ngroups = [1000, 44]\nhome = \"/home/user\"\n[[file]]\npath = \"/dev/kfd\"\nmode = 0o660\nuid = 0\ngid = 992\n";

/// Files by the way in which the machine boots.
fn files_of(loader: Loader) -> Vec<(&'static str, &'static str)> {
    let grub = "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n";
    let entry = "options root=UUID=1 ro quiet\nlinux /vmlinuz-6.12.0\ntitle Linux\n";
    match loader {
        Loader::GrubWithDropIns => vec![
            ("etc/default/grub", grub),
            (
                "etc/default/grub.d/kdump.cfg",
                "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=1\"\n",
            ),
            ("etc/grub.d/10_linux", ""),
            ("usr/sbin/update-grub", ""),
            ("boot/grub/grub.cfg", "# made by hand, and not what update-grub makes\n"),
            ("boot/grub/grubenv", "# GRUB Environment Block\n"),
        ],
        Loader::Grub => vec![
            ("etc/default/grub", "GRUB_CMDLINE_LINUX_DEFAULT='quiet'"),
            ("boot/grub2/grub.cfg", "# made by hand\n"),
        ],
        Loader::Bls => vec![
            ("etc/default/grub", "GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX=\"rhgb quiet\"\n"),
            ("boot/loader/entries/f41.conf", entry),
            ("boot/loader/entries/f40.conf", "options root=UUID=1 ro\nlinux /vmlinuz-6.11.0\n"),
            ("boot/grub2/grubenv", "# GRUB Environment Block\n"),
        ],
        Loader::Systemd => vec![
            ("boot/loader/loader.conf", "timeout 3\n"),
            // Stands for the EFI variable.
            ("boot/oneshot", ""),
            ("boot/loader/entries/a.conf", entry),
            ("boot/loader/entries/b.conf", "options root=UUID=1 ro\nlinux /vmlinuz-6.11.0"),
        ],
        Loader::Kernelstub => vec![("etc/kernelstub/configuration", "quiet\n")],
        Loader::Ostree => vec![("run/ostree-booted", ""), ("boot/deployment", "quiet\n")],
    }
}

/// Lays a machine. In memory where that can be: every write of a change waits for the disk.
pub(crate) fn machine(loader: Loader) -> (tempfile::TempDir, RealDisk<StandIns>) {
    let memory = Path::new("/dev/shm");
    let folder = match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().unwrap(),
    };
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    FILES.iter().chain(&files_of(loader)).for_each(|(path, text)| write(path, text));
    write("rmcp-machine.toml", MACHINE);
    write("dev/kfd", "");
    fs::create_dir_all(folder.path().join("var/lib")).unwrap();
    let disk = RealDisk::open(folder.path(), StandIns(folder.path().to_owned())).unwrap();
    (folder, disk)
}

/// Reads the facts of a laid machine.
pub(crate) fn facts(root: &Path) -> HostFacts {
    let knowledge = Knowledge::embedded();
    let machine = Machine::at(root, &Caller::default(), knowledge).unwrap();
    machine.read(knowledge, &LogScanner::new(knowledge), &[])
}

/// Plans a change on a laid machine.
pub(crate) fn plan(kind: &Kind, disk: &RealDisk<StandIns>, root: &Path) -> Plan {
    let host = facts(root);
    let plan = planner(disk, &host, kind.permanent).plan(&kind.wishes);
    plan.unwrap_or_else(|error| panic!("{}: {error}", kind.name))
}

/// Returns a planner for the user of a laid machine.
pub(crate) fn planner<'a>(
    disk: &'a RealDisk<StandIns>,
    host: &'a HostFacts,
    permanent: bool,
) -> Planner<'a> {
    Planner {
        disk,
        host,
        gfx: None,
        cards: &[],
        uid: Some(1000),
        home: Some(HOME),
        interposer: Some("/usr/lib/rmcp/librmcp_hsa.so"),
        knowledge: Knowledge::embedded(),
        advice: &[],
        allow_inert: true,
        permanent,
        part: Part::Whole,
    }
}

/// Every file and folder but the journal, with content and mode.
pub(crate) fn contents(root: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    use std::os::unix::fs::PermissionsExt;
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("/{}", path.strip_prefix(root).unwrap().display());
            if name == "/var/lib/rmcp" {
                continue;
            }
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
            if path.is_dir() {
                found.insert(name, (mode, Vec::new()));
                folders.push(path);
            } else {
                found.insert(name, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    found
}
