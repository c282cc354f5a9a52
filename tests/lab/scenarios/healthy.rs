//! Networks that look odd and work.

use crate::expect::healthy;
use crate::scenario::{Scenario, scenario};

pub(crate) fn all() -> Vec<Scenario> {
    vec![
        scenario("a plain service over IPv4")
            .diagnose("10.4.3.2:80")
            .expect(healthy().quiet()),
    ]
}
