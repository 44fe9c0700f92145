//! Names of kernels as their authors wrote them.

use cpp_demangle::{DemangleNodeType, DemangleOptions, DemangleWrite, Symbol};
use std::borrow::Cow;
use std::fmt;

/// Longest name that is taken apart, and longest result: a mangled name can stand for a text that is
/// exponentially longer. The longest real ones, of template libraries, have some 10,000 letters.
const MAX_NAME: usize = 32 << 10;
const MAX_RESULT: usize = 64 << 10;

/// How deep a name is taken apart.
const MAX_RECURSION: u32 = 96;

/// Returns the name in C++, or as it is where it is no C++ name.
pub fn demangle(name: &str) -> Cow<'_, str> {
    if !name.starts_with("_Z") || name.len() > MAX_NAME {
        return Cow::Borrowed(name);
    }
    let Ok(symbol) = Symbol::new(name) else { return Cow::Borrowed(name) };
    let mut out = Bounded(String::new());
    let options = DemangleOptions::default().recursion_limit(MAX_RECURSION);
    match symbol.structured_demangle(&mut out, &options) {
        Ok(()) => Cow::Owned(out.0),
        Err(_) => Cow::Borrowed(name),
    }
}

struct Bounded(String);

impl DemangleWrite for Bounded {
    fn push_demangle_node(&mut self, _: DemangleNodeType) {}

    fn write_string(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_RESULT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for (name, expected) in [
            ("_ZN5torch6kernelIfEEvPT_i", "void torch::kernel<float>(float*, int)"),
            ("Cijk_Ailk_Bljk_SB_MT64x64x16", "Cijk_Ailk_Bljk_SB_MT64x64x16"),
            ("_Z", "_Z"),
            ("_ZN", "_ZN"),
        ] {
            assert_eq!(demangle(name), expected);
        }
    }

    /// Each part repeats the one before it twice.
    #[test]
    fn a_name_that_grows_without_end_is_left_as_it_is() {
        let mut name = String::from("_Z1fI1aE1bIS0_S0_E");
        for at in 0..30 {
            name.push_str(&format!("1cIS{at}_S{at}_E"));
        }
        assert!(demangle(&name).len() <= MAX_RESULT);
        assert!(demangle(&format!("_Z1f{}", "P".repeat(20_000))).len() <= MAX_RESULT);
    }
}
