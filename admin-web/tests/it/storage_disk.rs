//! A pool whose disk is gone for good.

use pixelfox_proto::v1;

use crate::{
    reader::{follow, get, pages, post},
    storage::{asked, cluster, pool},
};

#[tokio::test]
async fn a_pool_whose_disk_is_gone_begins_anew_after_its_name_was_typed() {
    // Offered where the pool is not healthy alone; a wrong name comes back with what was typed.
    let ill = v1::Pool { healthy: false, problem: "the marker is missing".into(), ..pool(1) };
    let fake = cluster(vec![ill, pool(2)]);
    let replaced = asked::<v1::ReplacePoolDiskRequest, _>(&fake, "replace_pool_disk", || {
        Ok(v1::ReplacePoolDiskResponse { files: 1234, bytes: 5_000_000 })
    });
    let pages = pages(&fake);
    let list = get(&pages, "/admin/storage", &[]).await;
    assert!(list.html.contains("/admin/storage/1/replace-disk"), "{}", list.html);
    assert!(!list.html.contains("/admin/storage/2/replace-disk"), "{}", list.html);
    let sure = get(&pages, "/admin/storage/1/replace-disk", &[]).await;
    assert!(sure.html.contains("1.234 Dateien") && sure.html.contains("endgültig verloren"), "{}", sure.html);
    let page = follow(&pages, &post(&pages, "/admin/storage/1/replace-disk", "name=+img1+").await).await;
    assert!(page.html.contains("img1 beginnt neu. 1.234 Dateien (5,00\u{a0}MB)"), "{}", page.html);
    let request = replaced.lock().pop().unwrap();
    assert_eq!((request.id, request.name.as_str()), (1, "img1"));
    let _ = asked::<v1::ReplacePoolDiskRequest, v1::ReplacePoolDiskResponse>(&fake, "replace_pool_disk", || {
        Err(tonic::Status::invalid_argument("name: pool 1 is called img1"))
    });
    let wrong = post(&pages, "/admin/storage/1/replace-disk", "name=img3").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.html.contains("value=\"img3\"") && wrong.html.contains("Pool 1 is called img1"), "{}", wrong.html);
}
