//! When a table gives memory back.
//!
//! Owns: the rule. A table whose places are numbered can only be cut at its end, and looking for
//! its last number in use at every departure would cost more than all departures. So tables are
//! looked at each time the number of those that are left is a power of two: a few times while a
//! crowd leaves, and for nothing while few come and go.
//!
//! Never touches a table.

/// A table with room for so many or fewer stays as it is: what it would give back is less than it
/// costs to grow it again for the next few that come.
const SMALL: usize = 64;

/// Whether a table with room for `capacity` is to be cut, one having left and `len` being left.
#[must_use]
pub const fn has_left(len: usize, capacity: usize) -> bool {
    capacity > SMALL && (len == 0 || len.is_power_of_two()) && len < capacity / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_that_leaves_is_noticed_a_few_times() {
        let noticed: Vec<usize> = (0..10_000).rev().filter(|len| has_left(*len, 16_384)).collect();
        assert_eq!(noticed, [2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0]);
    }

    #[test]
    fn a_small_table_stays() {
        assert!((0..SMALL).all(|len| !has_left(len, SMALL)));
        assert!(has_left(0, SMALL * 2) && !has_left(0, 0));
    }
}
