//! What was written, read by the real programs that will read it.

#![expect(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests start the real shells")]

use proptest::prelude::*;
use rmcp_change::edit::grub::add_words;
use rmcp_change::edit::variables::{Dialect, file_for};
use rmcp_model::PciId;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Sources a file with `sh` and prints a variable, as `grub-mkconfig` does it.
fn sourced(file: &Path, variable: &str) -> String {
    let script = format!(". \"$1\"; printf %s \"${variable}\"");
    let output = Command::new("sh")
        .args(["-eu", "-c", &script, "sh"])
        .arg(file)
        .env("GRUB_CMDLINE_LINUX_DEFAULT", "")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const VARIABLE: &str = "GRUB_CMDLINE_LINUX_DEFAULT";

/// Files in the forms that distributions and people write.
fn grub_file() -> impl Strategy<Value = String> {
    let word = "[a-z][a-z0-9_.]{0,8}(=[a-z0-9,:/]{1,6})?";
    let words = prop::collection::vec(word, 0..5).prop_map(|words| words.join(" "));
    let line = prop_oneof![
        words.clone().prop_map(|words| format!("{VARIABLE}=\"{words}\"\n")),
        words.clone().prop_map(|words| format!("{VARIABLE}='{words}'\n")),
        words.clone().prop_map(|words| format!("{VARIABLE}=\"${VARIABLE} {words}\"\n")),
        words.clone().prop_map(|words| format!("{VARIABLE}=\"${{{VARIABLE}}} {words}\"\n")),
        words.clone().prop_map(|words| format!("export {VARIABLE}=\"{words}\"\n")),
        words.clone().prop_map(|words| format!("#{VARIABLE}=\"{words}\"\n")),
        words.clone().prop_map(|words| format!("{VARIABLE}=\"{} \\\n  x\"\n", words)),
        words.clone().prop_map(|words| format!("{VARIABLE}=\"{words}\" # a remark, it's one\n")),
        words.prop_map(|words| format!("GRUB_CMDLINE_LINUX=\"{words}\"\n")),
        Just("GRUB_DISTRIBUTOR=`echo Debian`\n".to_owned()),
        Just("GRUB_TIMEOUT=5\n\n".to_owned()),
        Just("# If you change this file, run 'update-grub' afterwards\n".to_owned()),
    ];
    (prop::collection::vec(line, 0..8), any::<bool>()).prop_map(|(lines, newline)| {
        let text = lines.concat();
        if newline { text } else { text.trim_end_matches('\n').to_owned() }
    })
}

#[test]
fn words_are_added_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    let config =
        ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(text in grub_file(), word in "[a-z]{1,8}[.][a-z_]{1,8}=[0-9a-fx]{1,10}")| {
        let changed = add_words(&text, std::slice::from_ref(&word)).unwrap();
        fs::write(&old, &text).unwrap();
        fs::write(&new, &changed).unwrap();
        let expected = format!("{} {word}", sourced(&old, VARIABLE));
        prop_assert_eq!(sourced(&new, VARIABLE), expected);
        prop_assert_eq!(sourced(&new, "{GRUB_CMDLINE_LINUX-}"), sourced(&old, "{GRUB_CMDLINE_LINUX-}"));
        prop_assert!(changed.starts_with(&text), "what was there stands there still");
    });
}

#[test]
fn every_value_reaches_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rmcp.sh");
    let config =
        ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(value in "[ -~äß€]{0,24}")| {
        fs::write(&file, file_for(Dialect::Shell, "RMCP_TEST", &value, &[]).unwrap()).unwrap();
        prop_assert_eq!(sourced(&file, "RMCP_TEST"), value);
    });
}

#[test]
fn a_setting_for_a_card_that_is_not_there_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rmcp.sh");
    // No maker has the number ffff.
    let absent: PciId = "ffff:731f".parse().unwrap();
    fs::write(&file, file_for(Dialect::Shell, "RMCP_TEST", "1", &[absent]).unwrap()).unwrap();
    assert_eq!(sourced(&file, "{RMCP_TEST-unset}"), "unset");
    let output = Command::new("sh").arg("-n").arg(&file).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty() && output.stdout.is_empty());
}
