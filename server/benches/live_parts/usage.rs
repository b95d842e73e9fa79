//! What a process uses while time goes by.

use std::time::Duration;

use super::super::moves_parts::cluster::Cluster;

/// Share of a core and resident memory of a process, for people.
pub(crate) async fn of(cluster: &Cluster, index: usize, time: Duration) -> String {
    let id = cluster.id(index);
    let (cpu, memory) = (cpu_seconds(id), resident_mib(id));
    tokio::time::sleep(time).await;
    let share = (cpu_seconds(id) - cpu) / time.as_secs_f64() * 100.0;
    format!("server {share:.1} % of a core, {memory:.1} → {:.1} MiB", resident_mib(id))
}

/// User and system time.
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // proc(5): fields 14 and 15, in hundredths of a second; the name before them may hold anything.
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn resident_mib(id: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
