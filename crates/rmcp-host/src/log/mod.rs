//! Log text into evidence: which known messages stand in it, on which lines, and what they hold.

mod kmsg;
mod pasted;
mod scanner;
mod watch;
mod window;

pub use kmsg::{parse_kmsg, read_kernel_log};
pub use pasted::parse_pasted;
pub use scanner::{LogScanner, ScanError};
pub use watch::KernelLogWatch;
pub use window::{normalize, printable};
