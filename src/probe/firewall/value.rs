//! Values that may be known only within bounds, and what comparing them can still tell.

use std::cmp::Ordering;

/// An answer that may be out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tri {
    Yes,
    No,
    Maybe,
}

impl Tri {
    pub(super) fn of(known: bool) -> Tri {
        if known { Tri::Yes } else { Tri::No }
    }

    pub(super) fn not(self) -> Tri {
        match self {
            Tri::Yes => Tri::No,
            Tri::No => Tri::Yes,
            Tri::Maybe => Tri::Maybe,
        }
    }

    pub(super) fn and(self, other: Tri) -> Tri {
        match (self, other) {
            (Tri::No, _) | (_, Tri::No) => Tri::No,
            (Tri::Yes, Tri::Yes) => Tri::Yes,
            _ => Tri::Maybe,
        }
    }

    pub(super) fn or(self, other: Tri) -> Tri {
        self.not().and(other.not()).not()
    }

    pub(super) fn xor(self, turned: bool) -> Tri {
        if turned { self.not() } else { self }
    }
}

/// Four bytes of a register as the kernel compares them, first byte highest; a value that is not
/// known lies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    low: u32,
    high: u32,
}

impl Slot {
    pub(super) const ANY: Slot = Slot { low: 0, high: u32::MAX };

    /// Bytes within bounds, padded with zeros on the right.
    pub(super) fn between(low: &[u8], high: &[u8]) -> Slot {
        Slot { low: word(low), high: word(high) }
    }

    pub(super) fn known(self) -> Option<u32> {
        (self.low == self.high).then_some(self.low)
    }

    /// Keeps the first `len` bytes.
    fn first(self, len: usize) -> Slot {
        let mask = match len {
            0 => 0,
            1..=3 => u32::MAX << (32 - 8 * len),
            _ => u32::MAX,
        };
        // A mask of leading ones keeps the order.
        Slot { low: self.low & mask, high: self.high & mask }
    }

    /// `(self & mask) ^ xor`.
    pub(super) fn masked(self, mask: u32, xor: u32) -> Slot {
        if mask == 0 {
            return Slot { low: xor, high: xor };
        }
        let leading_ones = mask.leading_ones() + mask.trailing_zeros() == u32::BITS;
        match self.known() {
            Some(value) => {
                let value = value & mask ^ xor;
                Slot { low: value, high: value }
            }
            None if leading_ones && xor == 0 => {
                Slot { low: self.low & mask, high: self.high & mask }
            }
            None => Slot::ANY,
        }
    }

    /// Turns each unit of `size` bytes around, as between host and network order.
    pub(super) fn swapped(self, size: u32) -> Slot {
        if cfg!(target_endian = "big") {
            return self;
        }
        let Some(value) = self.known() else {
            return Slot::ANY;
        };
        let value = match size {
            2 => (value & 0xff00_ff00) >> 8 | (value & 0x00ff_00ff) << 8,
            4 => value.swap_bytes(),
            _ => return Slot::ANY,
        };
        Slot { low: value, high: value }
    }
}

fn word(bytes: &[u8]) -> u32 {
    let mut padded = [0; 4];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    u32::from_be_bytes(padded)
}

/// Splits known bytes into slots.
pub(super) fn slots(bytes: &[u8]) -> Vec<Slot> {
    bytes.chunks(4).map(|four| Slot::between(four, four)).collect()
}

/// Which results comparing two values can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Compared {
    less: bool,
    equal: bool,
    greater: bool,
}

impl Compared {
    /// Compares the first bytes of a value with known bytes, as `memcmp` does.
    pub(super) fn new(value: &[Slot], bytes: &[u8]) -> Compared {
        let mut result = Compared { equal: true, ..Compared::default() };
        for (at, four) in bytes.chunks(4).enumerate() {
            let slot = value.get(at).copied().unwrap_or(Slot::ANY).first(four.len());
            let wanted = word(four);
            result.less |= slot.low < wanted;
            result.greater |= slot.high > wanted;
            if wanted < slot.low || wanted > slot.high {
                result.equal = false;
                break;
            }
        }
        result
    }

    fn is(self, wanted: impl Fn(Ordering) -> bool) -> Tri {
        let possible = [
            (self.less, Ordering::Less),
            (self.equal, Ordering::Equal),
            (self.greater, Ordering::Greater),
        ];
        let mut yes = false;
        let mut no = false;
        for (_, ordering) in possible.into_iter().filter(|(possible, _)| *possible) {
            yes |= wanted(ordering);
            no |= !wanted(ordering);
        }
        match (yes, no) {
            (true, false) => Tri::Yes,
            (false, true) => Tri::No,
            _ => Tri::Maybe,
        }
    }

    pub(super) fn eq(self) -> Tri {
        self.is(Ordering::is_eq)
    }

    pub(super) fn lt(self) -> Tri {
        self.is(Ordering::is_lt)
    }

    pub(super) fn le(self) -> Tri {
        self.is(Ordering::is_le)
    }

    pub(super) fn gt(self) -> Tri {
        self.is(Ordering::is_gt)
    }

    pub(super) fn ge(self) -> Tri {
        self.is(Ordering::is_ge)
    }
}

/// The sixteen data registers of four bytes each.
#[derive(Debug, Clone)]
pub(super) struct Registers([Slot; 16]);

impl Registers {
    /// What a rule starts with: nothing is known.
    pub(super) fn new() -> Registers {
        Registers([Slot::ANY; 16])
    }

    /// Writes a value; a number outside the registers is ignored.
    pub(super) fn write(&mut self, register: u32, value: &[Slot]) {
        let slots = self.0.iter_mut().skip(index(register));
        for (to, from) in slots.zip(value) {
            *to = *from;
        }
    }

    /// Reads `len` bytes.
    pub(super) fn read(&self, register: u32, len: usize) -> Vec<Slot> {
        let slots = self.0.iter().skip(index(register)).copied();
        slots.take(len.div_ceil(4)).collect()
    }
}

/// `NFT_REG_1` to `NFT_REG_4` are sixteen bytes each, `NFT_REG32_00` (8) on are four.
pub(super) fn index(register: u32) -> usize {
    let slot = match register {
        0 => u32::MAX,
        1..=4 => (register - 1) * 4,
        8.. => register - 8,
        _ => u32::MAX,
    };
    usize::try_from(slot).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_value_compares_as_memcmp_does() {
        let value = slots(&[10, 0, 0, 1]);
        assert_eq!(Compared::new(&value, &[10, 0, 0, 1]).eq(), Tri::Yes);
        assert_eq!(Compared::new(&value, &[10]).eq(), Tri::Yes);
        assert_eq!(Compared::new(&value, &[11]).lt(), Tri::Yes);
        assert_eq!(Compared::new(&value, &[10, 0, 0, 2]).ge(), Tri::No);
    }

    #[test]
    fn bounds_decide_what_lies_outside_them() {
        // A source port that the kernel will choose between 32768 and 60999.
        let port = [Slot::between(&32768u16.to_be_bytes(), &60999u16.to_be_bytes())];
        let is = |value: u16| Compared::new(&port, &value.to_be_bytes());
        assert_eq!(is(22).eq(), Tri::No);
        assert_eq!(is(40000).eq(), Tri::Maybe);
        assert_eq!(is(1024).gt(), Tri::Yes);
        assert_eq!(is(50000).lt(), Tri::Maybe);
    }

    #[test]
    fn a_later_part_decides_only_while_the_first_may_be_equal() {
        let value = [Slot::ANY, Slot::between(&[0, 80], &[0, 80])];
        let wanted = [0, 1, 0, 0, 0, 80, 0, 0];
        assert_eq!(Compared::new(&value, &wanted).eq(), Tri::Maybe);
        let other = [0, 1, 0, 0, 0, 81, 0, 0];
        assert_eq!(Compared::new(&value, &other).eq(), Tri::No);
    }

    #[test]
    fn a_prefix_mask_keeps_bounds_and_another_forgets_them() {
        let port = Slot::between(&[0x80, 0], &[0xee, 0x47]);
        assert_eq!(port.masked(0xff00_0000, 0), Slot::between(&[0x80], &[0xee]));
        assert_eq!(port.masked(0x00ff_0000, 0), Slot::ANY);
        assert_eq!(port.masked(0, 7).known(), Some(7));
    }

    #[test]
    fn registers_overlap_as_in_the_kernel() {
        let mut registers = Registers::new();
        registers.write(1, &slots(&[1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(registers.read(9, 4), slots(&[5, 6, 7, 8]));
        assert_eq!(registers.read(2, 4), [Slot::ANY]);
        registers.write(77, &slots(&[1]));
        assert!(registers.read(0, 4).is_empty());
    }
}
