//! A Debian of its own, in which the released program changes real things: an initramfs and accounts in a chroot,
//! and the kernel's words under QEMU, through as many starts as it takes to see them come, last and go.
//!
//! Needs root and about 2 GB below `target/`; makes its system from Debian's packages.

use crate::run::{cargo, need_package, release_binary, run, top};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Programs, and the Debian packages that hold them.
const TOOLS: [(&str, &str); 6] = [
    ("mmdebstrap", "mmdebstrap"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("grub-mkrescue", "grub-common"),
    ("xorriso", "xorriso"),
    ("mformat", "mtools"),
    ("mke2fs", "e2fsprogs"),
];

/// What the system consists of beside the essential packages.
const PACKAGES: &str =
    "linux-image-amd64,initramfs-tools,grub-common,grub2-common,grub-pc-bin,kmod,passwd,zstd";

/// The kernel word that is added: harmless, and without a row in the knowledge base.
const WORD: &str = "rmcp.test=1";

/// The folder of GRUB's modules, in the system and on this machine.
const GRUB_MODULES: &str = "usr/lib/grub/i386-pc";

/// How long one start may take. Software emulation takes about a minute.
const START: Duration = Duration::from_secs(420);

/// What the machine writes last, when nothing is written to its disk any more.
const OFF: &str = "rmcp-test: off";

/// One start of the machine: whether the kernel must have been started with the word, what is done then, and what
/// must stand in the output.
struct Start {
    title: &'static str,
    has_word: bool,
    script: &'static str,
    expected: &'static [&'static str],
}

const STARTS: [Start; 6] = [
    Start {
        title: "as installed; the word is added for one start",
        has_word: false,
        script: "update-grub; cp /boot/grub/grub.cfg /root/before.cfg; rmcp apply kernel-parameter rmcp.test=1 --yes; grub-script-check /boot/grub/grub.cfg && echo grub accepts it; rmcp status",
        expected: &[
            "change 1 is made",
            "grub accepts it",
            "pending, takes effect at the next start",
        ],
    },
    Start {
        title: "the one start, which nobody confirms",
        has_word: true,
        script: "rmcp status",
        expected: &["in force for this start alone"],
    },
    Start {
        title: "as before; the change is taken back to the byte, and made again",
        has_word: false,
        script: "rmcp status; echo status ends with $?; rmcp undo --all --yes; cmp /root/before.cfg /boot/grub/grub.cfg && echo identical; ls /etc/grub.d /etc/default/grub.d; rmcp apply kernel-parameter rmcp.test=1 --yes",
        expected: &[
            "not confirmed",
            "status ends with 1",
            "change 1 is taken back",
            "identical",
            "change 2 is made",
        ],
    },
    Start {
        title: "the one start, which is confirmed",
        has_word: true,
        script: "rmcp status --confirm --yes; rmcp status",
        expected: &["change 2 is kept as change 3"],
    },
    Start {
        title: "the word has lasted; it is taken back",
        has_word: true,
        script: "rmcp status; rmcp undo --all --yes; cmp /root/before.cfg /boot/grub/grub.cfg && echo identical",
        expected: &[
            "active, seen: rmcp.test=1 in /proc/cmdline",
            "change 3 is taken back",
            "identical",
        ],
    },
    Start { title: "as before", has_word: false, script: "rmcp status", expected: &["undone"] },
];

/// Makes the system where it is not there, and runs both halves.
pub(crate) fn boot() -> Result<()> {
    let id = Command::new("id").arg("-u").output()?;
    ensure!(id.stdout == b"0\n", "needs root: it makes a system with files of several owners");
    cargo(&["build", "--release", "--quiet", "--package", "rmcp"])?;
    for (program, package) in TOOLS {
        need_package(program, package)?;
    }
    let folder = top().join("target/debian");
    let base = base_system(&folder)?;
    let system = folder.join("system");
    run("rm", &["-rf", &system.display().to_string()])?;
    run("cp", &["-a", &base.display().to_string(), &system.display().to_string()])?;
    fs::copy(release_binary(), system.join("usr/local/bin/rmcp"))?;
    in_chroot(&system)?;
    under_qemu(&folder, &system)
}

/// Installs the system once; whoever wants it anew removes the folder.
fn base_system(folder: &Path) -> Result<PathBuf> {
    let base = folder.join("base");
    if base.join("sbin").exists() {
        return Ok(base);
    }
    fs::create_dir_all(folder)?;
    let release = fs::read_to_string("/etc/os-release")?;
    let suite = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release has no VERSION_CODENAME: needs Debian")?;
    let include = format!("--include={PACKAGES}");
    let mut arguments: Vec<String> =
        ["--quiet", "--variant=minbase", &include, suite].map(str::to_owned).to_vec();
    arguments.push(base.display().to_string());
    // The same places from which this machine has its packages.
    let list = PathBuf::from("/etc/apt/sources.list");
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let is_source =
        |path: &PathBuf| path.extension().is_some_and(|end| end == "list" || end == "sources");
    let sources = parts.map(|entry| entry.path()).filter(is_source).chain([list]);
    arguments.extend(sources.filter(|path| path.is_file()).map(|path| path.display().to_string()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run("mmdebstrap", &arguments)?;
    Ok(base)
}

/// Runs a script in the system and returns what it prints.
fn chroot(system: &Path, script: &str) -> Result<String> {
    println!("  # {script}");
    let output = Command::new("chroot")
        .arg(system)
        .args(["/bin/sh", "-c", &format!("exec 2>&1; {script}")])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().for_each(|line| println!("    {line}"));
    Ok(text)
}

fn expect(text: &str, expected: &[&str]) -> Result<()> {
    for words in expected {
        ensure!(text.contains(words), "expected `{words}` in the output above");
    }
    Ok(())
}

/// The initramfs and the accounts of the system, by Debian's own programs.
fn in_chroot(system: &Path) -> Result<()> {
    println!("\n=== In a chroot: update-initramfs");
    let listed = "lsinitramfs /boot/initrd.img-* | grep rmcp.conf || echo not in the initramfs";
    let made = format!("rmcp apply module-option gttsize=8192 --yes && {listed}");
    expect(&chroot(system, &made)?, &["change 1 is made", "etc/modprobe.d/rmcp.conf"])?;
    expect(&chroot(system, &format!("rmcp undo 1 --yes && {listed}"))?, &["not in the initramfs"])?;

    println!("\n=== In a chroot: usermod and gpasswd, asked for by sudo");
    let accounts = "useradd -m -s /bin/sh tester; groupadd -f -r render; md5sum /etc/group /etc/gshadow >/root/sums; SUDO_UID=$(id -u tester) rmcp apply group render video --yes; for group in render video; do id -nG tester | grep -qw $group && echo is in $group; done";
    expect(&chroot(system, accounts)?, &["change 2 is made", "is in render", "is in video"])?;
    let back = "rmcp undo --last --yes; md5sum -c /root/sums && rm /root/sums";
    expect(&chroot(system, back)?, &["/etc/group: OK", "/etc/gshadow: OK"])?;

    println!("\n=== In a chroot: a user without rights, and root for that user");
    in_chroot_as_user(system)?;
    chroot(system, "rm -r /var/lib/rmcp")?;
    Ok(())
}

/// What a user asks for that only root can do, and what root then does, and as whom.
fn in_chroot_as_user(system: &Path) -> Result<()> {
    let as_user = |arguments: &str| -> Result<String> {
        let called = "chroot --userspec=tester:tester / env HOME=/home/tester rmcp";
        chroot(system, &format!("{called} {arguments}; echo ends with $?"))
    };
    let command_of = |said: &str| -> Result<String> {
        let command = said.lines().find_map(|line| line.trim().strip_prefix("sudo "));
        Ok(command.context("no command for root")?.to_owned())
    };
    // Whoever reads the start file leaves a note.
    chroot(
        system,
        "echo 'id -u >>/tmp/readers' >>/home/tester/.profile; chmod 1777 /tmp; touch /dev/kfd; chgrp render /dev/kfd; chmod 660 /dev/kfd",
    )?;
    let said = as_user("apply variable HIP_VISIBLE_DEVICES=0 --everybody --yes")?;
    expect(&said, &["rmcp apply --plan /home/tester/", "ends with 5"])?;
    let command = command_of(&said)?;
    let altered = format!(
        "cp -a /home/tester/.local /root/kept; sed -i s/DEVICES/DEVIL/ /home/tester/.local/state/rmcp/plans/*; {command} --yes; rm -r /home/tester/.local; mv /root/kept /home/tester/.local"
    );
    expect(&chroot(system, &altered)?, &["is not the plan that was shown"])?;
    let made = format!(
        "{command} --yes; SUDO_UID=$(id -u tester) rmcp status; sort -u /tmp/readers; id -u tester"
    );
    let said = chroot(system, &made)?;
    expect(&said, &["change 3 is made: active, seen"])?;
    ensure!(!said.lines().any(|line| line == "0"), "root has read a user's start file");
    chroot(system, "rmcp undo --all --yes")?;

    let said = as_user("apply group --yes")?;
    expect(&said, &["join render", "ends with 5"])?;
    let made = format!(
        "{} --yes; id -nG tester; rmcp undo --last --yes; id -nG tester",
        command_of(&said)?
    );
    expect(&chroot(system, &made)?, &["tester render", "is taken back"])?;

    let wishes = r#"{"schema":"rmcp.doctor/1","plan":[{"finding":"x","remedy":"y","wishes":[{"wish":"variable","name":"HIP_VISIBLE_DEVICES","value":"0","reader":{"for":"user"}},{"wish":"groups","groups":["render"]}]}]}"#;
    chroot(system, &format!("echo '{wishes}' >/tmp/advice.json"))?;
    let said = as_user("apply --from /tmp/advice.json --yes")?;
    expect(&said, &["change 1 is made: active, seen: HIP_VISIBLE_DEVICES", "ends with 5"])?;
    let made = format!("{} --yes; rmcp undo --last --yes", command_of(&said)?);
    expect(&chroot(system, &made)?, &["is made: active, seen: tester in the group render"])?;
    expect(&as_user("undo --all --yes")?, &["change 1 is taken back", "ends with 0"])?;
    Ok(())
}

/// The system's kernel, started by GRUB from a disk that GRUB and the system both write to.
fn under_qemu(folder: &Path, system: &Path) -> Result<()> {
    let write = |path: &str, text: &str| -> Result<()> {
        let path = system.join(path);
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    fs::create_dir_all(system.join("boot/grub"))?;
    run(
        "cp",
        &["-r", &format!("/{GRUB_MODULES}"), &system.join("boot/grub").display().to_string()],
    )
    .or_else(|_| {
        let modules = system.join(GRUB_MODULES).display().to_string();
        run("cp", &["-r", &modules, &system.join("boot/grub").display().to_string()])
    })?;
    write(
        // The first kernel of the submenu: submenus have their own variables.
        "etc/default/grub",
        "GRUB_DEFAULT=\"1>0\"\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\nGRUB_TERMINAL=console\n",
    )?;
    write("etc/fstab", "/dev/vda / ext4 defaults 0 1\n")?;
    chroot(system, "grub-editenv /boot/grub/grubenv create")?;
    fs::create_dir_all(system.join("starts"))?;
    for (number, start) in STARTS.iter().enumerate() {
        write(&format!("starts/{number}"), start.script)?;
    }
    let init = system.join("sbin/init");
    let _ = fs::remove_file(&init);
    write("sbin/init", INIT)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755))?;
    let disk = folder.join("disk.img");
    let _ = fs::remove_file(&disk);
    let (disk, source) = (disk.display().to_string(), system.display().to_string());
    run("mke2fs", &["-q", "-t", "ext4", "-d", &source, &disk, "3G"])?;
    let loader = loader_image(folder, system)?;
    for (number, start) in STARTS.iter().enumerate() {
        println!("\n=== Start {}: {}", number + 1, start.title);
        let text = start_once(&disk, &loader)?;
        let shown = text.split_once("rmcp-test: begin").map_or("", |(_, rest)| rest);
        shown.lines().for_each(|line| println!("    {line}"));
        let command_line =
            shown.lines().find(|line| line.contains("BOOT_IMAGE=")).with_context(|| {
                format!("the machine did not come up; its last words:\n{}", tail(&text))
            })?;
        let has_word = command_line.split_whitespace().any(|word| word == WORD);
        if has_word != start.has_word {
            bail!(
                "the kernel was started with `{command_line}`, expected {WORD}: {}",
                start.has_word
            );
        }
        expect(shown, start.expected)?;
    }
    println!("\n{} starts, each with the words that were to be there", STARTS.len());
    Ok(())
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The first process of the system: shows the kernel's words, does what this start is for, and switches off.
const INIT: &str = "#!/bin/sh
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NO_COLOR=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -o remount,rw /
exec >/dev/ttyS0 2>&1
number=$(cat /root/number 2>/dev/null || echo 0)
echo $((number + 1)) >/root/number
echo rmcp-test: begin
cat /proc/cmdline
sh /starts/$number
echo rmcp-test: end
cd /
sync
mount -o remount,ro /
echo rmcp-test: off
while :; do read -r nothing <>/dev/ttyS0; done
";

/// A CD with GRUB on it that goes on with the GRUB configuration of the disk, as GRUB in a boot sector would; where
/// there is none yet, it starts the kernel by itself.
fn loader_image(folder: &Path, system: &Path) -> Result<String> {
    let kernel = |prefix: &str| -> Result<String> {
        let names = fs::read_dir(system.join("boot"))?.flatten();
        let name = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .find(|name| name.starts_with(prefix));
        name.with_context(|| format!("no {prefix} in /boot of the system"))
    };
    let tree = folder.join("cd");
    fs::create_dir_all(tree.join("boot/grub"))?;
    fs::write(
        tree.join("boot/grub/grub.cfg"),
        format!(
            "set root=hd0\nset prefix=(hd0)/boot/grub\nif [ -f (hd0)/boot/grub/grub.cfg ]; then\n  configfile (hd0)/boot/grub/grub.cfg\nelse\n  linux (hd0)/boot/{} BOOT_IMAGE=first root=/dev/vda ro quiet\n  initrd (hd0)/boot/{}\n  boot\nfi\n",
            kernel("vmlinuz-")?,
            kernel("initrd.img-")?
        ),
    )?;
    let image = folder.join("loader.iso").display().to_string();
    let modules = system.join(GRUB_MODULES).display().to_string();
    run("grub-mkrescue", &["--directory", &modules, "-o", &image, &tree.display().to_string()])?;
    Ok(image)
}

/// Starts the machine and returns what it wrote to its serial line until its disk was at rest; then it is switched
/// off from outside, as by its plug.
fn start_once(disk: &str, loader: &str) -> Result<String> {
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-m", "1024", "-smp", "2"])
        .args(["-drive", &format!("file={disk},format=raw,if=virtio")])
        .args(["-cdrom", loader, "-boot", "d", "-display", "none", "-serial", "stdio"])
        .args(["-monitor", "none", "-nic", "none", "-no-reboot"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let serial = machine.stdout.take().context("qemu has no standard output")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(serial).split(b'\n').map_while(Result::ok) {
            // Nobody listens any more where the time is up.
            let _ = sender.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    let deadline = Instant::now() + START;
    let mut text = String::new();
    let mut off = false;
    while !off {
        let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        else {
            break;
        };
        off = line.contains(OFF);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    machine.kill()?;
    machine.wait()?;
    ensure!(off, "the machine did not come to its end within {START:?}:\n{}", tail(&text));
    Ok(text)
}
