//! `cargo xtask make-objects`: compiles the kernels of `testdata/code-objects`, and writes beside each object
//! how LLVM disassembles it.

use super::probe::{disassemble_file, need_llvm};
use crate::run::{need_package, run, top};
use anyhow::Result;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;

/// The compiler; its version is the disassembler's.
const CLANG: &str = "clang-22";

/// Targets, and what is defined for each.
const TARGETS: [(&str, &[&str]); 2] = [("gfx1010", &[]), ("gfx1030", &["-DDOT"])];

/// Compiles and disassembles.
pub(crate) fn make() -> Result<()> {
    need_llvm()?;
    need_package(CLANG, "clang-22")?;
    need_package("ld.lld-22", "lld-22")?;
    let folder = top().join("testdata/code-objects");
    let source = folder.join("kernels.cl").display().to_string();
    for (target, defines) in TARGETS {
        let object = folder.join(format!("{target}.co"));
        let output = object.display().to_string();
        let mcpu = format!("-mcpu={target}");
        // -w: the compiler keeps a copy of each kernel as a function, and warns that those cannot use LDS.
        let mut arguments = vec!["-x", "cl", "-cl-std=CL2.0", "-O3", "-w", "-nogpulib"];
        arguments.extend(["-Xclang", "-finclude-default-header"]);
        arguments.extend(["-target", "amdgcn-amd-amdhsa", "-fuse-ld=lld", &mcpu]);
        arguments.extend(defines);
        arguments.extend(["-o", &output, &source]);
        run(CLANG, &arguments)?;
        // The linker makes programs; this is data.
        std::fs::set_permissions(&object, std::fs::Permissions::from_mode(0o644))?;
        let mut listing = String::new();
        disassemble_file(target, &object, |line| {
            // Writing to a String cannot fail.
            let _ = writeln!(listing, "{:x} {} {}", line.offset, line.dwords, line.text);
        })?;
        std::fs::write(folder.join(format!("{target}.txt")), listing)?;
    }
    Ok(())
}
