//! `ctl nodes`: who is there.

use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Form,
    places::Pools,
    show,
    table::{
        Head,
        Side::{Left, Right},
        Table,
    },
};

const HEADS: &[Head] = &[
    ("NODE", Left),
    ("STATE", Left),
    ("SINCE", Left),
    ("VERSION", Left),
    ("RUNNING", Right),
    ("WAITING", Right),
    ("SENDS", Right),
    ("DISK FREE", Right),
    ("CLOCK", Right),
    ("POOLS", Left),
];

pub(super) async fn run(ctl: &mut Ctl) -> Ended {
    let nodes = ctl.admin.list_nodes(v1::ListNodesRequest {}).await?.into_inner();
    let pools = if ctl.form == Form::Table { Pools::ask(ctl).await? } else { Pools::default() };
    ctl.answer(&nodes, |out, nodes| {
        let rows: Vec<Vec<String>> = nodes.nodes.iter().map(|node| row(node, &pools)).collect();
        Table::new(HEADS).rows(out, &rows)
    })
}

fn row(node: &v1::Node, pools: &Pools) -> Vec<String> {
    let (state, since) = if node.online { ("online", &node.attached_since) } else { ("offline", &node.offline_since) };
    let names: Vec<String> = node.pool_ids.iter().map(|id| pools.name(*id)).collect();
    vec![
        node.node_id.clone(),
        state.into(),
        show::time(since.as_ref()),
        node.version.clone(),
        format!("{}/{}", node.running, node.slots),
        show::count(node.jobs_waiting),
        show::rate(node.bytes_per_second),
        if node.filesystem_total > 0 { show::bytes(node.filesystem_free) } else { "-".into() },
        clock(node.clock_offset_seconds),
        names.join(", "),
    ]
}

/// How far it is ahead: `+1.5 s`; what is less than is shown is none.
fn clock(offset_seconds: Option<f64>) -> String {
    match offset_seconds {
        None => "-".into(),
        Some(seconds) if seconds.abs() < 0.05 => "0.0 s".into(),
        Some(seconds) => format!("{seconds:+.1} s"),
    }
}
