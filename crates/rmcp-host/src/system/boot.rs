//! Boot loader, the kernel words that its configuration asks for, and Secure Boot.

use crate::host_root::{HostRoot, join};
use crate::settings::shell::parse_assignments;
use crate::system::kernel::{parse_command_line, split_word};
use rmcp_model::{BootFacts, Fact, ModuleOption, Origin};

/// What tells a boot loader or image system, most specific first: an image system owns the boot loader.
const LOADERS: [(&str, &str); 11] = [
    ("nixos", "/etc/NIXOS"),
    ("bootc", "/usr/lib/bootc"),
    ("rpm-ostree", "/run/ostree-booted"),
    ("kernelstub", "/etc/kernelstub/configuration"),
    ("systemd-boot", "/boot/loader/loader.conf"),
    ("systemd-boot", "/efi/loader/loader.conf"),
    ("systemd-boot", "/boot/efi/loader/loader.conf"),
    ("grub", "/etc/default/grub"),
    ("grub", "/boot/grub/grub.cfg"),
    ("grub", "/boot/grub2/grub.cfg"),
    ("bls", "/boot/loader/entries"),
];

/// Files of shell assignments that hold GRUB's kernel words.
const GRUB_FILES: [&str; 2] = ["/etc/default/grub", "/etc/sysconfig/grub2"];

/// Reads how the machine boots.
pub fn read_boot(root: &HostRoot) -> BootFacts {
    let loader = read_loader(root);
    BootFacts {
        configured_words: read_configured_words(root, loader.value().map(String::as_str)),
        loader,
        secure_boot: read_secure_boot(root),
    }
}

fn read_loader(root: &HostRoot) -> Fact<String> {
    let found = LOADERS.iter().find(|(_, path)| root.exists(path));
    let Some(&(name, path)) = found else { return Fact::Absent };
    // Fedora's GRUB takes its kernels from entries, and makes none of its own.
    if name == "grub" && root.exists("/boot/loader/entries") {
        let settings = root.read_text(GRUB_FILES[0]);
        let entries = settings.value().is_some_and(|text| {
            let last = parse_assignments(text)
                .into_iter()
                .rfind(|assignment| assignment.name == "GRUB_ENABLE_BLSCFG");
            last.is_some_and(|assignment| assignment.value == "true")
        });
        if entries {
            return Fact::known("bls".to_owned(), Origin::file(GRUB_FILES[0]));
        }
    }
    Fact::known(name.to_owned(), Origin::file(path))
}

/// The end of the name of an entry for one start, whose words are nobody's configuration.
const ONCE: &str = "rmcp-once.conf";

/// Folders of boot loader entries. Source: UAPI.1 Boot Loader Specification, "Type #1"; bootctl(1).
const ENTRY_FOLDERS: [&str; 3] =
    ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"];

/// Reads what the boot loader in use is told; where that is not known, what any is told. Words stand in the order
/// in which the kernel gets them.
fn read_configured_words(root: &HostRoot, loader: Option<&str>) -> Vec<ModuleOption> {
    let mut words = Vec::new();
    if matches!(loader, None | Some("grub")) {
        words.extend(read_grub_words(root));
    }
    if loader == Some("grub") {
        return words;
    }
    for folder in ENTRY_FOLDERS {
        for name in root.names(folder, |name| name.ends_with(".conf") && !name.ends_with(ONCE)) {
            let path = join(folder, &name);
            if let Some(text) = root.read_text(&path).value() {
                words.extend(parse_loader_entry(&path, text));
            }
        }
    }
    if let Some(text) = root.read_text("/etc/kernel/cmdline").value() {
        words.extend(as_words("/etc/kernel/cmdline", 1, text));
    }
    words
}

/// Reads GRUB's settings as `grub-mkconfig` does: the file, and then each drop-in, which may replace or add to
/// what stands there already.
fn read_grub_words(root: &HostRoot) -> Vec<ModuleOption> {
    let main = GRUB_FILES.iter().find(|path| root.exists(path)).map(|path| (*path).to_owned());
    let drop_ins = root.names("/etc/default/grub.d", |name| name.ends_with(".cfg"));
    let drop_ins = drop_ins.iter().map(|name| join("/etc/default/grub.d", name));
    let mut variables = GrubVariables::default();
    for path in main.into_iter().chain(drop_ins) {
        if let Some(text) = root.read_text(&path).value() {
            variables.read(&path, text);
        }
    }
    variables.words()
}

fn as_words(path: &str, line: u32, text: &str) -> Vec<ModuleOption> {
    parse_command_line(text)
        .iter()
        .map(|word| {
            let (name, value) = split_word(word);
            ModuleOption { name, value: value.to_owned(), origin: Origin::line(path, line) }
        })
        .collect()
}

/// Returns the kernel words in `GRUB_CMDLINE_LINUX` and `GRUB_CMDLINE_LINUX_DEFAULT` of one file; assignments that
/// are commented out do not count, and a later one replaces an earlier one unless it appends.
pub fn parse_grub_default(path: &str, text: &str) -> Vec<ModuleOption> {
    let mut variables = GrubVariables::default();
    variables.read(path, text);
    variables.words()
}

/// GRUB's two variables with kernel words, in the order in which the kernel gets them.
#[derive(Default)]
struct GrubVariables {
    always: Vec<ModuleOption>,
    normally: Vec<ModuleOption>,
}

impl GrubVariables {
    fn read(&mut self, path: &str, text: &str) {
        for assignment in parse_assignments(text) {
            let variable = match assignment.name.as_str() {
                "GRUB_CMDLINE_LINUX" => &mut self.always,
                "GRUB_CMDLINE_LINUX_DEFAULT" => &mut self.normally,
                _ => continue,
            };
            // `X="$X more"` keeps what was there.
            let keeps = assignment.append
                || assignment.value.contains(&format!("${}", assignment.name))
                || assignment.value.contains(&format!("${{{}}}", assignment.name));
            let mut new = as_words(path, assignment.line, &assignment.value);
            new.retain(|word| !word.name.starts_with('$'));
            if !keeps {
                variable.clear();
            }
            variable.extend(new);
        }
    }

    fn words(self) -> Vec<ModuleOption> {
        self.always.into_iter().chain(self.normally).collect()
    }
}

/// Returns the kernel words of the `options` lines of a Boot Loader Specification entry.
///
/// Source: UAPI.1 Boot Loader Specification.
pub fn parse_loader_entry(path: &str, text: &str) -> Vec<ModuleOption> {
    (1..)
        .zip(text.lines())
        .filter_map(|(number, line)| {
            let rest = line.strip_prefix("options")?;
            rest.starts_with(char::is_whitespace).then(|| as_words(path, number, rest))
        })
        .flatten()
        .collect()
}

/// Reads the EFI variable `SecureBoot`: four bytes of attributes, then 0 or 1.
///
/// Source: UEFI specification, "Globally Defined Variables"; Linux `efivarfs` puts the attributes in front.
fn read_secure_boot(root: &HostRoot) -> Fact<bool> {
    let path = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    root.read_up_to(path, 64).parse(|bytes| match bytes[..] {
        [_, _, _, _, value @ (0 | 1)] => Ok(value == 1),
        _ => Err(format!("expected four bytes and a 0 or 1, found {} bytes", bytes.len())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[ModuleOption]) -> Vec<String> {
        words
            .iter()
            .map(|word| {
                if word.value.is_empty() {
                    word.name.clone()
                } else {
                    format!("{}={}", word.name, word.value)
                }
            })
            .collect()
    }

    #[test]
    fn grub_forms() {
        for (text, expected) in [
            (
                "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash amdgpu.noretry=0\"\n",
                &["quiet", "splash", "amdgpu.noretry=0"][..],
            ),
            ("GRUB_CMDLINE_LINUX='a b'\n#GRUB_CMDLINE_LINUX=\"c\"\n", &["a", "b"]),
            ("GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX+=\" b\"\n", &["a", "b"]),
            (
                "GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX b\"\n",
                &["a", "b"],
            ),
            ("GRUB_CMDLINE_LINUX=\"a\"\nGRUB_CMDLINE_LINUX=\"b\"\n", &["b"]),
            ("GRUB_CMDLINE_LINUX=\"a \\\n b\"\n", &["a", "b"]),
            ("export GRUB_CMDLINE_LINUX=a\n", &["a"]),
            ("GRUB_CMDLINE_LINUX=\"never closed\n", &[]),
        ] {
            assert_eq!(shown(&parse_grub_default("/etc/default/grub", text)), expected, "{text}");
        }
    }

    #[test]
    fn loader_entry_options() {
        let words = parse_loader_entry(
            "/boot/loader/entries/a.conf",
            "title x\noptions root=UUID=1 ro\noptions iommu=pt\n",
        );
        assert_eq!(shown(&words), ["root=UUID=1", "ro", "iommu=pt"]);
        assert_eq!(words[2].origin.line, Some(3));
    }
}
