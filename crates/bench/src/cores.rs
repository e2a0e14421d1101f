//! How busy the machine's cores were, and how much memory this process has, by Linux's
//! `/proc`. A ratio counts only if the server's core was busy: the tables show it.

use std::fs;

/// Clock ticks of one core since the machine started.
#[derive(Copy, Clone, Debug, Default)]
pub struct Ticks {
    /// Spent on anything but waiting, stolen time included.
    pub busy: u64,
    /// Taken by the host for other guests.
    pub stolen: u64,
    /// All of them.
    pub total: u64,
}

/// The ticks of each core, in order; empty where there is no `/proc`.
#[must_use]
pub fn now() -> Vec<Ticks> {
    parse(&fs::read_to_string("/proc/stat").unwrap_or_default())
}

fn parse(text: &str) -> Vec<Ticks> {
    let is_core = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
    let cores = text.lines().filter(is_core).map(|line| {
        // user nice system idle iowait irq softirq steal; guest time is in user already.
        let ticks: Vec<u64> =
            line.split_whitespace().skip(1).take(8).map(|n| n.parse().unwrap_or(0)).collect();
        let total = ticks.iter().sum();
        let idle = ticks.iter().skip(3).take(2).sum::<u64>();
        Ticks { busy: total - idle, stolen: ticks.get(7).copied().unwrap_or(0), total }
    });
    cores.collect()
}

/// The busy and the stolen share of each core since `before`, per cent.
#[must_use]
pub fn since(before: &[Ticks]) -> Vec<(f64, f64)> {
    let share = |part: u64, total: u64| if total == 0 { 0.0 } else { 100.0 * part as f64 / total as f64 };
    let pairs = before.iter().zip(now());
    pairs
        .map(|(old, new)| {
            let total = new.total.saturating_sub(old.total);
            let busy = new.busy.saturating_sub(old.busy);
            (share(busy, total), share(new.stolen.saturating_sub(old.stolen), total))
        })
        .collect()
}

/// Bytes of memory that this process has resident; 0 where there is no `/proc`.
#[must_use]
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_the_disk_is_not_busy_and_stolen_time_is() {
        let text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 10 0 5 70 10 1 2 2 0 0\nintr 5\n";
        let cores = parse(text);
        assert_eq!(cores.len(), 1);
        assert_eq!((cores[0].busy, cores[0].stolen, cores[0].total), (20, 2, 100));
    }
}
