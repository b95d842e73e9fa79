//! `ctl audit`: who changed what.

use pixelfox_proto::v1;

use super::{
    Ctl, Ended,
    lists::{self, Columns, Limit, Page},
    show,
    table::{Head, Side::Left},
};

const HEADS: &[Head] =
    &[("AT", Left), ("WHO", Left), ("ACTION", Left), ("WHAT", Left), ("DETAIL", Left), ("WAS", Left), ("BECAME", Left)];

#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    /// Only of this one: an account's name, `token`, `console` or `server`.
    #[arg(long)]
    actor: Option<String>,
    /// Only this: an Admin method in snake case, `update_pool`.
    #[arg(long)]
    action: Option<String>,
    /// Only of this: a pool's or job's number, `settings`, `queue`, an account's name.
    #[arg(long)]
    subject: Option<String>,
    /// From then on: 2026-11-24, or with a time as RFC 3339 has it.
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    since: Option<prost_types::Timestamp>,
    /// Up to then, that instant not included.
    #[arg(long, value_name = "TIME", value_parser = show::parse_time)]
    until: Option<prost_types::Timestamp>,
    #[command(flatten)]
    limit: Limit,
}

pub(super) async fn run(ctl: &mut Ctl, args: AuditArgs) -> Ended {
    let filter = v1::ListAuditRequest {
        actor: args.actor.unwrap_or_default(),
        action: args.action.unwrap_or_default(),
        subject: args.subject.unwrap_or_default(),
        from: args.since,
        until: args.until,
        ..v1::ListAuditRequest::default()
    };
    lists::print(ctl, "entries", args.limit, Columns { heads: HEADS, row }, async |ctl, page_size, page_token| {
        let ask = v1::ListAuditRequest { page_size, page_token, ..filter.clone() };
        let page = ctl.admin.list_audit(ask).await?.into_inner();
        Ok(Page { items: page.entries, next: page.next_page_token, total: None })
    })
    .await
}

fn row(entry: &v1::AuditEntry) -> Vec<String> {
    let v1::AuditEntry { actor, action, subject, detail, was, became, .. } = entry.clone();
    vec![show::time(entry.at.as_ref()), actor, action, subject, detail, was, became]
}
