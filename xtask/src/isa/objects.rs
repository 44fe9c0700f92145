//! `cargo xtask make-objects`: compiles the kernels of `testdata/code-objects`, and writes beside each object
//! how LLVM disassembles it.

use super::probe::{disassemble_file, need_llvm};
use crate::run::{need_package, run, top};
use anyhow::Result;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The compiler; its version is the disassembler's.
const CLANG: &str = "clang-22";

/// Objects, their target, and further arguments of the compiler.
type Variants = &'static [(&'static str, &'static str, &'static [&'static str])];

/// Folders with a `kernels.cl`, what is made of it, and whether LLVM's listing is kept beside it.
const FOLDERS: [(&str, Variants, bool); 2] = [
    (
        "testdata/code-objects",
        &[("gfx1010", "gfx1010", &[]), ("gfx1030", "gfx1030", &["-DDOT"])],
        true,
    ),
    (
        "testdata/exec",
        &[
            ("gfx1010", "gfx1010", &[EXACT]),
            ("gfx1030", "gfx1030", &[EXACT, "-DDOT"]),
            ("gfx1030-wave64", "gfx1030", &[EXACT, "-DDOT", "-mwavefrontsize64"]),
        ],
        false,
    ),
];

/// Divisions and roots are rounded correctly, so that there is one right result.
const EXACT: &str = "-cl-fp32-correctly-rounded-divide-sqrt";

/// Compiles and disassembles.
pub(crate) fn make() -> Result<()> {
    need_llvm()?;
    need_package(CLANG, "clang-22")?;
    need_package("ld.lld-22", "lld-22")?;
    for (folder, variants, lists) in FOLDERS {
        let folder = top().join(folder);
        for (name, target, further) in variants {
            let object = folder.join(format!("{name}.co"));
            compile(&folder.join("kernels.cl"), &object, target, further)?;
            if lists {
                list(target, &object)?;
            }
        }
    }
    Ok(())
}

fn compile(source: &Path, object: &Path, target: &str, further: &[&str]) -> Result<()> {
    let (source, output) = (source.display().to_string(), object.display().to_string());
    let mcpu = format!("-mcpu={target}");
    // -w: the compiler keeps a copy of each kernel as a function, and warns that those cannot use LDS.
    let mut arguments = vec!["-x", "cl", "-cl-std=CL2.0", "-O3", "-w", "-nogpulib"];
    arguments.extend(["-Xclang", "-finclude-default-header"]);
    arguments.extend(["-target", "amdgcn-amd-amdhsa", "-fuse-ld=lld", &mcpu]);
    arguments.extend(further);
    arguments.extend(["-o", &output, &source]);
    run(CLANG, &arguments)?;
    // The linker makes programs; this is data.
    std::fs::set_permissions(object, std::fs::Permissions::from_mode(0o644))?;
    Ok(())
}

fn list(target: &str, object: &Path) -> Result<()> {
    let mut listing = String::new();
    disassemble_file(target, object, |line| {
        // Writing to a String cannot fail.
        let _ = writeln!(listing, "{:x} {} {}", line.offset, line.dwords, line.text);
    })?;
    std::fs::write(object.with_extension("txt"), listing)?;
    Ok(())
}
