//! The store's suite: books made again from what lies in the pools.

use pixelfox_proto::{FileMeta, Generation};
use pixelfox_server::catalog::{Adopted, Elsewhere, FoundFile, FoundMark, FoundPool, PoolDraft, RebuildRule, TakenIn};

use crate::store_books::{Books, SIZE, at, digest, image, path, pool, suite};

suite! {
    the_newest_of_two_copies_is_the_images_and_the_other_goes_to_the_trash,
    what_is_in_the_books_stays_as_it_is,
    a_pool_comes_back_with_its_number_and_a_deleted_one_stays_away,
}

fn found(number: u64, generation: u64) -> FoundFile {
    let meta = FileMeta {
        image_uuid: image(number).to_string(),
        kind: "original".into(),
        share_token: format!("{number:012}"),
        original_name: "a.png".into(),
        user_id: 40,
        ..FileMeta::default()
    };
    let mark = FoundMark {
        size: SIZE,
        sha256: digest(number),
        generation: Generation(generation),
        meta,
        is_suspect: false,
        visitor: None,
    };
    FoundFile { path: path(number), size: SIZE, mark: Some(mark) }
}

async fn take(books: &Books, in_pool: u64, files: Vec<FoundFile>, rule: RebuildRule) -> TakenIn {
    let taken = books.store.take_in(pool(in_pool), files, rule, at(50)).await.unwrap();
    books.assert_counted().await;
    taken
}

async fn the_newest_of_two_copies_is_the_images_and_the_other_goes_to_the_trash(books: Books) {
    // Each order of the two, and each batch again: the same books.
    let first = take(&books, 1, vec![found(901, 1), found(902, 5)], RebuildRule::Anew).await;
    assert_eq!((first.images, first.bytes, first.old_copies), (2, 2 * SIZE, 0));
    let second = take(&books, 2, vec![found(901, 2), found(902, 4)], RebuildRule::Anew).await;
    assert_eq!((second.images, second.known, second.old_copies), (0, 0, 2));
    for in_pool in [1, 2] {
        let again = take(&books, in_pool, vec![found(901, in_pool), found(902, 6 - in_pool)], RebuildRule::Anew).await;
        assert_eq!((again.images, again.known, again.old_copies), (0, 2, 0), "pool {in_pool}");
    }
    for (number, in_pool) in [(901, 2), (902, 1)] {
        let image = books.store.get_image(image(number)).await.unwrap();
        assert_eq!(image.pool, pool(in_pool), "{number}");
    }
    let pools = books.store.list_pools().await.unwrap();
    let of = |id: u64| pools.iter().find(|found| found.id == pool(id)).unwrap().usage;
    assert_eq!((of(1).trash_files, of(2).trash_files), (1, 1));
}

async fn what_is_in_the_books_stays_as_it_is(books: Books) {
    take(&books, 1, vec![found(901, 1)], RebuildRule::Anew).await;
    let before = books.store.get_image(image(901)).await.unwrap();
    let mut strange = found(903, 1);
    strange.path = path(901);
    let mut same_share = found(904, 1);
    same_share.mark.as_mut().unwrap().meta.share_token = "000000000901".into();
    let mut unowned = found(905, 0);
    unowned.mark = None;
    let files = vec![found(901, 9), strange, same_share, unowned, found(906, 3)];
    let taken = take(&books, 2, files, RebuildRule::Add).await;
    assert_eq!((taken.images, taken.left_total, taken.unowned), (1, 2, 1), "{:?}", taken.left);
    let there = Elsewhere { pool: pool(1), file: found(901, 9), is_leaving: false };
    assert_eq!(taken.elsewhere, [there], "to be looked for there first");
    assert_eq!(books.store.get_image(image(901)).await.unwrap(), before);
    // It is not there: what was moved after a copy of the books was made.
    let taken = take(&books, 2, vec![found(901, 9)], RebuildRule::Instead).await;
    assert_eq!((taken.images, taken.moved, taken.old_copies), (0, 1, 0), "{:?}", taken.left);
    assert_eq!(books.store.get_image(image(901)).await.unwrap().pool, pool(2));
    // And back again: what the books have of its first stay in that pool is in the trash, and makes way.
    let taken = take(&books, 1, vec![found(901, 12)], RebuildRule::Add).await;
    let there = Elsewhere { pool: pool(2), file: found(901, 12), is_leaving: false };
    assert_eq!((taken.known, taken.elsewhere), (0, vec![there]));
    let taken = take(&books, 1, vec![found(901, 12)], RebuildRule::Instead).await;
    assert_eq!((taken.moved, taken.left_total), (1, 0), "{:?}", taken.left);
    assert_eq!(books.store.get_image(image(901)).await.unwrap().pool, pool(1));
    let again = take(&books, 1, vec![found(901, 12)], RebuildRule::Add).await;
    assert_eq!((again.known, again.elsewhere.len()), (1, 0));
}

async fn a_pool_comes_back_with_its_number_and_a_deleted_one_stays_away(books: Books) {
    let draft = |name: &str| PoolDraft {
        name: name.into(),
        node_id: "s07".into(),
        base_path: format!("/srv/{name}"),
        upload_api_url: "http://s07:4000/api/internal/upload".into(),
        public_base_url: "http://s07:4000".into(),
        is_active: true,
        ..PoolDraft::default()
    };
    let marked = |name: &str, id: u64, identity: &str| FoundPool {
        id: Some(pool(id)),
        identity: identity.into(),
        draft: draft(name),
    };
    let adopt = async |found| books.store.adopt_pool(found, at(50)).await;
    assert_eq!(adopt(marked("old", 77, "mine")).await.unwrap(), Adopted::New(pool(77)));
    assert_eq!(adopt(marked("old", 77, "mine")).await.unwrap(), Adopted::Known(pool(77)));
    let Adopted::New(other) = adopt(marked("other", 77, "theirs")).await.unwrap() else { panic!("it is new") };
    assert!(other > pool(77), "the number is taken: {other}");
    let refused = adopt(marked("old", 80, "copied")).await.unwrap_err().to_string();
    assert!(refused.contains("is called old already"), "{refused}");
    books.store.delete_pool(other, at(51)).await.unwrap();
    assert_eq!(adopt(marked("other", 78, "theirs")).await.unwrap(), Adopted::Deleted);
}
