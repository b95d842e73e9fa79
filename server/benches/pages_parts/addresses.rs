//! Every page of an operator, with other filters each time.

use super::POOLS;

/// An address for each time.
pub(crate) type Address = fn(time: i64, count: i64) -> String;

/// The pages, and what is asked of each.
pub(crate) const ADDRESSES: &[(&str, Address)] = &[
    ("dashboard", |_, _| "/admin".into()),
    ("images, newest", |_, _| "/admin/images".into()),
    ("images of a pool", |time, _| format!("/admin/images?pool={}", 1 + time % POOLS)),
    ("images of a node, largest", |time, _| format!("/admin/images?node=s{:02}&order=largest", 1 + time % POOLS)),
    ("images of the largest pool, smallest first", |_, _| "/admin/images?pool=1&order=smallest".into()),
    ("images by name", |_, _| "/admin/images?order=name&view=table".into()),
    ("images, a word that many have", |time, _| {
        format!("/admin/images?q={}", ["ferien", "img", "1", "meer"][usize::try_from(time.rem_euclid(4)).unwrap_or(0)])
    }),
    ("images, a word that one has", |time, count| format!("/admin/images?q=nr{}.", 1 + time * 7919 % count)),
    ("images, a word that none has", |_, _| "/admin/images?q=nirgends".into()),
    ("images, a word that none has, by size", |_, _| "/admin/images?q=nirgends&order=largest".into()),
    ("images, a word that none of a pool has", |time, _| format!("/admin/images?q=nirgends&pool={}", 1 + time % POOLS)),
    ("images by size and time", |time, _| {
        format!("/admin/images?size_from={}&size_to={}&day_from=2026-08-01&order=oldest", time % 7, time % 7 + 1)
    }),
    ("images, a UUID", |time, count| format!("/admin/images?q={}", uuid(1 + time * 7919 % count))),
    ("images, missing", |_, _| "/admin/images?state=lost".into()),
    ("an image", |time, count| format!("/admin/images/{}", uuid(1 + time * 7919 % count))),
    ("queue", |_, _| "/admin/queues".into()),
    ("queue, waiting", |_, _| "/admin/queues?state=pending".into()),
    ("queue, failed on a node", |time, _| format!("/admin/queues?state=failed&node=s{:02}", 1 + time % POOLS)),
    ("queue, completed on a node to a pool", |time, _| {
        format!("/admin/queues?state=completed&node=s{:02}&pool={}", 1 + time % POOLS, 1 + time * 3 % POOLS)
    }),
    ("queue, cancelled of a parent", |time, _| format!("/admin/queues?state=cancelled&parent={}", 1 + time % 10)),
    ("queue, what is not there", |_, _| "/admin/queues?state=completed&kind=verify".into()),
    ("a parent of many", |time, _| format!("/admin/queues/{}", 1 + time % 10)),
    ("storage", |_, _| "/admin/storage".into()),
    ("nodes", |_, _| "/admin/nodes".into()),
    ("pool form", |time, _| format!("/admin/storage/{}", 1 + time % POOLS)),
    ("pool form, new", |_, _| "/admin/storage/new".into()),
    ("move to pool", |time, _| format!("/admin/storage/{}/move", 1 + time % POOLS)),
    ("move to pool, preview of the largest", |time, _| {
        format!("/admin/storage/1/move?target={}&which=all", 2 + time % (POOLS - 1))
    }),
    ("move to pool, preview of the first 1,000", |time, _| {
        let pool = 1 + time % (POOLS - 1);
        format!("/admin/storage/{pool}/move?target={}&which=first&limit=1000", pool + 1)
    }),
    ("delete a pool?", |time, _| format!("/admin/storage/{}/delete", 1 + time % POOLS)),
    ("a job", |time, count| format!("/admin/queues/{}", 11 + time * 7919 % count)),
    ("settings", |_, _| "/admin/settings".into()),
    ("audit", |_, _| "/admin/audit".into()),
    ("audit of a person", |time, _| format!("/admin/audit?actor=person{}", time % 20)),
    ("audit of an action by a person", |time, _| format!("/admin/audit?actor=person{}&action=move_images", time % 20)),
    ("audit, what nobody did", |_, _| "/admin/audit?actor=person3&action=delete_images&subject=41".into()),
    ("diagnose", |_, _| "/admin/diagnose".into()),
];

pub(crate) fn uuid(number: i64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}
