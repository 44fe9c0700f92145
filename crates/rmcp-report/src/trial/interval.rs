//! How sure a rate is.

/// Two-sided 95 % quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// Returns between which rates the truth is, 95 times of 100, where `k` of `n` runs passed.
///
/// Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
/// Statistical Association 22, 1927.
pub(super) fn wilson(k: u32, n: u32) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, rate) = (f64::from(n), f64::from(k) / f64::from(n));
    let middle = rate + Z * Z / (2.0 * n);
    let spread = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    let all = 1.0 + Z * Z / n;
    (((middle - spread) / all).max(0.0), ((middle + spread) / all).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        for (k, n, low, high) in [
            (0, 0, 0.0, 1.0),
            (0, 3, 0.0, 0.5615),
            (3, 3, 0.4385, 1.0),
            (2, 3, 0.2077, 0.9385),
            (5, 10, 0.2366, 0.7634),
        ] {
            let (a, b) = wilson(k, n);
            assert!((a - low).abs() < 1e-3 && (b - high).abs() < 1e-3, "{k} of {n}: {a} {b}");
        }
    }
}
