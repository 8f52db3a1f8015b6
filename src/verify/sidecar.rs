//! Checksums of the image itself that lie beside it: `x.iso.sha256`, or a list that names it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Meter;
use super::digest::{Algorithm, hexadecimal, of_source};
use super::lists::{MAX_LIST, is_list, lines};
use super::report::{Check, Damage, Report, only};
use crate::source::SharedSource;

/// Whether a file beside the image may have its checksum, and whether it is named after it.
fn candidate(name: &OsStr, image: &OsStr) -> Option<bool> {
    let (name, image) = (name.as_bytes(), image.as_bytes());
    let stem = image.rsplitn(2, |byte| *byte == b'.').nth(1).unwrap_or(image);
    let is_after = |base: &[u8]| name.strip_prefix(base).is_some_and(|rest| rest.starts_with(b".") && is_list(name));
    if is_after(image) || is_after(stem) {
        return Some(true);
    }
    // Fedora writes `…-CHECKSUM`.
    let is_general = !name.contains(&b'.') || name.to_ascii_lowercase().ends_with(b".txt");
    ((is_list(name) && is_general) || name.ends_with(b"CHECKSUM")).then_some(false)
}

/// Compares the image with every checksum of it that lies beside it.
pub fn check(path: &Path, image: &SharedSource, meter: &dyn Meter, report: &mut Report) {
    let Some(own) = path.file_name() else { return };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A folder that can't be listed has nothing to compare with.
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut found: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter_map(|name| Some((candidate(&name, own)?, name)))
        .collect();
    found.sort();
    for (is_own, name) in found {
        let file = folder.join(&name);
        let is_small = file.metadata().is_ok_and(|data| data.is_file() && data.len() <= MAX_LIST);
        let Ok(list) = std::fs::read(&file).map(|list| if is_small { list } else { Vec::new() }) else { continue };
        for line in lines(&list) {
            let base = line.name.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if base != own.as_bytes() && !(is_own && line.name.is_empty()) {
                continue;
            }
            let shown = crate::text::printable(name.as_bytes());
            one(line.algorithm, &line.digest, &shown, image, meter, report);
        }
    }
}

fn one(
    algorithm: Algorithm,
    digest: &str,
    list: &str,
    image: &SharedSource,
    meter: &dyn Meter,
    report: &mut Report,
) {
    let title = format!("{} of the image, in {list} beside it", algorithm.title());
    let mut check = Check { title, compared: 1, wrong: 0 };
    meter.more(image.len());
    let damage = match of_source(image.as_ref(), algorithm, meter) {
        Ok(found) if hexadecimal(&found) == digest => None,
        Ok(found) => {
            let what = format!(
                "the {} of the image is {}, and not the one in {list}: it is not the image that list was made for",
                algorithm.title(),
                hexadecimal(&found)
            );
            Some(Damage::of_checksum(None, only(0..image.len()), what))
        }
        Err((at, error)) => {
            let what = format!("the image can't be read: {error}");
            Some(Damage::of_checksum(None, only(at..at.saturating_add(2048)), what))
        }
    };
    check.wrong = usize::from(damage.is_some());
    report.damage.extend(damage);
    report.checks.push(check);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_may_tell_about_an_image() {
        let candidate = |name: &str| candidate(OsStr::new(name), OsStr::new("disc.iso"));
        for name in ["disc.iso.sha256", "disc.iso.md5", "disc.md5", "disc.iso.sha512sum"] {
            assert_eq!(candidate(name), Some(true), "{name}");
        }
        for name in ["SHA256SUMS", "md5sum.txt", "Fedora-42-CHECKSUM"] {
            assert_eq!(candidate(name), Some(false), "{name}");
        }
        for name in ["other.iso.sha256", "disc.iso", "readme"] {
            assert_eq!(candidate(name), None, "{name}");
        }
    }
}
