//! Which tree of a disc is shown, and why.

use super::View;
use crate::error::{Error, Result};

/// The kinds of tree a disc may hold side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TreeKind {
    RockRidge,
    Udf,
    Joliet,
    Enhanced,
    Primary,
}

impl TreeKind {
    /// The richest first.
    pub const ALL: [Self; 5] = [Self::RockRidge, Self::Udf, Self::Joliet, Self::Enhanced, Self::Primary];

    /// The word of `--tree=`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RockRidge => "rock-ridge",
            Self::Udf => "udf",
            Self::Joliet => "joliet",
            Self::Enhanced => "enhanced",
            Self::Primary => "primary",
        }
    }

    /// The name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::RockRidge => "ISO 9660 with Rock Ridge",
            Self::Udf => "UDF",
            Self::Joliet => "ISO 9660 with Joliet",
            Self::Enhanced => "ISO 9660:1999 (Enhanced Volume Descriptor)",
            Self::Primary => "plain ISO 9660",
        }
    }
}

/// The file systems of mount(8) that a disc may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    Iso9660,
    Udf,
}

/// What the user asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// `--tree=`; `None` is `auto`.
    pub tree: Option<TreeKind>,
    /// `-t`: the trees of one file system only.
    pub family: Option<Family>,
    /// `norock`.
    pub no_rock_ridge: bool,
    /// `nojoliet`.
    pub no_joliet: bool,
}

/// The tree to show, and one line that says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub kind: TreeKind,
    pub reason: String,
}

pub(super) fn choose(views: &[View], joliet_first: bool, selection: &Selection) -> Result<Chosen> {
    let has = |kind: TreeKind| views.iter().any(|view| view.kind == kind);
    if let Some(kind) = selection.tree {
        if has(kind) {
            return Ok(Chosen { kind, reason: format!("--tree={} was asked for", kind.word()) });
        }
        let words: Vec<_> = views.iter().map(|view| view.kind.word()).collect();
        let message = format!("this disc has no {} tree; it has: {}", kind.word(), words.join(", "));
        return Err(Error::Absent(message));
    }
    let of_family = |kind: TreeKind| match selection.family {
        Some(Family::Udf) => kind == TreeKind::Udf,
        Some(Family::Iso9660) => kind != TreeKind::Udf,
        None => true,
    };
    if !views.iter().any(|view| of_family(view.kind)) {
        let words: Vec<_> = views.iter().map(|view| view.kind.word()).collect();
        let family = if selection.family == Some(Family::Udf) { "UDF" } else { "ISO 9660" };
        return Err(Error::Absent(format!("this disc has no {family} file system; its trees: {}", words.join(", "))));
    }
    let allowed = |kind: TreeKind| match kind {
        kind if !of_family(kind) => false,
        TreeKind::Udf => true,
        TreeKind::RockRidge => !selection.no_rock_ridge,
        TreeKind::Joliet => !selection.no_joliet,
        // Linux knows no Enhanced Volume Descriptor: whoever narrows the choice in its words means its trees.
        TreeKind::Enhanced => !selection.no_rock_ridge && !selection.no_joliet,
        TreeKind::Primary => true,
    };
    let usable = |kind: TreeKind| has(kind) && allowed(kind);
    let passed_over: Vec<_> =
        TreeKind::ALL.into_iter().filter(|kind| has(*kind) && !allowed(*kind)).map(TreeKind::word).collect();
    let but = match passed_over.as_slice() {
        [] => String::new(),
        words => format!(" ({} was excluded)", words.join(" and ")),
    };
    let (kind, why) = if usable(TreeKind::RockRidge) && !(joliet_first && usable(TreeKind::Joliet)) {
        (TreeKind::RockRidge, "it records owners, modes, links and full names")
    } else if usable(TreeKind::Joliet) {
        let why = if usable(TreeKind::RockRidge) {
            "the Rock Ridge tree is empty or not announced"
        } else {
            "it has the long names"
        };
        (TreeKind::Joliet, why)
    } else if usable(TreeKind::Enhanced) {
        (TreeKind::Enhanced, "it has the long names")
    } else if usable(TreeKind::Udf) && (selection.family == Some(Family::Udf) || !usable(TreeKind::Primary)) {
        (TreeKind::Udf, "the disc has no other tree that may be used")
    } else if usable(TreeKind::Primary) {
        (TreeKind::Primary, "the disc has no other tree that may be used")
    } else {
        return Err(Error::Absent(format!("no tree is left to show{but}")));
    };
    Ok(Chosen { kind, reason: format!("{}: {why}{but}", kind.title()) })
}
