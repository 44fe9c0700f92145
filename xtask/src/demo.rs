//! RMCP at work on shipped input.

use crate::run::{cargo, release_binary, top};
use anyhow::{Result, bail};
use std::process::Command;

/// One thing to show: the arguments, the exit code, and what the reader should see in it.
struct Scene {
    title: &'static str,
    arguments: &'static [&'static str],
    exit_code: i32,
    look: &'static str,
}

const SCENES: [Scene; 5] = [
    Scene {
        title: "A made-up machine: an RX 5600 XT under the advice that most pages give",
        arguments: &["doctor", "--root", "testdata/machines/rx5600xt-override-torch"],
        exit_code: 1,
        look: "the first finding is the override, proven by card, variable and library; then the route to native code",
    },
    Scene {
        title: "A made-up machine without a fault",
        arguments: &["doctor", "--root", "testdata/machines/rx6800-healthy"],
        exit_code: 0,
        look: "one GPU, no finding, exit code 0",
    },
    Scene {
        title: "A made-up crash of that first machine",
        arguments: &[
            "explain",
            "testdata/logs/aperture_violation-training.txt",
            "--root",
            "testdata/machines/rx5600xt-override-torch",
        ],
        exit_code: 0,
        look: "0x29 is recognised through the progress bar, and narrowed by the machine: gfx1030 code on gfx1010",
    },
    Scene {
        title: "What GPU code does on another card than it was compiled for: proof from the code, nothing is run",
        arguments: &["scan", "testdata/code-objects", "--card", "gfx1010", "--no-cache"],
        exit_code: 1,
        look: "the native object is clean; of the gfx1030 object, a kernel that this card cannot decode, others it gets wrong, and why",
    },
    Scene {
        title: "What RMCP would change on that machine; nothing is changed here",
        arguments: &["apply", "--dry-run", "--root", "testdata/machines/rx5600xt-override-torch"],
        exit_code: 0,
        look: "the lines that set the two harmful variables, switched off in two files",
    },
];

/// Builds RMCP and runs the scenes; fails where one ends otherwise than it must.
pub(crate) fn run() -> Result<()> {
    cargo(&["build", "--release", "--quiet", "--package", "rmcp"])?;
    for scene in SCENES {
        println!("\n=== {}\n$ rmcp {}\n", scene.title, scene.arguments.join(" "));
        let status =
            Command::new(release_binary()).args(scene.arguments).current_dir(top()).status()?;
        if status.code() != Some(scene.exit_code) {
            bail!("expected exit code {}, and it ended with {status}", scene.exit_code);
        }
        println!("\n--> You should see: {}.", scene.look);
    }
    println!("\nNow on your own machine: target/release/rmcp doctor");
    Ok(())
}
