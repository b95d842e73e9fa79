//! `ctl pools`: list, show, create, set, delete, check, recount.

use clap::Subcommand;
use pixelfox_proto::v1;

use super::{
    Ctl, Ended, Ending, Form, diagnose, fields,
    places::{self, Pools},
    show,
    table::{
        self, Head,
        Side::{Left, Right},
        Table,
    },
    terminal::{Yes, confirm},
};

/// What can be given; the others are the server's to say.
pub(super) const SETTABLE: &[&str] = &[
    "name",
    "node_id",
    "base_path",
    "upload_api_url",
    "public_base_url",
    "max_size",
    "is_active",
    "is_default",
    "priority",
    "storage_type",
    "storage_tier",
    "description",
    "legacy_pool_id",
    "legacy_node",
];

const FIELDS: &str = "\
Fields:
  name             how it is called
  node_id          the node that has it
  base_path        its directory there
  upload_api_url   http://host:port/api/internal/upload of its node, as other nodes reach it
  public_base_url  http://host:port of its node, as browsers reach it
  max_size         largest use, for instance 500GB; 0: no limit
  is_active        false: takes no uploads and no moves, still serves
  is_default       takes what no other pool has room for
  priority         the lowest number is chosen first
  storage_type     local or nfs
  storage_tier     hot, warm, cold or archive
  description      for people
  legacy_pool_id   its number in an older PixelFox's database
  legacy_node      true: its node is an older PixelFox, reached by HTTP alone";

const HEADS: &[Head] = &[
    ("ID", Right),
    ("NAME", Left),
    ("NODE", Left),
    ("STATE", Left),
    ("TIER", Left),
    ("PRIORITY", Right),
    ("IMAGES", Right),
    ("FILES", Right),
    ("USED", Right),
    ("LIMIT", Right),
    ("DISK FREE", Right),
    ("NOTE", Left),
];

#[derive(Debug, clap::Args)]
pub(super) struct PoolsArgs {
    #[command(subcommand)]
    verb: Option<PoolsVerb>,
}

#[derive(Debug, Subcommand)]
enum PoolsVerb {
    /// All of them.
    List,
    /// Everything about one.
    Show {
        /// Its name or number.
        pool: String,
    },
    /// Make one. It is active, local, hot and of priority 10 where nothing else is given.
    #[command(after_help = FIELDS)]
    Create {
        /// For instance name=img3 node_id=s03.
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        #[command(flatten)]
        save: Save,
    },
    /// Change some of its fields; the others stay.
    #[command(after_help = FIELDS)]
    Set {
        /// Its name or number.
        pool: String,
        /// For instance priority=5.
        #[arg(required = true, value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        #[command(flatten)]
        save: Save,
    },
    /// Take one off the books, where nothing is in it. Its directory stays as it is.
    Delete {
        /// Its name or number.
        pool: String,
        #[command(flatten)]
        yes: Yes,
    },
    /// Let one whose disk is gone for good begin anew on an empty one. What it held counts as lost until its node has
    /// found it: copied back from a backup, or on the old disk after all.
    ReplaceDisk {
        /// Its name or number.
        pool: String,
        /// Its name, where POOL is its number.
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        yes: Yes,
    },
    /// Have its node write, read back and remove a file, and try its URLs; exit code 1 where that fails.
    Check {
        /// Its name or number.
        pool: String,
    },
    /// Count anew what is used, from the copies on record.
    Recount {
        /// Its name or number; without it, all pools.
        pool: Option<String>,
    },
}

/// How a pool is saved.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Save {
    /// Save nothing; say what would be found. Exit code 1 where it can't be saved.
    #[arg(long, conflicts_with = "save_anyway")]
    dry_run: bool,
    /// Save what only looks wrong.
    #[arg(long)]
    save_anyway: bool,
}

pub(super) async fn run(ctl: &mut Ctl, args: PoolsArgs) -> Ended {
    match args.verb.unwrap_or(PoolsVerb::List) {
        PoolsVerb::List => {
            let pools = ctl.admin.list_pools(v1::ListPoolsRequest {}).await?.into_inner();
            ctl.answer(&pools, |out, pools| {
                let rows: Vec<Vec<String>> = pools.pools.iter().map(row).collect();
                Table::new(HEADS).rows(out, &rows)
            })
        }
        PoolsVerb::Show { pool } => {
            let id = places::pool(ctl, &pool).await?;
            let pool = ctl.admin.get_pool(v1::GetPoolRequest { id }).await?.into_inner();
            ctl.answer(&pool, fields::print)
        }
        PoolsVerb::Create { fields, save } => create(ctl, &fields, save).await,
        PoolsVerb::Set { pool, fields, save } => set(ctl, &pool, &fields, save).await,
        PoolsVerb::Delete { pool, yes } => {
            let id = places::pool(ctl, &pool).await?;
            confirm(yes.consent(), &format!("Take pool {pool} off the books? Its directory stays as it is."))?;
            let answer = ctl.admin.delete_pool(v1::DeletePoolRequest { id }).await?.into_inner();
            ctl.answer(&answer, |out, _| out.line(&format!("Pool {} is off the books.", show::clean(&pool))))
        }
        PoolsVerb::ReplaceDisk { pool, name, yes } => replace_disk(ctl, &pool, name, yes).await,
        PoolsVerb::Check { pool } => check(ctl, &pool).await,
        PoolsVerb::Recount { pool } => recount(ctl, pool.as_deref()).await,
    }
}

async fn replace_disk(ctl: &mut Ctl, word: &str, name: Option<String>, yes: Yes) -> Ended {
    let id = places::pool(ctl, word).await?;
    let name = name.unwrap_or_else(|| word.to_owned());
    confirm(yes.consent(), &format!("Let pool {name} begin anew on an empty disk? All that it held counts as lost."))?;
    let request = v1::ReplacePoolDiskRequest { id, name: name.clone() };
    let lost = ctl.admin.replace_pool_disk(request).await?.into_inner();
    ctl.answer(&lost, |out, lost| {
        let files = show::counted(lost.files, "file");
        let lost = format!("{files}, {} count as lost until they are found", show::bytes(lost.bytes));
        out.line(&show::clean(&format!("Pool {name} begins anew: {lost}.")))
    })
}

async fn create(ctl: &mut Ctl, words: &[String], save: Save) -> Ended {
    let new = v1::Pool {
        is_active: true,
        storage_type: "local".into(),
        storage_tier: "hot".into(),
        priority: 10,
        ..v1::Pool::default()
    };
    let (pool, _) = fields::assigned(&new, SETTABLE, words)?;
    if save.dry_run {
        return draft(ctl, pool).await;
    }
    // Asked before, because afterwards the directory is there.
    let asked = v1::CheckPoolDraftRequest { pool: Some(pool.clone()) };
    let looked = match ctl.form {
        Form::Table => ctl.admin.check_pool_draft(asked).await.map(tonic::Response::into_inner).unwrap_or_default(),
        Form::Json => v1::PoolFindings::default(),
    };
    let request = v1::CreatePoolRequest { pool: Some(pool), save_anyway: save.save_anyway };
    let (metadata, pool, _) = ctl.admin.create_pool(request).await?.into_parts();
    let was_there = metadata.get("x-pixelfox-updated").is_some();
    ctl.answer(&pool, |out, pool| {
        let what = if was_there { "was there and is changed" } else { "is made" };
        // Whatever is to be known of the directory: that it is made, above all.
        if let Some(found) = looked.findings.iter().find(|it| it.field == "base_path").filter(|_| !was_there) {
            out.line(&show::clean(&format!("{}.", found.message)))?;
        }
        out.line(&show::clean(&format!("Pool {} ({}) {what}.", pool.name, pool.id)))
    })
}

async fn set(ctl: &mut Ctl, word: &str, words: &[String], save: Save) -> Ended {
    let id = places::pool(ctl, word).await?;
    if save.dry_run {
        // a draft is the whole pool as it shall be
        let there = ctl.admin.get_pool(v1::GetPoolRequest { id }).await?.into_inner();
        let (pool, _) = fields::assigned(&there, SETTABLE, words)?;
        return draft(ctl, pool).await;
    }
    let (pool, paths) = fields::assigned(&v1::Pool { id, ..v1::Pool::default() }, SETTABLE, words)?;
    let request = v1::UpdatePoolRequest {
        pool: Some(pool),
        expected_revision: 0,
        save_anyway: save.save_anyway,
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let pool = ctl.admin.update_pool(request).await?.into_inner();
    ctl.answer(&pool, |out, pool| out.line(&show::clean(&format!("Pool {} ({}) is changed.", pool.name, pool.id))))
}

async fn draft(ctl: &mut Ctl, pool: v1::Pool) -> Ended {
    let found = ctl.admin.check_pool_draft(v1::CheckPoolDraftRequest { pool: Some(pool) }).await?.into_inner();
    let failed = found.findings.iter().any(|finding| finding.status() == v1::finding::Status::Failed);
    ctl.answer(&found, |out, found| {
        for finding in &found.findings {
            let subject = if finding.subject.is_empty() { finding.field.clone() } else { finding.subject.clone() };
            let check = if finding.field.is_empty() { finding.check.clone() } else { finding.field.clone() };
            diagnose::print(out, &v1::Finding { subject, check, ..finding.clone() })?;
        }
        out.line(if failed { "It can't be saved like this." } else { "It can be saved. Nothing was (--dry-run)." })
    })?;
    Ok(if failed { Ending::NotWell } else { Ending::Done })
}

async fn check(ctl: &mut Ctl, word: &str) -> Ended {
    let id = places::pool(ctl, word).await?;
    let found = ctl.admin.check_pool(v1::CheckPoolRequest { id }).await?.into_inner();
    ctl.answer(&found, |out, found| {
        let state = if found.healthy { "healthy".to_owned() } else { format!("not healthy: {}", found.problem) };
        let (free, total) = (show::bytes(found.filesystem_free), show::bytes(found.filesystem_total));
        let took = format!("{:.0} ms", found.round_trip_seconds * 1000.0);
        table::pairs(out, &[("Pool", state), ("Disk", format!("{free} of {total} free")), ("Took", took)])?;
        found.findings.iter().try_for_each(|finding| diagnose::print(out, finding))
    })?;
    let failed = found.findings.iter().any(|finding| finding.status() == v1::finding::Status::Failed);
    Ok(if found.healthy && !failed { Ending::Done } else { Ending::NotWell })
}

async fn recount(ctl: &mut Ctl, word: Option<&str>) -> Ended {
    let pool_id = places::pool_if(ctl, word).await?;
    let counted = ctl.admin.recalculate_usage(v1::RecalculateUsageRequest { pool_id }).await?.into_inner();
    let pools = match ctl.form {
        Form::Table => Pools::ask(ctl).await?,
        Form::Json => Pools::default(),
    };
    ctl.answer(&counted, |out, counted| {
        let heads: &'static [Head] =
            &[("ID", Right), ("NAME", Left), ("BEFORE", Right), ("NOW", Right), ("OFF BY", Right)];
        let rows = counted.pools.iter().map(|pool| {
            let off = i128::from(pool.used_now) - i128::from(pool.used_before);
            let sizes = [show::bytes(pool.used_before), show::bytes(pool.used_now), format!("{off} B")];
            [vec![pool.pool_id.to_string(), pools.name(pool.pool_id)], sizes.to_vec()].concat()
        });
        Table::new(heads).rows(out, &rows.collect::<Vec<_>>())
    })
}

fn row(pool: &v1::Pool) -> Vec<String> {
    let state = match (pool.online, pool.healthy, pool.is_active) {
        (false, ..) => "offline",
        (true, false, _) => "unhealthy",
        (true, true, false) => "inactive",
        (true, true, true) => "ok",
    };
    let default = if pool.is_default { "default" } else { "" };
    let note = [default, &pool.problem].iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join("; ");
    vec![
        pool.id.to_string(),
        pool.name.clone(),
        pool.node_id.clone(),
        state.into(),
        pool.storage_tier.clone(),
        pool.priority.to_string(),
        show::count(pool.images),
        show::count(pool.files),
        show::bytes(pool.used_size),
        show::limit(pool.max_size),
        if pool.filesystem_total > 0 { show::bytes(pool.filesystem_free) } else { "-".into() },
        note,
    ]
}

/// Fields of a pool that only the server says.
#[cfg(test)]
const SAID: &[&str] = &[
    "id",
    "used_size",
    "files",
    "online",
    "healthy",
    "problem",
    "filesystem_free",
    "trash_size",
    "revision",
    "unowned_size",
    "filesystem_total",
    "images",
    "reserved_size",
    "filesystem_id",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ctl::json;

    #[test]
    fn every_field_of_a_pool_can_be_given_or_is_the_servers_to_say() {
        let proto: BTreeSet<String> =
            json::descriptor::<v1::Pool>().fields().map(|field| field.name().to_owned()).collect();
        let known: BTreeSet<String> = SETTABLE.iter().chain(SAID).map(ToString::to_string).collect();
        assert_eq!(known, proto);
        for name in SETTABLE {
            assert!(FIELDS.contains(&format!("  {name} ")), "--help does not explain {name}");
        }
    }
}
