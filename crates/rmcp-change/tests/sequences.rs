//! Any sequence of changes and of taking them back, on files in any form, ends at the old bytes; and what is made
//! twice is made once.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests build their own machine"
)]

mod support;

use proptest::prelude::*;
use rmcp_change::{Journal, UndoChoice, UndoError, apply, undo};
use rmcp_model::{ChangeState, Step};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Kind, Loader, contents, facts, kinds, machine, plan, planner};

const JOURNAL: &str = "/var/lib/rmcp/journal";
const TIME: &str = "2026-11-24T12:00:00Z";

/// GRUB's settings in the forms that distributions and people write.
const GRUB_FORMS: [&str; 14] = [
    "",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX=\"\"\n",
    "GRUB_CMDLINE_LINUX_DEFAULT='quiet apparmor=1'\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=quiet",
    "export GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n  splash \\\n  loglevel=3\"\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\nsplash\"\n",
    "#GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n# GRUB_CMDLINE_LINUX_DEFAULT='it's off'\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT splash\"\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"a b\" # it's a remark\nGRUB_TIMEOUT=5\n\n\n",
    "GRUB_DISTRIBUTOR=`lsb_release -i -s 2> /dev/null || echo Debian`\nGRUB_CMDLINE_LINUX_DEFAULT=\"\"\n",
    "GRUB_DISTRIBUTOR=\"$(sed 's, release .*$,,g' /etc/os-release)\"\nGRUB_CMDLINE_LINUX=\"rhgb quiet\"",
    "if true; then\n  GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nfi\n",
    "GRUB_CMDLINE_LINUX_DEFAULT=\"amdgpu.ppfeaturemask=0xffffffff \\\"x y\\\" pcie_aspm=off\"\r\n",
];

/// Returns what `grub-mkconfig` would hand to the kernel: it sources the settings and then the drop-ins.
fn kernel_words(root: &Path) -> Vec<String> {
    let script = "set -e; . \"$0/etc/default/grub\"; for x in \"$0\"/etc/default/grub.d/*.cfg; do \
                  if [ -e \"$x\" ]; then . \"$x\"; fi; done; \
                  printf '%s' \"$GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT\"";
    let output = Command::new("sh").args(["-c", script]).arg(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let words = String::from_utf8(output.stdout).unwrap();
    words.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn words_of_others_stay_in_every_form_of_grub() {
    let journal = Journal::new(JOURNAL);
    let ours = ["pcie_aspm=off", "iommu=soft"];
    for loader in [Loader::Grub, Loader::GrubWithDropIns] {
        for form in GRUB_FORMS {
            let (folder, disk) = machine(loader);
            fs::write(folder.path().join("etc/default/grub"), form).unwrap();
            let before = contents(folder.path());
            let words = kernel_words(folder.path());
            let kind = kinds().into_iter().find(|kind| kind.name == "kernel words, GRUB").unwrap();
            let plan = plan(&kind, &disk, folder.path());
            apply(&disk, &journal, &plan, TIME).unwrap().unwrap();
            let mut with_ours = words.clone();
            // A word that was there before has its owner, and is not added again.
            with_ours.extend(
                ours.iter().filter(|our| !form.contains(**our)).map(|our| (*our).to_owned()),
            );
            assert_eq!(kernel_words(folder.path()), with_ours, "{loader:?} {form:?}");
            assert!(
                planner(&disk, &facts(folder.path()), true)
                    .plan(&kind.wishes)
                    .unwrap()
                    .steps
                    .is_empty(),
                "{form:?}: what is made twice is made once"
            );
            undo(&disk, &journal, 1, UndoChoice::default()).unwrap();
            assert_eq!(kernel_words(folder.path()), words, "{form:?}");
            assert_eq!(contents(folder.path()), before, "{loader:?} {form:?}");
        }
    }
}

/// What is done next.
#[derive(Debug, Clone)]
enum Act {
    /// Makes the change of that number among those of the machine.
    Make(usize),
    /// Takes back the change of that number among those in force.
    TakeBack(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![3 => (0..32_usize).prop_map(Act::Make), 2 => (0..8_usize).prop_map(Act::TakeBack)];
    prop::collection::vec(act, 1..12)
}

/// Where a sequence is played.
const LOADERS: [Loader; 5] =
    [Loader::GrubWithDropIns, Loader::Grub, Loader::Bls, Loader::Systemd, Loader::Ostree];

/// How many acts of a sequence did what they were for.
#[derive(Debug, Default)]
struct Counts {
    made: usize,
    taken_back: usize,
    covered: usize,
}

/// Plays a sequence on a new machine, takes everything back, and compares.
fn play(loader: Loader, form: &str, acts: &[Act], counts: &mut Counts) {
    let (folder, disk) = machine(loader);
    if matches!(loader, Loader::Grub | Loader::GrubWithDropIns) {
        fs::write(folder.path().join("etc/default/grub"), form).unwrap();
    }
    let before = contents(folder.path());
    let journal = Journal::new(JOURNAL);
    let of_machine = |kind: &Kind| kind.loader == loader || !kind.name.starts_with("kernel words");
    let kinds: Vec<Kind> = kinds().into_iter().filter(of_machine).collect();
    let in_force = || -> Vec<u32> {
        let entries = journal.entries(&disk).unwrap();
        let applied = entries.iter().filter(|(_, state)| *state == ChangeState::Applied);
        applied.map(|(entry, _)| entry.id).collect()
    };
    for act in acts {
        match act {
            Act::Make(which) => {
                let kind = &kinds[which % kinds.len()];
                let host = facts(folder.path());
                // Refused where an earlier change waits for its one start.
                let Ok(plan) = planner(&disk, &host, kind.permanent).plan(&kind.wishes) else {
                    continue;
                };
                counts.made += usize::from(apply(&disk, &journal, &plan, TIME).unwrap().is_some());
                let again = planner(&disk, &facts(folder.path()), kind.permanent)
                    .plan(&kind.wishes)
                    .map_or(0, |again| again.steps.iter().filter_map(Step::written_path).count());
                assert_eq!(again, 0, "{} writes again what it has written", kind.name);
            }
            Act::TakeBack(which) => {
                let ids = in_force();
                let Some(id) = ids.get(which % ids.len().max(1)) else { continue };
                match undo(&disk, &journal, *id, UndoChoice::default()) {
                    Ok(_) => counts.taken_back += 1,
                    // A later change of the same file has to go first.
                    Err(UndoError::Covered { .. }) => counts.covered += 1,
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    for id in in_force().into_iter().rev() {
        undo(&disk, &journal, id, UndoChoice::default()).unwrap();
    }
    assert_eq!(contents(folder.path()), before, "{loader:?} {form:?} {acts:?}");
}

#[test]
fn any_sequence_ends_at_the_old_bytes() {
    let config =
        ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() };
    let counts = RefCell::new(Counts::default());
    let machines =
        (prop::sample::select(&LOADERS[..]), prop::sample::select(&GRUB_FORMS[..]), acts());
    proptest!(config, |((loader, form, acts) in machines)| {
        play(loader, form, &acts, &mut counts.borrow_mut());
    });
    let counts = counts.into_inner();
    println!("{counts:?}");
    assert!(counts.made > 200 && counts.taken_back > 50 && counts.covered > 0, "{counts:?}");
}
