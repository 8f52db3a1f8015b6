//! What a file is that is no disc image, as far as its first bytes tell.

use crate::source::SharedSource;

/// Signatures: where, what, and how the file is called in the message.
const SIGNATURES: &[(u64, &[u8], &str)] = &[
    (0, b"\x1f\x8b", "gzip-compressed data; decompress it first (gunzip)"),
    (0, b"BZh", "bzip2-compressed data; decompress it first (bunzip2)"),
    (0, b"\xfd7zXZ\0", "xz-compressed data; decompress it first (unxz)"),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed data; decompress it first (unzstd)"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", "a raw CD image (sectors of 2352 bytes)"),
    (0, b"CISO", "a CSO (compressed ISO) image"),
    (0, b"ZISO", "a ZSO (compressed ISO) image"),
    (0, b"MComprHD", "a CHD image"),
    (0, b"MEDIA DESCRIPTOR", "an MDS descriptor; the data is in the MDF file beside it"),
    (0, b"IsZ!", "an ISZ image"),
    (0, b"DAA\0", "a PowerISO DAA image"),
    (0, b"hsqs", "a SquashFS file system"),
    (0, b"QFI\xfb", "a QCOW disk image"),
    (0, b"MSWIM\0\0\0", "a Windows Imaging (WIM) file"),
    (0, b"\x7fELF", "an ELF program"),
    (0, b"<!DOCTYPE", "an HTML page: perhaps the download failed"),
    (0, b"<!doctype", "an HTML page: perhaps the download failed"),
    (0, b"<html", "an HTML page: perhaps the download failed"),
    (0, b"%PDF", "a PDF document"),
    (1024, b"H+\x00\x04", "an HFS+ file system"),
    (1024, b"BD", "an HFS file system"),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
    (32777, b"CDROM", "a High Sierra disc (the draft before ISO 9660)"),
    (510, b"\x55\xaa", "a partitioned disk or boot sector without a disc file system"),
];

/// One line: why the image is refused, and what it seems to be instead.
pub(super) fn explain(image: &SharedSource, reason: &str) -> String {
    for (at, signature, what) in SIGNATURES {
        let mut found = vec![0; signature.len()];
        if image.read_exact_at(&mut found, *at).is_ok() && found == *signature {
            return format!("{reason}; it looks like {what}");
        }
    }
    reason.to_owned()
}
