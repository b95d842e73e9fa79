//! Every pool's files into the books, a page at a time.

use std::{collections::BTreeMap, time::Duration};

use pixelfox_proto::PoolId;
use tokio::time::timeout;

use super::Report;
use crate::{
    catalog::{Elsewhere, FoundFile, Pool, RebuildRule, TakenIn},
    clock,
    grpc::Disks,
    store::{Store, StoreError},
};

/// How long an answer of a pool's disk is waited for.
const PAGE_WITHIN: Duration = Duration::from_secs(120);

/// Pools that can be asked, each with its node.
pub(super) type Asked = BTreeMap<PoolId, (Pool, Disks)>;

/// Takes in what lies in each of `ids`. Of the other pools that can be asked it is only asked what is in them.
pub(super) async fn pools(
    store: &Store,
    asked: &mut Asked,
    ids: Vec<PoolId>,
    rule: RebuildRule,
    report: &mut Report,
) -> Result<(), StoreError> {
    for id in ids {
        let mut taken = TakenIn::default();
        let broke = one_pool(store, asked, id, rule, &mut taken).await?;
        if let Some((pool, _)) = asked.get(&id) {
            report.looked_through(pool, (taken, broke));
        }
    }
    Ok(())
}

/// Every file of a pool, and why not all where it is so.
async fn one_pool(
    store: &Store,
    asked: &mut Asked,
    id: PoolId,
    rule: RebuildRule,
    taken: &mut TakenIn,
) -> Result<Option<String>, StoreError> {
    let Some((_, disks)) = asked.get_mut(&id) else { return Ok(None) };
    let mut files = match disks.files(id).await {
        Ok(files) => files,
        Err(why) => return Ok(Some(why)),
    };
    loop {
        let page = match timeout(PAGE_WITHIN, files.next()).await {
            Ok(Ok(Some(page))) => page,
            Ok(Ok(None)) => return Ok(None),
            Ok(Err(why)) => return Ok(Some(why)),
            Err(_) => return Ok(Some(format!("no answer for {} s", PAGE_WITHIN.as_secs()))),
        };
        let mut of_page = store.take_in(id, page, rule, clock::now()).await?;
        let elsewhere = std::mem::take(&mut of_page.elsewhere);
        taken.add(of_page);
        let gone = gone_from_there(asked, elsewhere, taken).await;
        if !gone.is_empty() {
            taken.add(store.take_in(id, gone, RebuildRule::Instead, clock::now()).await?);
        }
    }
}

/// Files that are not where the books have their images. Whoever can't be asked is taken to have them.
async fn gone_from_there(asked: &mut Asked, elsewhere: Vec<Elsewhere>, taken: &mut TakenIn) -> Vec<FoundFile> {
    let mut gone = Vec::new();
    for Elsewhere { pool, file, is_leaving } in elsewhere {
        let has = match asked.get_mut(&pool) {
            Some((_, disks)) => disks.has(pool, &file.path).await,
            None => Err("it can't be asked".to_owned()),
        };
        match has {
            Ok(false) => gone.push(file),
            Ok(true) if is_leaving => taken.known += 1,
            Ok(true) => taken.leave(format!("{}: is in pool {pool} too, where its image is by the books", file.path)),
            Err(why) => taken.leave(format!("{}: its image is in pool {pool} by the books: {why}", file.path)),
        }
    }
    gone
}
