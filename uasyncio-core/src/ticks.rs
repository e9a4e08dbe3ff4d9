//! The time base: milliseconds that wrap around.

use core::fmt;

/// A point in time of one platform's clock, in milliseconds, wrapping around at 2^32 (after 49.7 days).
///
/// Where the count starts is arbitrary, so only differences mean anything, and two live points must be less than 2^31 ms
/// apart. That is why `Ticks` has no `<`: use [`diff`](Ticks::diff) or [`is_before`](Ticks::is_before). The original's
/// `ticks_add` and `ticks_diff`.
///
/// ```
/// use uasyncio_core::Ticks;
///
/// let before_wrap = Ticks::from_millis(u32::MAX - 4);
/// let after_wrap = before_wrap.wrapping_add(10);
/// assert_eq!(after_wrap.as_millis(), 5);
/// assert_eq!(after_wrap.diff(before_wrap), 10);
/// assert_eq!(before_wrap.diff(after_wrap), -10);
/// assert!(before_wrap.is_before(after_wrap));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Ticks(u32);

impl Ticks {
    /// The point at which the clock shows this many milliseconds.
    pub const fn from_millis(millis: u32) -> Ticks {
        Ticks(millis)
    }

    /// What the clock shows, in milliseconds.
    pub const fn as_millis(self) -> u32 {
        self.0
    }

    /// The point `millis` later.
    #[must_use]
    pub const fn wrapping_add(self, millis: u32) -> Ticks {
        Ticks(self.0.wrapping_add(millis))
    }

    /// The point `millis` earlier.
    #[must_use]
    pub const fn wrapping_sub(self, millis: u32) -> Ticks {
        Ticks(self.0.wrapping_sub(millis))
    }

    /// How many milliseconds `self` is after `earlier`; negative when it is before it.
    ///
    /// Points exactly 2^31 ms apart are each before the other: the one distance for which the sign means nothing.
    pub const fn diff(self, earlier: Ticks) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// Whether `self` is before `other`.
    pub const fn is_before(self, other: Ticks) -> bool {
        self.diff(other) < 0
    }
}

impl fmt::Debug for Ticks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Ticks;

    /// The originals' test vectors, for a clock of 32 bits.
    #[test]
    fn differences_fold_at_half_the_range() {
        const MAX: u32 = u32::MAX;
        const HALF: u32 = 1 << 31;
        let diff = |a, b| Ticks::from_millis(a).diff(Ticks::from_millis(b));
        assert_eq!(diff(1, 0), 1);
        assert_eq!(diff(0, 1), -1);
        assert_eq!(diff(0, MAX), 1);
        assert_eq!(diff(MAX, 0), -1);
        assert_eq!(diff(0, MAX - 1), 2);
        for shift in [0, 100, 0_u32.wrapping_sub(100)] {
            assert_eq!(diff(HALF.wrapping_add(shift), 1_u32.wrapping_add(shift)), i32::MAX);
            assert_eq!(diff(HALF.wrapping_add(shift), shift), i32::MIN);
        }
        assert_eq!(Ticks::from_millis(20).wrapping_add(12), Ticks::from_millis(32));
        assert_eq!(Ticks::from_millis(20).wrapping_sub(12), Ticks::from_millis(8));
        for start in [0, 10, MAX] {
            for distance in [0, HALF - 1] {
                let start = Ticks::from_millis(start);
                assert_eq!(start.wrapping_add(distance).diff(start), distance as i32);
                assert_eq!(start.diff(start.wrapping_add(distance)), -(distance as i32));
            }
        }
    }
}
