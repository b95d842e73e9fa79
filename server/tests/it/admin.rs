//! The Admin service as grpcurl sees it: each method, its refusals, who may.

use pixelfox_proto::v1::{self, admin_client::AdminClient};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::office::{FakeNode, Office, SECRET, TOKEN, Web, admins, with_bearer};

fn pool(name: &str, node: &str, path: &str) -> v1::Pool {
    v1::Pool {
        name: name.into(),
        node_id: node.into(),
        base_path: path.into(),
        upload_api_url: format!("http://{node}:4000/api/internal/upload"),
        public_base_url: "http://127.0.0.1:9".into(),
        is_active: true,
        priority: 10,
        storage_type: "local".into(),
        storage_tier: "hot".into(),
        ..v1::Pool::default()
    }
}

async fn create(
    client: &mut AdminClient<Channel>,
    pool: v1::Pool,
    save_anyway: bool,
) -> Result<tonic::Response<v1::Pool>, tonic::Status> {
    client.create_pool(admins(v1::CreatePoolRequest { pool: Some(pool), save_anyway })).await
}

#[tokio::test]
async fn only_the_admin_token_opens_the_service() {
    // None, a wrong one, and the nodes' secret are refused; so is everything where no token is set, but in this process.
    let office = Office::open().await;
    let mut client = office.admin().await;
    for request in [Request::new(v1::ListPoolsRequest {}), with_bearer(v1::ListPoolsRequest {}, SECRET)] {
        let refused = client.list_pools(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    }
    let refused = client.list_api_keys(Request::new(v1::ListApiKeysRequest {})).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "before it says what is not built");
    client.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap();
    office.close().await;

    let closed = Office::open_in(tempfile::tempdir().unwrap(), None, None).await;
    let refused = closed.admin().await.list_pools(with_bearer(v1::ListPoolsRequest {}, TOKEN)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(refused.message().contains("Set ADMIN_TOKEN"), "{refused}");
    let mut inside = AdminClient::new(closed.books.admin_in_process());
    inside.list_pools(Request::new(v1::ListPoolsRequest {})).await.unwrap();
    closed.close().await;
}

#[tokio::test]
async fn a_pool_is_made_shown_and_made_again_as_an_update() {
    // The second CreatePool with the same name, node and path changes it and says so in a trailer.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let mut client = office.admin().await;
    let web = Web::of("s01").await;
    let form = || v1::Pool { public_base_url: web.url.clone(), ..pool("archive", "s01", "/srv/archive") };
    let made = create(&mut client, form(), false).await.unwrap();
    assert!(made.metadata().get("x-pixelfox-updated").is_none());
    let made = made.into_inner();
    assert_eq!((made.name.as_str(), made.online, made.healthy), ("archive", true, false));
    assert_eq!(made.problem, "node s01 has not reported on it yet");
    s01.welcome_where(|welcome| welcome.pools.iter().any(|pool| pool.name == "archive")).await;

    let again = v1::Pool { priority: 3, ..form() };
    let updated = create(&mut client, again, false).await.unwrap();
    assert_eq!(updated.metadata().get("x-pixelfox-updated").unwrap(), "1");
    let updated = updated.into_inner();
    assert_eq!((updated.id, updated.priority), (made.id, 3));
    assert!(updated.revision > made.revision);

    let shown = client.get_pool(admins(v1::GetPoolRequest { id: made.id })).await.unwrap().into_inner();
    assert_eq!(shown, updated);
    let all = client.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools;
    assert_eq!(all.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn a_pool_that_cannot_work_is_refused_by_field() {
    // Errors are not saved over, doubts are.
    let office = Office::open().await;
    let _s01 = FakeNode::attach(&office, "s01").await;
    let mut client = office.admin().await;
    let good = || pool("more", "s01", "/srv/more");
    for (bad, want) in [
        (v1::Pool { name: String::new(), ..good() }, "name"),
        (v1::Pool { name: "img1".into(), ..good() }, "name"),
        (v1::Pool { node_id: "no node".into(), ..good() }, "node_id"),
        (v1::Pool { base_path: "srv/more".into(), ..good() }, "base_path"),
        (v1::Pool { base_path: "/srv/s01".into(), ..good() }, "base_path"),
        (
            v1::Pool { base_path: "/etc".into(), ..good() },
            "base_path: /etc is not under a storage root of node s01 (/srv)",
        ),
        (v1::Pool { upload_api_url: "s01:4000".into(), ..good() }, "upload_api_url"),
        (v1::Pool { public_base_url: "ftp://x".into(), ..good() }, "public_base_url"),
        (v1::Pool { storage_type: "s3".into(), ..good() }, "storage_type"),
        (v1::Pool { storage_tier: "lukewarm".into(), ..good() }, "storage_tier"),
    ] {
        let refused = create(&mut client, bad, true).await.unwrap_err();
        assert_ne!(refused.code(), Code::Internal, "{refused}");
        assert!(refused.message().contains(want), "{want}: {refused}");
    }
    assert!(client.create_pool(admins(v1::CreatePoolRequest::default())).await.unwrap_err().message().contains("pool"));
    let unseen = || pool("far", "s09", "/srv/far");
    let refused = create(&mut client, unseen(), false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("no node s09 has ever attached"), "{refused}");
    let saved = create(&mut client, unseen(), true).await.unwrap().into_inner();
    assert_eq!((saved.online, saved.problem.as_str()), (false, "node s09 is not attached"));
    let all = client.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools;
    assert_eq!(all.len(), 2);
    office.close().await;
}

#[tokio::test]
async fn a_mask_changes_only_its_fields_and_a_second_editor_sees_the_first() {
    // With the mask one field; without it the whole pool; with an old revision nothing.
    let office = Office::open().await;
    let mut s01 = FakeNode::attach(&office, "s01").await;
    let mut client = office.admin().await;
    let before = client.list_pools(admins(v1::ListPoolsRequest {})).await.unwrap().into_inner().pools.remove(0);
    let update = |pool: v1::Pool, paths: &[&str], expected_revision: u64| {
        let mask = prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
        admins(v1::UpdatePoolRequest {
            pool: Some(pool),
            expected_revision,
            save_anyway: false,
            update_mask: Some(mask),
        })
    };
    let only = v1::Pool { id: before.id, max_size: 5 << 30, ..v1::Pool::default() };
    let after = client.update_pool(update(only.clone(), &["max_size"], before.revision)).await.unwrap().into_inner();
    assert_eq!(after, v1::Pool { max_size: 5 << 30, revision: after.revision, ..before.clone() });
    s01.welcome_where(|welcome| welcome.pools[0].max_size == 5 << 30).await;

    let refused = client.update_pool(update(only.clone(), &["max_size"], before.revision)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let refused = client.update_pool(update(only, &["used_size"], 0)).await.unwrap_err();
    assert!(refused.message().contains("update_mask: `used_size`"), "{refused}");
    let pool = Some(v1::Pool { id: before.id, max_size: 5, ..v1::Pool::default() });
    let unmasked = admins(v1::UpdatePoolRequest { pool, ..v1::UpdatePoolRequest::default() });
    let refused = client.update_pool(unmasked).await.unwrap_err();
    assert!(refused.message().contains("pool.name: missing, and without update_mask every field"), "{refused}");
    let whole = v1::Pool { description: "old disks".into(), ..after };
    let whole = client.update_pool(update(whole, &[], 0)).await.unwrap().into_inner();
    assert_eq!((whole.description.as_str(), whole.max_size), ("old disks", 5 << 30));
    let unknown = v1::Pool { id: 99, ..whole };
    assert_eq!(client.update_pool(update(unknown, &[], 0)).await.unwrap_err().code(), Code::NotFound);
    office.close().await;
}

#[tokio::test]
async fn nodes_are_listed_also_when_they_are_away() {
    // Attached: since when, from where, with its clock and the room of its disks; away: since when, and how many jobs wait.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let s02 = FakeNode::attach(&office, "s02").await;
    let mut watcher = office.books.watch();
    let mut client = office.admin().await;
    let nodes = client.list_nodes(admins(v1::ListNodesRequest {})).await.unwrap().into_inner().nodes;
    assert_eq!(nodes.len(), 2);
    let node = &nodes[0];
    assert_eq!((node.node_id.as_str(), node.online, node.slots), ("s01", true, 4));
    assert!(node.address.starts_with("127.0.0.1:") && node.attached_since.is_some() && node.last_seen.is_some());
    assert_eq!(node.pool_ids, [s01.pool()]);
    assert_eq!((node.offline_since, node.jobs_waiting, node.clock_offset_seconds), (None, 0, None));
    let (seconds, beat) = (pixelfox_node::clock::unix_seconds() - 90, s01.well());
    let beat = v1::Heartbeat { now: Some(prost_types::Timestamp { seconds, nanos: 0 }), ..beat };
    s01.say(v1::node_event::Event::Heartbeat(beat)).await;
    let uploads = [office.upload(&s01, 1).await, office.upload(&s01, 2).await];
    let told = async {
        loop {
            let node = client.list_nodes(admins(v1::ListNodesRequest {})).await.unwrap().into_inner().nodes.remove(0);
            if let Some(offset) = node.clock_offset_seconds {
                return (offset.round(), node.filesystem_free, node.filesystem_total);
            }
        }
    };
    let (offset, free, total) = crate::office::within("the heartbeat", told).await;
    assert!((-92.0..=-89.0).contains(&offset), "{offset}");
    assert_eq!((free, total), (1 << 40, 2 << 40));
    drop(s01);
    while office.books.attached().len() > 1 {
        crate::office::within("the end of s01", watcher.next()).await;
    }
    office.move_to(&[&uploads[0], &uploads[1]], s02.pool()).await;
    let nodes = client.list_nodes(admins(v1::ListNodesRequest {})).await.unwrap().into_inner().nodes;
    assert_eq!((nodes[0].online, nodes[0].attached_since, nodes[1].online), (false, None, true));
    assert!(nodes[0].offline_since.is_some() && nodes[1].offline_since.is_none());
    assert_eq!((nodes[0].jobs_waiting, nodes[1].jobs_waiting), (2, 0));
    let overview = client.get_overview(admins(v1::GetOverviewRequest {})).await.unwrap().into_inner();
    assert_eq!((overview.nodes_online, overview.nodes_known, overview.images), (1, 2, 2));
    office.close().await;
}

#[tokio::test]
async fn images_are_paged_and_a_token_of_another_list_is_refused() {
    // Five images by pages of two; by name, share token and UUID; what no name can have is refused, an
    // unknown UUID is NOT_FOUND.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let mut uploads = Vec::new();
    for number in 1..=5 {
        uploads.push(office.upload(&s01, number).await);
    }
    let mut client = office.admin().await;
    let ask = |token: &str, query: &str| {
        let ask =
            v1::ListImagesRequest { page_size: 2, page_token: token.into(), query: query.into(), ..Default::default() };
        admins(ask)
    };
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = client.list_images(ask(&token, "")).await.unwrap().into_inner();
        assert_eq!(page.total, 5);
        seen.extend(page.images.into_iter().map(|image| image.uuid));
        if page.next_page_token.is_empty() {
            break;
        }
        let other = client.list_images(ask(&page.next_page_token, "picture")).await.unwrap_err();
        assert_eq!(other.code(), Code::InvalidArgument, "{other}");
        token = page.next_page_token;
    }
    let mut want: Vec<_> = uploads.iter().map(|upload| upload.uuid.clone()).collect();
    want.reverse();
    assert_eq!(seen, want);
    for query in ["picture 3", "share0000003", uploads[2].uuid.as_str()] {
        let page = client.list_images(ask("", query)).await.unwrap().into_inner();
        assert_eq!(page.images.iter().map(|image| &image.uuid).collect::<Vec<_>>(), [&uploads[2].uuid], "{query}");
    }
    for query in ["\0".to_owned(), "a\nb".to_owned(), "a".repeat(60_000)] {
        let refused = client.list_images(ask("", &query)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let get = |uuid: &str| admins(v1::GetImageRequest { uuid: uuid.into() });
    let image = client.get_image(get(&uploads[2].uuid)).await.unwrap().into_inner();
    assert_eq!((image.original_name.as_str(), image.size, image.width), ("picture 3.png", 1000, 3));
    assert_eq!((image.files[0].state.as_str(), image.files[0].generation), ("live", 1));
    assert_eq!(image.url, format!("http://s01.local:8080/uploads/{}", uploads[2].path));
    assert_eq!(client.get_image(get("7")).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(client.get_image(get(&seen[0].replace('8', "9"))).await.unwrap_err().code(), Code::NotFound);
    office.close().await;
}

#[tokio::test]
async fn a_plan_is_said_before_it_is_made_and_made_once() {
    // A dry run writes nothing; the same request id answers the same; images that stay are named with the reason.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let upload = office.upload(&s01, 1).await;
    let mut client = office.admin().await;
    let target = create(&mut client, pool("far", "s09", "/srv/far"), true).await.unwrap().into_inner().id;
    let ask = |dry_run: bool, target_pool_id: u64, request_id: &str| {
        let uuids = vec![upload.uuid.clone()];
        admins(v1::MoveImagesRequest { uuids, target_pool_id, dry_run, request_id: request_id.into() })
    };
    let plan = client.move_images(ask(true, target, "")).await.unwrap().into_inner();
    assert_eq!((plan.job_id, plan.images, plan.files, plan.bytes), (0, 1, 1, 1000));
    let none = client.list_jobs(admins(v1::ListJobsRequest::default())).await.unwrap().into_inner();
    assert_eq!(none.total, 0);

    let first = client.move_images(ask(false, target, "evening")).await.unwrap().into_inner();
    let second = client.move_images(ask(false, target, "evening")).await.unwrap().into_inner();
    assert_eq!(first, second);
    let job = office.only_child(&first).await;
    assert_eq!((job.state.as_str(), job.waiting_for.as_str()), ("pending", "node s09 is not attached"));
    assert_eq!((job.node_id.as_str(), job.max_attempts), ("s01", 12));

    let busy = client.move_images(ask(false, target, "")).await.unwrap().into_inner();
    assert_eq!((busy.images, busy.skipped_total, busy.job_id), (0, 1, 0));
    assert!(busy.skipped[0].contains(&upload.uuid), "{:?}", busy.skipped);
    let home = client.move_images(ask(true, s01.pool(), "")).await.unwrap().into_inner();
    assert_eq!((home.images, home.skipped_total), (0, 1));
    let nowhere = client.move_images(ask(false, 99, "")).await.unwrap_err();
    assert!(nowhere.message().contains("99"), "{nowhere}");
    office.close().await;
}

#[tokio::test]
async fn jobs_are_listed_by_state_kind_node_and_parent() {
    // Three moves of one batch; filters, pages, refusals.
    let office = Office::open().await;
    let s01 = FakeNode::attach(&office, "s01").await;
    let mut client = office.admin().await;
    let target = create(&mut client, pool("far", "s09", "/srv/far"), true).await.unwrap().into_inner().id;
    let mut uploads = Vec::new();
    for number in 1..=3 {
        uploads.push(office.upload(&s01, number).await);
    }
    let batch = office.move_to(&uploads.iter().collect::<Vec<_>>(), target).await;
    let list = |ask: v1::ListJobsRequest| {
        let mut client = client.clone();
        async move { client.list_jobs(admins(ask)).await.map(tonic::Response::into_inner) }
    };
    let by = v1::ListJobsRequest::default;
    for (ask, want) in [
        (v1::ListJobsRequest { parent_id: batch.job_id, ..by() }, 3),
        (v1::ListJobsRequest { kind: "move_image".into(), state: "pending".into(), node_id: "s01".into(), ..by() }, 3),
        (v1::ListJobsRequest { kind: "move_images".into(), ..by() }, 1),
        (v1::ListJobsRequest { state: "failed".into(), ..by() }, 0),
        (v1::ListJobsRequest { node_id: "s02".into(), ..by() }, 0),
    ] {
        let page = list(ask.clone()).await.unwrap();
        assert_eq!((page.total, page.jobs.len()), (want, usize::try_from(want).unwrap()), "{ask:?}");
    }
    let page = list(v1::ListJobsRequest { page_size: 2, parent_id: batch.job_id, ..by() }).await.unwrap();
    assert_eq!(page.jobs.len(), 2);
    for (bad, want) in [
        (v1::ListJobsRequest { state: "waiting".into(), ..by() }, "state: `waiting` is none of pending"),
        (v1::ListJobsRequest { kind: "move".into(), ..by() }, "kind: `move` is none of"),
        (v1::ListJobsRequest { page_token: page.next_page_token, ..by() }, "another list"),
    ] {
        let refused = list(bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(want), "{refused}");
    }
    let missing = client.clone().get_job(admins(v1::GetJobRequest { id: 999 })).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    office.close().await;
}

#[tokio::test]
async fn settings_change_by_field_and_stay_within_their_limits() {
    // Absent fields stay; what is not built and what can't work is refused, and nothing changes then.
    let office = Office::open().await;
    let mut client = office.admin().await;
    let before = client.get_settings(admins(v1::GetSettingsRequest {})).await.unwrap().into_inner();
    assert_eq!((before.upload_max_bytes, before.move_slots_per_node), (Some(512 << 20), Some(4)));
    assert_eq!((before.variants_webp, before.trash_hours), (None, Some(24)));
    let change = |settings: v1::Settings| admins(v1::UpdateSettingsRequest { settings: Some(settings) });
    let after = client
        .update_settings(change(v1::Settings { trash_hours: Some(0), ..Default::default() }))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(after, v1::Settings { trash_hours: Some(0), ..before });
    for (reserve, automatic) in [(Some(5 << 30), None), (None, Some(true))] {
        let asked = v1::Settings { reserve_bytes: reserve, reserve_automatic: automatic, ..Default::default() };
        client.update_settings(change(asked)).await.unwrap();
        let now = client.get_settings(admins(v1::GetSettingsRequest {})).await.unwrap().into_inner();
        assert_eq!((now.reserve_bytes, now.reserve_automatic), (reserve, Some(automatic.is_some())));
    }
    for (bad, want) in [
        (v1::Settings { reserve_bytes: Some(1), reserve_automatic: Some(true), ..Default::default() }, "reserve_bytes"),
        (v1::Settings { variants_webp: Some(true), ..Default::default() }, "variants_"),
        (v1::Settings { move_slots_per_node: Some(0), ..Default::default() }, "move_slots_per_node"),
        (v1::Settings { upload_max_bytes: Some(0), ..Default::default() }, "upload_max_bytes"),
    ] {
        let refused = client.update_settings(change(bad)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().contains(want), "{refused}");
    }
    let none = client.update_settings(admins(v1::UpdateSettingsRequest { settings: None })).await.unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument);
    let now = client.get_settings(admins(v1::GetSettingsRequest {})).await.unwrap().into_inner();
    assert_eq!(now, after);
    office.close().await;
}
