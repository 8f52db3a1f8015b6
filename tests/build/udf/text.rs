//! OSTA compressed Unicode (UDF 2.1.1), dstrings (ECMA-167 1/7.2.12) and entity identifiers (1/7.4).

/// A file identifier as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// Compression 8 where that can say it, otherwise 16.
    Text(String),
    /// The compression with code points that need not be text.
    Bytes(u8, Vec<u8>),
    Units(u8, Vec<u16>),
    /// The compression ID too.
    Raw(Vec<u8>),
}

impl Name {
    pub fn recorded(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => compressed(text),
            Self::Bytes(id, bytes) => [&[*id], bytes.as_slice()].concat(),
            Self::Units(id, units) => {
                [*id].into_iter().chain(units.iter().flat_map(|unit| unit.to_be_bytes())).collect()
            }
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

/// UDF 2.1.1: compression ID and characters; an empty text has no bytes at all.
pub fn compressed(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return Vec::new();
    }
    if text.chars().all(|c| u32::from(c) < 0x100) {
        return [8].into_iter().chain(text.chars().map(|c| c as u8)).collect();
    }
    [16].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect()
}

/// ECMA-167 1/7.2.12: a field whose last byte tells how much of it is used.
pub fn dstring(text: &str, len: usize) -> Vec<u8> {
    let mut field = compressed(text);
    field.truncate(len - 1);
    let used = field.len() as u8;
    field.resize(len, 0);
    field[len - 1] = used;
    field
}

/// ECMA-167 1/7.2.1, UDF 2.1.2: the character set of it all.
pub fn charspec() -> Vec<u8> {
    let mut field = b"\0OSTA Compressed Unicode".to_vec();
    field.resize(64, 0);
    field
}

/// ECMA-167 1/7.4 with a suffix of UDF 2.1.5.3.
pub fn entity(id: &str, suffix: &[u8]) -> Vec<u8> {
    let mut field = vec![0; 32];
    field[1..=id.len()].copy_from_slice(id.as_bytes());
    field[24..24 + suffix.len()].copy_from_slice(suffix);
    field
}

/// UDF 2.1.5.3: an entity that names the revision, with an operating system (4.0: Unix).
pub fn udf_entity(id: &str, revision: u16) -> Vec<u8> {
    let [low, high] = revision.to_le_bytes();
    entity(id, &[low, high, 4, 0])
}
