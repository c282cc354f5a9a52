//! `struct tcp_info` as `getsockopt(TCP_INFO)` and sock_diag return it.

/// Fields of `struct tcp_info` (`include/uapi/linux/tcp.h`); a field beyond the length that the
/// kernel returned is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpInfo {
    /// `tcpi_state`, see [`state`].
    pub state: Option<u8>,
    /// `tcpi_retransmits`: timeouts in a row; the kernel resets it when an answer comes.
    pub retransmits: Option<u8>,
    /// `tcpi_delivery_rate_app_limited`: the last rate was that of the application, not of the path.
    pub app_limited: Option<bool>,
    /// `tcpi_snd_mss`: the segment size used for sending, in bytes, without timestamps.
    pub snd_mss: Option<u32>,
    /// `tcpi_rcv_mss`: the estimated segment size of the peer, in bytes.
    pub rcv_mss: Option<u32>,
    /// `tcpi_unacked`: segments sent and not acknowledged (SYN and FIN count).
    pub unacked: Option<u32>,
    /// `tcpi_last_data_sent`: milliseconds since data was sent last.
    pub last_sent_ms: Option<u32>,
    /// `tcpi_last_data_recv`: milliseconds since data was received last.
    pub last_received_ms: Option<u32>,
    /// `tcpi_pmtu`: the path MTU that the kernel believes in, in bytes.
    pub pmtu: Option<u32>,
    /// `tcpi_rtt`: the smoothed round-trip time in microseconds.
    pub rtt_us: Option<u32>,
    /// `tcpi_rttvar`: how much the round-trip time varies, in microseconds.
    pub rttvar_us: Option<u32>,
    /// `tcpi_snd_cwnd`: the congestion window in segments.
    pub cwnd: Option<u32>,
    /// `tcpi_advmss`: the segment size that we advertised, in bytes.
    pub advmss: Option<u32>,
    /// `tcpi_total_retrans`: retransmissions over the whole life; survives the handshake.
    pub total_retrans: Option<u32>,
    /// `tcpi_bytes_acked`: bytes acknowledged by the peer; the SYN counts as one.
    pub bytes_acked: Option<u64>,
    /// `tcpi_bytes_received`: bytes that the peer sent.
    pub bytes_received: Option<u64>,
    /// `tcpi_segs_out`: segments sent, retransmissions included.
    pub segs_out: Option<u32>,
    /// `tcpi_segs_in`: segments received.
    pub segs_in: Option<u32>,
    /// `tcpi_notsent_bytes`: bytes written but not yet sent.
    pub notsent: Option<u32>,
    /// `tcpi_min_rtt`: the lowest round-trip time in microseconds.
    pub min_rtt_us: Option<u32>,
    /// `tcpi_delivery_rate`: the last delivery rate in bytes per second.
    pub delivery_rate: Option<u64>,
    /// `tcpi_busy_time`: microseconds with data to send.
    pub busy_us: Option<u64>,
    /// `tcpi_rwnd_limited`: of those, microseconds that the peer's window was full.
    pub rwnd_limited_us: Option<u64>,
    /// `tcpi_sndbuf_limited`: of those, microseconds that our send buffer was too small.
    pub sndbuf_limited_us: Option<u64>,
    /// `tcpi_bytes_retrans`: bytes sent again.
    pub bytes_retrans: Option<u64>,
    /// `tcpi_rcv_ooopack`: segments that arrived out of order.
    pub rcv_ooopack: Option<u32>,
    /// `tcpi_snd_wnd`: the peer's receive window in bytes.
    pub snd_wnd: Option<u32>,
}

/// TCP states as the kernel numbers them (`include/net/tcp_states.h`).
pub mod state {
    /// The handshake completed.
    pub const ESTABLISHED: u8 = 1;
    /// A SYN is on its way.
    pub const SYN_SENT: u8 = 2;
    /// No connection, or not any more.
    pub const CLOSE: u8 = 7;
    /// The peer closed its side.
    pub const CLOSE_WAIT: u8 = 8;
}

impl TcpInfo {
    /// Reads the fields that `bytes` holds, in this machine's byte order.
    pub fn parse(bytes: &[u8]) -> TcpInfo {
        TcpInfo {
            state: bytes.first().copied(),
            retransmits: bytes.get(2).copied(),
            app_limited: bytes.get(7).map(|bits| bits & 1 != 0),
            snd_mss: u32_at(bytes, 16),
            rcv_mss: u32_at(bytes, 20),
            unacked: u32_at(bytes, 24),
            last_sent_ms: u32_at(bytes, 44),
            last_received_ms: u32_at(bytes, 52),
            pmtu: u32_at(bytes, 60),
            rtt_us: u32_at(bytes, 68),
            rttvar_us: u32_at(bytes, 72),
            cwnd: u32_at(bytes, 80),
            advmss: u32_at(bytes, 84),
            total_retrans: u32_at(bytes, 100),
            bytes_acked: u64_at(bytes, 120),
            bytes_received: u64_at(bytes, 128),
            segs_out: u32_at(bytes, 136),
            segs_in: u32_at(bytes, 140),
            notsent: u32_at(bytes, 144),
            min_rtt_us: u32_at(bytes, 148),
            delivery_rate: u64_at(bytes, 160),
            busy_us: u64_at(bytes, 168),
            rwnd_limited_us: u64_at(bytes, 176),
            sndbuf_limited_us: u64_at(bytes, 184),
            bytes_retrans: u64_at(bytes, 208),
            rcv_ooopack: u32_at(bytes, 224),
            snd_wnd: u32_at(bytes, 228),
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(field.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let field = bytes.get(at..at + 8)?;
    Some(u64::from_ne_bytes(field.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_short_struct_of_an_old_kernel_leaves_later_fields_unknown() {
        let mut bytes = vec![0_u8; 104];
        bytes[0] = state::SYN_SENT;
        bytes[100..104].copy_from_slice(&3_u32.to_ne_bytes());
        let info = TcpInfo::parse(&bytes);
        assert_eq!(info.state, Some(state::SYN_SENT));
        assert_eq!(info.total_retrans, Some(3));
        assert_eq!(info.segs_out, None);
        assert_eq!(info.snd_wnd, None);
    }

    proptest! {
        #[test]
        fn any_bytes_parse(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let info = TcpInfo::parse(&bytes);
            prop_assert_eq!(info.snd_wnd.is_some(), bytes.len() >= 232);
        }
    }
}
