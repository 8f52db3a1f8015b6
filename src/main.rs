use std::process::ExitCode;

fn main() -> ExitCode {
    mount_iso::cli::main(std::env::args_os().collect())
}
