//! `mount-iso info`: what an image holds, which tree a mount shows, and what is wrong with it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::exit::{Code, Failure};
use super::image::{self, Opened, shown};
use super::options::ImageArgs;
use super::output::{self, JsonText, human_size, rfc3339};
use crate::disc::{Census, Session, View};
use crate::error::Defect;
use crate::text::printable;

/// Says what an image holds
#[derive(Debug, Clone, clap::Args)]
pub struct InfoArgs {
    /// The image file or device
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Write a JSON object
    #[arg(long)]
    pub json: bool,
    /// Look through the whole image for the sessions of a multi-session disc, and list them
    #[arg(long)]
    pub sessions: bool,
    #[command(flatten)]
    pub options: ImageArgs,
}

pub fn run(args: &InfoArgs) -> Result<Code, Failure> {
    let options = args.options.resolve()?;
    let opened = image::open(&args.image, &options)?;
    let mut report = Report::new(&args.image, &opened);
    if args.sessions {
        report.sessions = Some(opened.disc.sessions().into_iter().zip(0..).map(SessionReport::new).collect());
    }
    output::print(|out| {
        if args.json {
            serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            report.write(out)?;
        }
        Ok(Code::Success)
    })
}

#[derive(Debug, Serialize)]
struct Report {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    size: u64,
    shown: &'static str,
    reason: String,
    /// Bytes that the volume states and the image lacks.
    missing: u64,
    trees: Vec<TreeReport>,
    defects: Vec<DefectReport>,
    /// Only where they were asked for: finding them takes time.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionReport>>,
    #[serde(skip)]
    title: String,
}

#[derive(Debug, Serialize)]
struct SessionReport {
    /// What `session=` takes.
    number: u32,
    /// What `sbsector=` takes: the logical sector it begins at.
    start: u32,
    /// The logical sector behind it.
    end: u32,
    label: String,
}

impl SessionReport {
    fn new((session, number): (Session, u32)) -> Self {
        Self { number, start: session.start, end: session.end, label: session.label }
    }
}

#[derive(Debug, Serialize)]
struct TreeReport {
    tree: &'static str,
    detail: String,
    label: String,
    uuid: Option<String>,
    block_size: u32,
    blocks: u64,
    /// Files and directories that a bounded look found.
    files: usize,
    /// There are more of them.
    more_files: bool,
    texts: Vec<Named>,
    times: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct DefectReport {
    at: u64,
    clause: &'static str,
    what: String,
}

impl Report {
    fn new(path: &Path, opened: &Opened) -> Self {
        let size = opened.disc.image().len();
        let views: Vec<_> =
            opened.disc.views().iter().map(|view| (view.clone(), opened.disc.look(view.kind))).collect();
        Self::of(path, size, &views, (opened.chosen.kind.word(), &opened.chosen.reason), opened.tree.notes().list())
    }

    fn of(
        path: &Path,
        size: u64,
        views: &[(View, Census)],
        chosen: (&'static str, &str),
        defects: Vec<Defect>,
    ) -> Self {
        let text = JsonText::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
        let stated = views.iter().filter_map(|(view, _)| view.info.end);
        Self {
            path: text.text,
            path_bytes: text.bytes,
            size,
            shown: chosen.0,
            reason: chosen.1.to_owned(),
            missing: stated.max().unwrap_or(0).saturating_sub(size),
            trees: views.iter().map(|(view, census)| TreeReport::new(view, census)).collect(),
            defects: defects
                .into_iter()
                .map(|defect| DefectReport { at: defect.at, clause: defect.clause, what: defect.what })
                .collect(),
            sessions: None,
            title: shown(path),
        }
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let human = |bytes: u64| match human_size(bytes) {
            size if size.is_empty() => String::new(),
            size => format!(" ({size})"),
        };
        let names =
            self.trees.iter().flat_map(|tree| tree.texts.iter().chain(&tree.times)).map(|named| named.name.len());
        let longest = names.chain(["block size".len()]).max().unwrap_or(0);
        let mut lines = Lines { out, width: longest.saturating_add(": ".len()) };
        lines.line("image", &self.title)?;
        lines.line("size", &format!("{} bytes{}", self.size, human(self.size)))?;
        lines.line("shown", &printable(self.reason.as_bytes()))?;
        for tree in &self.trees {
            writeln!(lines.out)?;
            let mut title = tree.tree.to_owned();
            if !tree.detail.is_empty() {
                title = format!("{title} ({})", printable(tree.detail.as_bytes()));
            }
            lines.line("tree", &title)?;
            lines.line("label", &printable(tree.label.as_bytes()))?;
            if let Some(uuid) = &tree.uuid {
                lines.line("UUID", &printable(uuid.as_bytes()))?;
            }
            let bytes = tree.blocks.saturating_mul(u64::from(tree.block_size));
            lines.line("block size", &format!("{} bytes", tree.block_size))?;
            lines.line("blocks", &format!("{}, together {bytes} bytes{}", tree.blocks, human(bytes)))?;
            let more = if tree.more_files { " or more, found by a bounded look" } else { "" };
            lines.line("files", &format!("{}{more}", tree.files))?;
            for named in tree.texts.iter().chain(&tree.times) {
                lines.line(named.name, &printable(named.value.as_bytes()))?;
            }
        }
        if let Some(sessions) = &self.sessions {
            writeln!(lines.out)?;
            for session in sessions {
                let label = printable(session.label.as_bytes());
                let text = format!("sectors {} to {}  {label}", session.start, session.end.saturating_sub(1));
                lines.line(&format!("session {}", session.number), text.trim_end())?;
            }
        }
        let out = lines.out;
        if self.missing == 0 && self.defects.is_empty() {
            return Ok(());
        }
        writeln!(out, "\ndefects:")?;
        if self.missing > 0 {
            let text = "bytes short of what the volume states: it is incomplete, or was cut off";
            writeln!(out, "  the image is {} {text}", self.missing)?;
        }
        for defect in &self.defects {
            let what = printable(defect.what.as_bytes());
            writeln!(out, "  at byte {}: {what} ({})", defect.at, defect.clause)?;
        }
        Ok(())
    }
}

impl TreeReport {
    fn new(view: &View, census: &Census) -> Self {
        Self {
            tree: view.kind.word(),
            detail: view.detail.clone(),
            label: view.info.label.clone(),
            uuid: view.info.uuid.clone(),
            block_size: view.info.block_size,
            blocks: view.info.blocks,
            files: census.count(),
            more_files: census.is_partial(),
            texts: view.info.texts.iter().map(|(name, value)| Named { name, value: value.clone() }).collect(),
            times: view.info.times.iter().map(|(name, time)| Named { name, value: rfc3339(*time) }).collect(),
        }
    }
}

/// Lines whose values stand below one another.
struct Lines<'a> {
    out: &'a mut dyn Write,
    width: usize,
}

impl Lines<'_> {
    fn line(&mut self, name: &str, value: &str) -> io::Result<()> {
        writeln!(self.out, "{:<width$}{value}", format!("{name}:"), width = self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disc::TreeKind;
    use crate::time::Timestamp;
    use crate::volume::VolumeInfo;

    fn report(size: u64) -> Report {
        let info = VolumeInfo {
            label: "A\x1bB".to_owned(),
            uuid: Some("2024-05-03-12-00-00-00".to_owned()),
            block_size: 2048,
            blocks: 100,
            end: Some(204_800),
            texts: vec![("publisher", "somebody".to_owned())],
            times: vec![("created", Timestamp::default())],
        };
        let view = View { kind: TreeKind::RockRidge, detail: "RRIP 1.12".to_owned(), info };
        let defects = vec![Defect::new(40_960, "ECMA-119 9.1.1", "a record is too short")];
        Report::of(
            Path::new("a.iso"),
            size,
            &[(view, Census::default())],
            ("rock-ridge", "it is the only one"),
            defects,
        )
    }

    #[test]
    fn lines_for_people() {
        let mut out = Vec::new();
        report(200_000).write(&mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
image:      a.iso
size:       200000 bytes (195.3 KiB)
shown:      it is the only one

tree:       rock-ridge (RRIP 1.12)
label:      A\\x1bB
UUID:       2024-05-03-12-00-00-00
block size: 2048 bytes
blocks:     100, together 204800 bytes (200.0 KiB)
files:      0
publisher:  somebody
created:    1970-01-01T00:00:00Z

defects:
  the image is 4800 bytes short of what the volume states: it is incomplete, or was cut off
  at byte 40960: a record is too short (ECMA-119 9.1.1)
"
        );
    }

    #[test]
    fn json_for_programs() {
        let value = serde_json::to_value(report(204_800)).unwrap();
        assert_eq!(value["missing"], 0);
        assert_eq!(value["trees"][0]["label"], "A\u{1b}B");
        assert_eq!(value["trees"][0]["texts"][0]["value"], "somebody");
        assert_eq!(value["defects"][0]["at"], 40_960);
    }
}
