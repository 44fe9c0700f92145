//! Tells the linker that this library stays in the process for good: the runtime closes its tools when it shuts down, while
//! threads of the program may still be in our functions.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}
