//! Where messages go: the terminal, a file, or the system log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::RwLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

/// How much is told: `-q` counts down, `-v` counts up.
pub fn level(verbose: u8, quiet: bool) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::Error,
        (false, 0) => LevelFilter::Warn,
        (false, 1) => LevelFilter::Info,
        (false, 2) => LevelFilter::Debug,
        (false, _) => LevelFilter::Trace,
    }
}

/// The one logger of a process; where it writes to can change, as a process that leaves its terminal must.
struct Logger {
    target: RwLock<Target>,
}

enum Target {
    Terminal(env_logger::Logger),
    File(File),
    System(UnixDatagram),
    Nothing,
}

static LOGGER: Logger = Logger { target: RwLock::new(Target::Nothing) };

/// Begins logging to standard error.
pub fn start(level: LevelFilter) {
    let terminal = env_logger::Builder::new()
        .filter_level(LevelFilter::Trace)
        .format(|out, record| writeln!(out, "mount-iso: {}{}", prefix(record.level()), record.args()))
        .build();
    lead(Target::Terminal(terminal));
    // Refused when a logger is there already, which then is ours.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

/// Leads the log to a file that is open, else to the system log, else nowhere.
pub fn leave_terminal(file: Option<File>) {
    lead(file.map_or_else(system, Target::File));
}

/// Opens a log file for adding to it.
///
/// # Errors
/// Whatever opening says.
pub fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o644).open(path)
}

/// Neither waits nor fails: a drive must work without a system log.
fn system() -> Target {
    let connect = || {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect("/dev/log")?;
        io::Result::Ok(socket)
    };
    connect().map_or(Target::Nothing, Target::System)
}

fn lead(target: Target) {
    if let Ok(mut current) = LOGGER.target.write() {
        *current = target;
    }
}

fn prefix(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
        Level::Trace => "trace: ",
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = log::max_level();
        // What libraries find worth a note is for those who look for mistakes.
        let own = metadata.target().starts_with("mount_iso");
        metadata.level() <= if own || level >= LevelFilter::Debug { level } else { LevelFilter::Error }
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let Ok(target) = self.target.read() else { return };
        // A message that can't be told can't be told anywhere.
        let _ = match &*target {
            Target::Terminal(terminal) => {
                terminal.log(record);
                Ok(())
            }
            Target::File(file) => {
                // One write, so that the lines of two processes don't mix.
                let line = format!("mount-iso[{}]: {}{}\n", std::process::id(), prefix(record.level()), record.args());
                (&*file).write_all(line.as_bytes())
            }
            Target::System(socket) => socket.send(syslog(record).as_bytes()).map(drop),
            Target::Nothing => Ok(()),
        };
    }

    fn flush(&self) {}
}

/// A message in the form of RFC 3164 without the time, which the system log adds. Facility 3 is that of daemons.
fn syslog(record: &Record<'_>) -> String {
    let severity = match record.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    format!("<{}>mount-iso[{}]: {}", 3 * 8 + severity, std::process::id(), record.args())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_log_gets_its_priority() {
        let line = syslog(&Record::builder().level(Level::Warn).args(format_args!("x")).build());
        assert!(line.starts_with("<28>mount-iso[") && line.ends_with("]: x"));
    }
}
