//! ICMP echo requests and replies (RFC 792, RFC 4443 section 4).

/// Bytes of an echo message before its data.
pub const HEADER: usize = 8;

/// An echo request or reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Whether it is a reply.
    pub reply: bool,
    /// The identifier.
    pub ident: u16,
    /// The sequence number.
    pub sequence: u16,
    /// The data, as far as it is there (an ICMP error may quote only the header).
    pub data: &'a [u8],
}

/// Writes an echo request of `size` bytes in all, at least the header; the data starts with
/// `token`, as much of it as fits, and is zero after it.
///
/// The ICMPv4 checksum is filled in; that of ICMPv6 covers the addresses and is left to the kernel.
pub fn request(v6: bool, ident: u16, sequence: u16, token: [u8; 8], size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size.max(HEADER)];
    bytes[0] = if v6 { 128 } else { 8 };
    bytes[4..6].copy_from_slice(&ident.to_be_bytes());
    bytes[6..8].copy_from_slice(&sequence.to_be_bytes());
    for (byte, value) in bytes[HEADER..].iter_mut().zip(token) {
        *byte = value;
    }
    if !v6 {
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    bytes
}

/// Reads an echo request or reply from the ICMP header on; `None` for anything else.
///
/// The checksum is not checked: the kernel did that, and a quoted packet is cut off.
pub fn parse(v6: bool, bytes: &[u8]) -> Option<Echo<'_>> {
    let reply = match (v6, *bytes.first()?) {
        (false, 8) | (true, 128) => false,
        (false, 0) | (true, 129) => true,
        _ => return None,
    };
    if *bytes.get(1)? != 0 {
        return None;
    }
    Some(Echo {
        reply,
        ident: u16::from_be_bytes(bytes.get(4..6)?.try_into().ok()?),
        sequence: u16::from_be_bytes(bytes.get(6..8)?.try_into().ok()?),
        data: &bytes[HEADER..],
    })
}

/// Skips the IPv4 header that a raw socket puts before the ICMP message; `None` when it is no whole
/// header.
pub fn after_ipv4_header(bytes: &[u8]) -> Option<&[u8]> {
    let first = *bytes.first()?;
    let length = usize::from(first & 0x0f) * 4;
    (first >> 4 == 4 && length >= 20).then_some(())?;
    bytes.get(length..)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_known_request_has_the_known_checksum() {
        // ping -c1 -s0 with identifier 1, sequence 1: 0x0800 + 1 + 1 = 0x0802.
        assert_eq!(request(false, 1, 1, [0; 8], 0), [8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
    }

    #[test]
    fn an_error_message_is_no_echo() {
        assert_eq!(parse(false, &[3, 3, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(parse(true, &[1, 4, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn the_families_do_not_mix() {
        assert_eq!(parse(true, &request(false, 1, 2, [0; 8], 8)), None);
        assert_eq!(parse(false, &request(true, 1, 2, [0; 8], 8)), None);
    }

    #[test]
    fn options_in_the_ipv4_header_are_skipped() {
        let mut packet = vec![0x46; 24];
        packet.push(7);
        assert_eq!(after_ipv4_header(&packet), Some(&[7][..]));
        assert_eq!(after_ipv4_header(&[0x44; 40]), None);
        assert_eq!(after_ipv4_header(&[0x4f; 20]), None);
    }

    proptest! {
        #[test]
        fn a_request_parses_back(
            v6: bool, ident: u16, sequence: u16, token: [u8; 8], size in 0_usize..2000
        ) {
            let bytes = request(v6, ident, sequence, token, size);
            prop_assert_eq!(bytes.len(), size.max(HEADER));
            let echo = parse(v6, &bytes).expect("an echo request");
            prop_assert!(!echo.reply);
            prop_assert_eq!((echo.ident, echo.sequence), (ident, sequence));
            let fits = echo.data.len().min(8);
            prop_assert_eq!(&echo.data[..fits], &token[..fits]);
            if !v6 {
                prop_assert_eq!(checksum(&bytes), 0);
            }
        }

        #[test]
        fn any_bytes_parse(bytes in proptest::collection::vec(any::<u8>(), 0..64), v6: bool) {
            let _ = parse(v6, &bytes);
            let _ = after_ipv4_header(&bytes);
        }
    }
}
