//! The name of one level, in sixteen bytes.
//!
//! A million nodes have a million names, most of them short: those of up to fourteen bytes lie in
//! the node itself, so that comparing one touches no other memory and storing it allocates
//! nothing. Equal names of different nodes are not shared: short ones have nothing to gain, and
//! long ones (serial numbers, UUIDs) mostly occur once.
//!
//! Owns: the bytes. Never checks them: they are a level of a valid filter.

/// What fits into a level without an allocation.
const SHORT: usize = 14;

/// The bytes of one level of a filter.
pub(super) enum Level {
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    /// Boxed twice, since a fat pointer would make every node eight bytes larger.
    Long(Box<Box<[u8]>>),
}

impl Level {
    pub(super) fn new(name: &str) -> Self {
        match u8::try_from(name.len()) {
            Ok(len) if name.len() <= SHORT => {
                let mut bytes = [0; SHORT];
                bytes[..name.len()].copy_from_slice(name.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(Box::new(name.as_bytes().into())),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }

    /// The bytes it holds besides its own sixteen.
    pub(super) fn heap(&self) -> usize {
        match self {
            Self::Short { .. } => 0,
            Self::Long(bytes) => size_of::<Box<[u8]>>() + bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_comes_back() {
        for len in [0, 1, 13, 14, 15, 16, 255, 256, 65_535] {
            let name = "x".repeat(len);
            let level = Level::new(&name);
            assert_eq!(level.as_bytes(), name.as_bytes());
            assert_eq!(level.heap() > 0, len > SHORT);
        }
        assert_eq!(size_of::<Level>(), 16);
    }
}
