//! The store's suite: uploads become images, paths become places, lists.

use pixelfox_proto::{ImageId, ShareToken, VisitorId};
use pixelfox_server::{
    catalog::{
        ImageFilter, ImageTotals, LostSession, NewUpload, PageAsk, PoolPatch, Readable, Refusal, ReplicaState,
        SaveRule, Setback, SetbackKind, SourceFault, Total, UploadDecision,
    },
    store::StoreError,
};

use crate::store_books::{Books, SIZE, at, digest, image, node, path, pool, suite, upload};

suite! {
    an_upload_becomes_an_image_and_the_same_answer_again,
    the_same_bytes_of_the_same_user_are_a_duplicate,
    visitors_share_nothing,
    the_same_bytes_within_a_visit_are_a_duplicate,
    a_key_is_found_by_its_digest_until_it_is_revoked,
    a_lost_original_is_healed_by_the_same_users_next_upload,
    an_image_that_can_not_be_read_is_no_answer_to_its_bytes,
    an_upload_that_can_not_be_kept_is_dropped_or_asked_again,
    many_at_once_are_decided_as_each_on_its_own_would_be,
    a_path_is_located_where_it_is_now,
    images_are_listed_newest_first_and_found,
}

fn of_user(number: u64, user_id: u64, bytes: u64) -> NewUpload {
    let mut upload = upload(number);
    upload.sha256 = digest(bytes);
    upload.meta.user_id = user_id;
    upload
}

fn kept(decision: UploadDecision) -> ImageId {
    match decision {
        UploadDecision::Keep(image) => image.id,
        other => panic!("{other:?} instead of Keep"),
    }
}

async fn an_upload_becomes_an_image_and_the_same_answer_again(books: Books) {
    let first = books.store.commit_upload(upload(1), at(0)).await.unwrap();
    let UploadDecision::Keep(answer) = &first else { panic!("{first:?}") };
    assert_eq!(answer.url, format!("http://local.local:8080/uploads/{}", path(1)));
    assert_eq!(books.store.commit_upload(upload(1), at(9)).await.unwrap(), first);
    let shown = books.store.get_image(image(1)).await.unwrap();
    assert_eq!((shown.original_name.as_str(), shown.width, shown.size), ("Bild 1.jpg", 40, SIZE));
    assert_eq!((shown.created, shown.files[0].generation.0), (at(0), 1));
    assert_eq!(shown.url(), answer.url);
    assert_eq!(books.store.image_totals().await.unwrap(), ImageTotals { images: 1, files: 1, bytes: SIZE });
    books.assert_counted().await;
    // After a move it is answered with where the image is now.
    books.moved(1..2, 1, 2).await;
    let UploadDecision::Keep(answer) = books.store.commit_upload(upload(1), at(9)).await.unwrap() else { panic!() };
    assert_eq!(answer.url, format!("http://s01.local:8080/uploads/{}", path(1)));
}

async fn the_same_bytes_of_the_same_user_are_a_duplicate(books: Books) {
    books.store.commit_upload(of_user(1, 5, 1), at(0)).await.unwrap();
    let again = books.store.commit_upload(of_user(2, 5, 1), at(1)).await.unwrap();
    let UploadDecision::DropDuplicate(earlier) = again else { panic!("{again:?}") };
    assert_eq!(earlier.id, image(1));
    kept(books.store.commit_upload(of_user(3, 6, 1), at(1)).await.unwrap());
    kept(books.store.commit_upload(of_user(4, 5, 2), at(1)).await.unwrap());
    assert_eq!(books.store.image_totals().await.unwrap().images, 3);
    books.assert_counted().await;
}

async fn visitors_share_nothing(books: Books) {
    for number in 1..4 {
        assert_eq!(kept(books.store.commit_upload(of_user(number, 0, 1), at(0)).await.unwrap()), image(number));
    }
}

async fn the_same_bytes_within_a_visit_are_a_duplicate(books: Books) {
    // Within it, and only there: not of another visit, not of no visit, not of a user.
    let in_visit = |number, visit| NewUpload { visitor: VisitorId::new(visit), ..of_user(number, 0, 1) };
    kept(books.store.commit_upload(in_visit(1, 7), at(0)).await.unwrap());
    let again = books.store.commit_upload(in_visit(2, 7), at(1)).await.unwrap();
    let UploadDecision::DropDuplicate(earlier) = again else { panic!("{again:?}") };
    assert_eq!(earlier.id, image(1));
    kept(books.store.commit_upload(in_visit(3, 8), at(1)).await.unwrap());
    kept(books.store.commit_upload(in_visit(4, 0), at(1)).await.unwrap());
    let user = NewUpload { visitor: VisitorId::new(7), ..of_user(5, 7, 1) };
    kept(books.store.commit_upload(user, at(1)).await.unwrap());
    kept(books.store.commit_upload(NewUpload { sha256: digest(2), ..in_visit(6, 7) }, at(1)).await.unwrap());
    books.assert_counted().await;
}

async fn a_key_is_found_by_its_digest_until_it_is_revoked(books: Books) {
    let one = books.store.create_api_key("Blog", digest(1), at(0)).await.unwrap();
    let two = books.store.create_api_key("Blog", digest(2), at(0)).await.unwrap();
    assert!(one.user_id > 0 && one.user_id != two.user_id);
    assert_eq!(books.store.api_key(digest(1)).await.unwrap(), Some(one.clone()));
    assert_eq!(books.store.api_key(digest(3)).await.unwrap(), None);
    books.store.api_key_used(one.id, at(9)).await.unwrap();
    books.store.api_key_used(one.id, at(5)).await.unwrap();
    let listed = books.store.list_api_keys().await.unwrap();
    assert_eq!((listed[0].last_used, &listed[1]), (Some(at(9)), &two));
    assert_eq!(books.store.revoke_api_key(one.id, at(10)).await.unwrap().name, "Blog");
    assert_eq!(books.store.api_key(digest(1)).await.unwrap(), None);
    assert!(matches!(books.store.revoke_api_key(one.id, at(11)).await, Err(StoreError::Refused(_))));
    let three = books.store.create_api_key("Blog", digest(1), at(12)).await.unwrap();
    assert!(three.id > two.id && three.user_id > two.user_id, "no id is used twice");
}

/// Image 1 of user 5 as one whose original was found missing.
async fn lose_the_original(books: &Books) {
    books.store.commit_upload(of_user(1, 5, 1), at(0)).await.unwrap();
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    let sources = vec![(path(1), SourceFault::Lost)];
    let kind = SetbackKind::WithoutOriginal;
    let word = Setback { job: job.job, lease: job.lease, epoch: job.epoch, kind, cause: String::new(), sources };
    books.store.set_back(vec![word], at(3)).await.unwrap();
}

async fn a_lost_original_is_healed_by_the_same_users_next_upload(books: Books) {
    // The new file is kept under its own path and answers for the old link too; the image has moved to its pool.
    lose_the_original(&books).await;
    assert_eq!(books.store.troubled_files().await.unwrap().lost, 1);
    let mut second = of_user(2, 5, 1);
    (second.node, second.pool) = (node("s01"), pool(2));
    let decision = books.store.commit_upload(second.clone(), at(4)).await.unwrap();
    assert_eq!(kept(decision.clone()), image(1), "the earlier image");
    assert_eq!(books.store.commit_upload(second, at(5)).await.unwrap(), decision);
    let shown = books.store.get_image(image(1)).await.unwrap();
    assert_eq!((shown.pool, shown.files.len(), shown.files[0].state), (pool(2), 2, ReplicaState::Live));
    assert_eq!(books.store.troubled_files().await.unwrap().lost, 0, "its bytes are there");
    let located = books.store.locate(&path(1)).await.unwrap().unwrap();
    assert_eq!(located.url, format!("http://s01.local:8080/uploads/{}", path(2)));
    assert_eq!(books.store.commit_upload(of_user(3, 5, 1), at(6)).await.unwrap(), {
        let UploadDecision::Keep(earlier) = decision else { panic!() };
        UploadDecision::DropDuplicate(earlier)
    });
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (0, 1));
    books.assert_counted().await;
}

async fn an_image_that_can_not_be_read_is_no_answer_to_its_bytes(books: Books) {
    // Its pool is away: the same bytes become an image of their own, which answers from then on. With its pool back the
    // first one answers again; of an older PixelFox's pool nobody knows, and its images go on answering.
    let in_s01 = |number| NewUpload { node: node("s01"), pool: pool(2), ..of_user(number, 5, 1) };
    kept(books.store.commit_upload(in_s01(1), at(0)).await.unwrap());
    let ask = async |upload, pools: &[u64]| {
        let readable = Readable::These(pools.iter().map(|id| pool(*id)).collect());
        books.store.commit_uploads(vec![upload], readable, at(1)).await.unwrap().remove(0).unwrap()
    };
    let had = |decision| match decision {
        UploadDecision::DropDuplicate(image) => image.id,
        other => panic!("{other:?} instead of a duplicate"),
    };
    assert_eq!(had(ask(of_user(2, 5, 1), &[1, 2]).await), image(1));
    assert_eq!(kept(ask(of_user(2, 5, 1), &[1]).await), image(2), "an image of its own");
    assert_eq!(kept(ask(of_user(2, 5, 1), &[1]).await), image(2), "asked again");
    assert_eq!(had(ask(of_user(3, 5, 1), &[1]).await), image(2));
    assert_eq!(had(ask(of_user(3, 5, 1), &[1, 2]).await), image(1));
    assert_eq!(kept(ask(of_user(4, 5, 1), &[]).await), image(4));
    let older = PoolPatch { legacy_node: Some(true), ..PoolPatch::default() };
    books.store.update_pool(pool(2), older, 0, SaveRule::Anyway, at(2)).await.unwrap();
    assert_eq!(had(ask(of_user(5, 5, 1), &[]).await), image(1));
    books.assert_counted().await;
}

async fn an_upload_that_can_not_be_kept_is_dropped_or_asked_again(books: Books) {
    books.store.commit_upload(upload(1), at(0)).await.unwrap();
    let dropped = async |upload| match books.store.commit_upload(upload, at(1)).await.unwrap() {
        UploadDecision::DropRefused(why) => why,
        other => panic!("{other:?} instead of a refusal"),
    };
    assert!(dropped(NewUpload { sha256: digest(9), ..upload(1) }).await.contains("with other bytes"));
    assert!(dropped(NewUpload { path: path(2), ..upload(1) }).await.contains("is on record as"));
    let mut same_share = upload(2);
    same_share.meta.share_token = "000000000001".into();
    assert!(dropped(same_share).await.contains("share token"));
    for (upload, want) in [
        (NewUpload { pool: pool(9), ..upload(3) }, "no pool 9"),
        (NewUpload { node: node("s01"), ..upload(3) }, "is on node local, not on s01"),
    ] {
        let error = books.store.commit_upload(upload, at(1)).await.unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
    assert_eq!(books.store.image_totals().await.unwrap().images, 1, "nothing half done");
    books.assert_counted().await;
}

async fn many_at_once_are_decided_as_each_on_its_own_would_be(books: Books) {
    kept(books.store.commit_upload(of_user(1, 5, 1), at(0)).await.unwrap());
    let in_pool = |number, id, name| NewUpload { pool: pool(id), node: node(name), ..upload(number) };
    let mut same_share = upload(7);
    same_share.meta.share_token = upload(2).meta.share_token;
    let asked = vec![
        upload(2),
        in_pool(3, 2, "s01"),
        of_user(4, 6, 4),
        // The same again, the same bytes of the same user, another file under a name that is about to be given.
        upload(2),
        of_user(5, 6, 4),
        NewUpload { path: path(3), sha256: digest(9), ..upload(6) },
        same_share,
        of_user(8, 5, 1),
        NewUpload { pool: pool(9), ..upload(9) },
        in_pool(10, 2, "s01"),
        NewUpload { node: node("s01"), ..upload(11) },
        upload(12),
    ];
    let decided = books.store.commit_uploads(asked, Readable::Every, at(1)).await.unwrap();
    let told = |decision: Result<UploadDecision, Refusal>| match decision {
        Ok(UploadDecision::Keep(image)) => format!("keep {}", image.id),
        Ok(UploadDecision::DropDuplicate(image)) => format!("have {}", image.id),
        Ok(UploadDecision::DropRefused(why)) => why,
        Err(refusal) => refusal.to_string(),
    };
    let told: Vec<String> = decided.into_iter().map(told).collect();
    let keep = |number| format!("keep {}", image(number));
    assert_eq!(told[..5], [keep(2), keep(3), keep(4), keep(2), format!("have {}", image(4))]);
    assert!(told[5].contains("with other bytes") && told[6].contains("share token"), "{told:#?}");
    assert_eq!(told[7], format!("have {}", image(1)));
    assert!(told[8].contains("no pool 9") && told[10].contains("is on node local, not on s01"), "{told:#?}");
    assert_eq!((&told[9], &told[11]), (&keep(10), &keep(12)));
    assert_eq!((books.pool(1).await.usage.images, books.pool(2).await.usage.images), (4, 2));
    books.assert_counted().await;
}

async fn a_path_is_located_where_it_is_now(books: Books) {
    // Through every step of a move there is one answer, the old place until the commit, the new one from then on.
    books.uploaded(1..2).await;
    let place = async || books.store.locate(&path(1)).await.unwrap().map(|located| located.pool.get());
    assert_eq!(place().await, Some(1));
    books.plan(1..2, 2).await;
    let job = books.lease(1, 2).await.jobs.remove(0);
    assert_eq!(place().await, Some(1));
    books.store.return_lost(LostSession::Every, at(2)).await.unwrap();
    assert_eq!(place().await, Some(1));
    let job = {
        drop(job);
        books.lease(1, 2).await.jobs.remove(0)
    };
    books.store.commit_moves(vec![crate::store_books::done(&job)], at(3)).await.unwrap();
    assert_eq!(place().await, Some(2));
    assert_eq!(books.store.locate(&path(2)).await.unwrap(), None);
}

async fn images_are_listed_newest_first_and_found(books: Books) {
    books.uploaded(1..8).await;
    books.moved(3..5, 1, 2).await;
    let list = async |filter, size, token: &str| {
        books.store.list_images(filter, PageAsk { size, token: token.into() }).await.unwrap()
    };
    let in_pool = |number| ImageFilter { pool: Some(pool(number)), ..ImageFilter::default() };
    let words = |query: &str| ImageFilter { query: query.into(), ..ImageFilter::default() };
    let ids = |page: &pixelfox_server::catalog::Listed<pixelfox_server::catalog::Image>| {
        page.items.iter().map(|image| image.id).collect::<Vec<_>>()
    };
    let first = list(in_pool(1), 3, "").await;
    assert_eq!((ids(&first), first.total), (vec![image(7), image(6), image(5)], Total::Exact(5)));
    let second = list(in_pool(1), 3, &first.next_page_token).await;
    assert_eq!((ids(&second), second.next_page_token.as_str()), (vec![image(2), image(1)], ""));
    let moved = list(in_pool(2), 0, "").await;
    assert_eq!((ids(&moved), moved.items[0].files[0].generation.0), (vec![image(4), image(3)], 2));
    for (query, want) in [
        ("bild 6", vec![image(6)]),
        ("BILD", (1..8).rev().map(image).collect()),
        (&image(2).to_string(), vec![image(2)]),
        (&image(2).to_string().to_uppercase(), vec![image(2)]),
        ("000000000005", vec![image(5)]),
        ("100%", vec![]),
    ] {
        let page = list(words(query), 0, "").await;
        assert_eq!((ids(&page), page.total), (want.clone(), Total::Exact(want.len() as u64)), "{query}");
    }
    let error =
        books.store.list_images(words("x"), PageAsk { size: 3, token: first.next_page_token }).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "a token of another list: {error}");
    let share: ShareToken = "000000000003".parse().unwrap();
    assert_eq!(books.store.image_by_share(&share).await.unwrap().id, image(3));
    assert!(books.store.get_image(image(99)).await.unwrap_err().to_string().starts_with("no image"));
}
