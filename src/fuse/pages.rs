//! Memory that begins with a page. Some processors copy into any other place at a quarter of the speed.

use std::io;

use memmap2::MmapMut;

/// Room that is made once it is needed, and of which only as much takes memory as was ever used.
#[derive(Debug, Default)]
pub struct Pages(Option<MmapMut>);

impl Pages {
    /// Room for so many bytes; what is in them is of no use.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn of(&mut self, bytes: usize) -> io::Result<&mut [u8]> {
        if self.0.as_ref().is_none_or(|map| map.len() < bytes) {
            self.0 = Some(MmapMut::map_anon(bytes.next_power_of_two().max(4096))?);
        }
        let room = self.0.as_mut().and_then(|map| map.get_mut(..bytes));
        room.ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_begins_with_a_page_and_grows() {
        let mut pages = Pages::default();
        for bytes in [1, 4096, 4097, 300, 1 << 20] {
            let room = pages.of(bytes).unwrap();
            assert_eq!((room.len(), room.as_ptr().addr() % 4096), (bytes, 0));
            room.fill(1);
        }
    }
}
