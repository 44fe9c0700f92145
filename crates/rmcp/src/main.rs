//! The binary: one expression; everything else is in `cli`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
