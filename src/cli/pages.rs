//! The manual pages that are not of a command: mount-iso(5), the words of `-o`, and mount.mount-iso(8), the helper.

use std::fmt::Write as _;

use super::exit::Code;
use super::words::{Group, WORDS};

/// File name and text of each.
pub fn all() -> [(String, Vec<u8>); 2] {
    let pages = [("mount-iso.5", options()), ("mount.mount-iso.8", helper())];
    pages.map(|(name, text)| (name.to_owned(), text.into_bytes()))
}

/// A text as roff wants it: no character of it is a request.
pub fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let request = text.starts_with(['.', '\'']);
    format!("{}{text}", if request { "\\&" } else { "" })
}

fn title(name: &str, section: u8, manual: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(".TH {} {section} \"\" \"mount\\-iso {version}\" \"{manual}\"\n", escaped(name))
}

fn options() -> String {
    let mut page = title("MOUNT-ISO", 5, "File Formats");
    page.push_str(
        ".SH NAME\n\
         mount\\-iso \\- options of virtual drives, and their lines in /etc/fstab\n\
         .SH DESCRIPTION\n\
         The words below stand behind\n.B \\-o\nof\n.BR mount\\-iso (1)\nand\n.BR mount (8),\n\
         and in the fourth field of /etc/fstab, separated by commas; a backslash or double quotes protect a comma in a \
         value.\nOf two words on the same matter the last one holds.\n",
    );
    let explained = WORDS.iter().filter(|word| word.group != Group::Ignored);
    let mut group = None;
    for word in explained {
        if group != Some(word.group) {
            group = Some(word.group);
            let _ = writeln!(page, ".SH \"{}\"", word.group.title().to_uppercase());
        }
        let _ = writeln!(page, ".TP\n.B {}\n{}", escaped(&word.shown()), escaped(word.help));
    }
    let _ = writeln!(page, ".SH \"WITHOUT AN EFFECT\"\n{}:", escaped(Group::Ignored.title()));
    for same in WORDS.chunk_by(|a, b| a.group == b.group && a.help == b.help) {
        if let Some(first) = same.first().filter(|word| word.group == Group::Ignored) {
            let names: Vec<_> = same.iter().map(|word| escaped(&word.shown())).collect();
            let _ = writeln!(page, ".TP\n.B {}\n{}", names.join(", "), escaped(first.help));
        }
    }
    page.push_str(
        ".SH EXAMPLES\n\
         A drive that users mount by a click, one that is there from the boot on, and one that is mounted when it is \
         looked at:\n\
         .PP\n.nf\n\
         /srv/a.iso  /media/a  mount\\-iso  ro,noauto,user,x\\-gvfs\\-show             0 0\n\
         /srv/b.iso  /media/b  mount\\-iso  ro,nofail                             0 0\n\
         /srv/c.iso  /media/c  mount\\-iso  ro,noauto,x\\-systemd.automount         0 0\n\
         .fi\n\
         .SH \"SEE ALSO\"\n.BR mount\\-iso (1),\n.BR mount.mount\\-iso (8),\n.BR fstab (5)\n",
    );
    page
}

fn helper() -> String {
    let mut page = title("MOUNT.MOUNT-ISO", 8, "System Administration");
    page.push_str(
        ".SH NAME\n\
         mount.mount\\-iso, mount.iso9660, mount.udf \\- mount disc images for mount(8)\n\
         .SH SYNOPSIS\n\
         .B mount \\-t mount\\-iso\n.RB [ \\-o\n.IR options ]\n.I image directory\n\
         .br\n\
         .B mount.mount\\-iso\n.I image directory\n.RB [ \\-sfnv ]\n.RB [ \\-o\n.IR options ]\n.RB [ \\-t\n\
         .IR type ]\n\
         .SH DESCRIPTION\n\
         This is\n.BR mount\\-iso (1)\n\
         under a name by which\n.BR mount (8)\n\
         finds it for mounts of type\n.B mount\\-iso\n\
         and for such lines of /etc/fstab. It returns when the drive can be read. Users may mount with it, too, on \
         directories of their own, without a line in /etc/fstab.\n\
         .PP\n\
         Under the names mount.iso9660 and mount.udf, which are installed only where they are asked for, it serves the \
         types iso9660 and udf in place of the kernel.\n\
         .SH OPTIONS\n\
         .TP\n.BI \\-o \" options\"\nThe words of\n.BR mount\\-iso (5).\n\
         .TP\n.BI \\-t \" type\"\n\
         .BR iso9660 ,\n.BR udf ,\n.BR auto\nor\n.BR mount\\-iso :\nwhich file system of the disc is shown.\n\
         .TP\n.B \\-s\nTolerate unknown options.\n\
         .TP\n.B \\-f\nDo everything but mount.\n\
         .TP\n.B \\-v\nTell more.\n\
         .TP\n.B \\-n\nAccepted without an effect.\n\
         .SH \"EXIT STATUS\"\n",
    );
    for (code, meaning) in Code::TABLE {
        let _ = writeln!(page, ".TP\n.B {}\n{}", *code as u8, escaped(meaning));
    }
    page.push_str(".SH \"SEE ALSO\"\n.BR mount\\-iso (1),\n.BR mount\\-iso (5),\n.BR mount (8)\n");
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_in_the_page_of_the_options() {
        let page = options();
        for word in WORDS {
            assert!(page.contains(&escaped(&word.shown())), "{}", word.name);
        }
    }

    #[test]
    fn no_text_becomes_a_request() {
        assert_eq!(escaped(".so /etc/x"), "\\&.so /etc/x");
        assert_eq!(escaped("a-b\\c"), "a\\-b\\ec");
    }
}
