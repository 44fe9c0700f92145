//! RMCP at work on shipped input.

use crate::rocm;
use crate::run::{cargo, release_binary, top};
use anyhow::{Result, bail};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

/// One thing to show: a variable, the arguments, how it ends, and what the reader should see in it.
struct Scene {
    title: &'static str,
    variable: Option<(&'static str, &'static str)>,
    arguments: &'static [&'static str],
    end: End,
    look: &'static str,
}

/// How a scene ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With an exit code.
    Code(i32),
    /// The program aborts, as the runtime does after a fault of the card.
    Abort,
}

/// The override that most pages advise.
const OVERRIDE: Option<(&str, &str)> = Some(("HSA_OVERRIDE_GFX_VERSION", "10.3.0"));

/// A convolution of bytes in HIP, compiled for gfx1010 and gfx1030.
const CONVOLUTION: &str = "target/demo/convolution";

const SCENES: [Scene; 10] = [
    Scene {
        title: "A made-up machine: an RX 5600 XT under the advice that most pages give",
        variable: None,
        arguments: &["doctor", "--root", "testdata/machines/rx5600xt-override-torch"],
        end: End::Code(1),
        look: "the first finding is the override, proven by card, variable and library; then the route to native code",
    },
    Scene {
        title: "A made-up machine without a fault",
        variable: None,
        arguments: &["doctor", "--root", "testdata/machines/rx6800-healthy"],
        end: End::Code(0),
        look: "one GPU, no finding, exit code 0",
    },
    Scene {
        title: "A made-up crash of that first machine",
        variable: None,
        arguments: &[
            "explain",
            "testdata/logs/aperture_violation-training.txt",
            "--root",
            "testdata/machines/rx5600xt-override-torch",
        ],
        end: End::Code(0),
        look: "0x29 is recognised through the progress bar, and narrowed by the machine: gfx1030 code on gfx1010",
    },
    Scene {
        title: "What GPU code does on another card than it was compiled for: proof from the code, nothing is run",
        variable: None,
        arguments: &["scan", "testdata/code-objects", "--card", "gfx1010", "--no-cache"],
        end: End::Code(1),
        look: "the native object is clean; of the gfx1030 object, a kernel that this card cannot decode, others it gets wrong, and why",
    },
    Scene {
        title: "What RMCP would change on that machine; nothing is changed here",
        variable: None,
        arguments: &["apply", "--dry-run", "--root", "testdata/machines/rx5600xt-override-torch"],
        end: End::Code(0),
        look: "the lines that set the two harmful variables, switched off in two files",
    },
    Scene {
        title: "A simulated RX 5600 XT, seen by Debian's own ROCm",
        variable: None,
        arguments: &[
            "sim",
            "--card",
            "rx5600xt",
            "--",
            "sh",
            "-c",
            "rocminfo | sed -n '/Agent 2/,/Pool 1/p'",
        ],
        end: End::Code(0),
        look: "rocminfo lists the card that is not there, as it listed a real one",
    },
    Scene {
        title: "What RMCP says of that simulated card under the override",
        variable: OVERRIDE,
        arguments: &["doctor", "--simulate", "rx5600xt"],
        end: End::Code(1),
        look: "the override is the first finding",
    },
    Scene {
        title: "A convolution on the simulated card, compiled for it",
        variable: None,
        arguments: &["sim", "--card", "rx5600xt", "--counters", "--", CONVOLUTION, "direct_i8"],
        end: End::Code(0),
        look: "the real HIP runtime starts it, its instructions are run one by one, and the result is what the processor computes",
    },
    Scene {
        title: "The same program under the override: now the card gets the gfx1030 code in it",
        variable: OVERRIDE,
        arguments: &["sim", "--card", "rx5600xt", "--", CONVOLUTION, "direct_i8"],
        end: End::Abort,
        look: "v_dot4c_i32_i8 does not exist on gfx1010: HIP itself aborts with HSA_STATUS_ERROR_ILLEGAL_INSTRUCTION (0x2a)",
    },
    Scene {
        title: "What helps, found by trying: half precision and training on the simulated card under the override",
        variable: OVERRIDE,
        arguments: &[
            "try",
            "--simulate",
            "rx5600xt",
            "--tool",
            "hip",
            "--workload",
            "mixed-precision",
            "--workload",
            "training",
        ],
        end: End::Code(1),
        look: "half precision crashes, single precision does not; without the override both pass, and nothing else is needed",
    },
];

/// Builds RMCP and runs the scenes; fails where one ends otherwise than it must.
pub(crate) fn run() -> Result<()> {
    rocm::need()?;
    cargo(&["build", "--release", "--quiet"])?;
    rocm::compile("convolution", &top().join("target/demo"))?;
    for scene in SCENES {
        let set = scene.variable.map(|(name, value)| format!("{name}={value} "));
        println!("\n=== {}", scene.title);
        println!("$ {}rmcp {}\n", set.unwrap_or_default(), scene.arguments.join(" "));
        let status = Command::new(release_binary())
            .args(scene.arguments)
            .env_remove("HSA_OVERRIDE_GFX_VERSION")
            .envs(scene.variable)
            // Records and compiled programs of the demonstration are nobody's.
            .env("XDG_STATE_HOME", top().join("target/demo/state"))
            .env("XDG_CACHE_HOME", top().join("target/demo/cache"))
            .current_dir(top())
            .status()?;
        // SIGABRT.
        let end = match status.signal() {
            Some(6) => Some(End::Abort),
            _ => status.code().map(End::Code),
        };
        if end != Some(scene.end) {
            bail!("expected {:?}, and it ended with {status}", scene.end);
        }
        println!("\n--> You should see: {}.", scene.look);
    }
    println!("\nNow on your own machine: target/release/rmcp doctor");
    Ok(())
}
