//! What a scan found: the answer in one line, then the proof.

mod answer;
mod json;
mod kernels;
mod name;
mod page;

pub use json::scan_json;
pub use kernels::{kernels_text, listing_text};
pub use name::demangle;
pub use page::scan_text;

/// Returns a number with a comma at every third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns `1 kernel`, `2 kernels`.
fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (6_757_209, "6,757,209")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(
            (count(1, "kernel"), count(12_591, "kernel")),
            ("1 kernel".into(), "12,591 kernels".into())
        );
    }
}
