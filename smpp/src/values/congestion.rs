//! congestion_state (5.0 section 4.8.4.18): how busy the peer is, in percent. Pure, lives nowhere.

/// The octet congestion_state.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Congestion(pub u8);

/// What a percentage means.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Load {
    /// 0.
    Idle,
    /// 1 to 29.
    Low,
    /// 30 to 49.
    Medium,
    /// 50 to 79.
    High,
    /// 80 to 90: what a sender aims at. The specification has 90 here and in the next row.
    Optimum,
    /// 91 to 99: slow down.
    NearingCongestion,
    /// 100: stop for a moment.
    Congested,
}

impl Congestion {
    /// What it means; `None` above 100, which is reserved.
    pub const fn load(self) -> Option<Load> {
        Some(match self.0 {
            0 => Load::Idle,
            1..=29 => Load::Low,
            30..=49 => Load::Medium,
            50..=79 => Load::High,
            80..=90 => Load::Optimum,
            91..=99 => Load::NearingCongestion,
            100 => Load::Congested,
            101.. => return None,
        })
    }

    /// A word for what it means.
    pub const fn name(self) -> &'static str {
        match self.load() {
            Some(Load::Idle) => "idle",
            Some(Load::Low) => "low",
            Some(Load::Medium) => "medium",
            Some(Load::High) => "high",
            Some(Load::Optimum) => "optimum",
            Some(Load::NearingCongestion) => "nearing_congestion",
            Some(Load::Congested) => "congested",
            None => "reserved",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_percentage_has_one_meaning() {
        for (percent, load) in [
            (0, "idle"),
            (1, "low"),
            (29, "low"),
            (30, "medium"),
            (49, "medium"),
            (50, "high"),
            (79, "high"),
            (80, "optimum"),
            (90, "optimum"),
            (91, "nearing_congestion"),
            (99, "nearing_congestion"),
            (100, "congested"),
            (101, "reserved"),
            (255, "reserved"),
        ] {
            assert_eq!(Congestion(percent).name(), load, "{percent}");
        }
        assert!((1..=100).all(|n| Congestion(n).load() >= Congestion(n - 1).load()));
    }
}
