//! Any orders in any order against a model that is a map: what was acknowledged is there, bytes under a path on record
//! never change, generations never fall, and nothing comes back that was deleted.

use std::collections::BTreeMap;

use pixelfox_node::disk::{Check, Purged, Restored, Trashed};
use pixelfox_node::receive::LandingError;
use pixelfox_proto::Generation;
use proptest::prelude::*;

use crate::disk_ground::{Ground, attempt, path, removal};
use crate::disk_pools::until;

#[derive(Clone, Debug)]
enum Order {
    Hand { at: u8, bytes: u8 },
    Move { at: u8, bytes: u8, generation: u64 },
    Trash { at: u8, generation: u64 },
    Purge { at: u8, generation: u64 },
    Restore { at: u8, from: u64, to: u64 },
    Restart,
}

fn orders() -> impl Strategy<Value = Vec<Order>> {
    let (at, bytes, generation) = (0u8..2, 0u8..2, 1u64..6);
    let one = prop_oneof![
        2 => (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Order::Hand { at, bytes }),
        6 => (at.clone(), bytes, generation.clone())
            .prop_map(|(at, bytes, generation)| Order::Move { at, bytes, generation }),
        4 => (at.clone(), generation.clone()).prop_map(|(at, generation)| Order::Trash { at, generation }),
        2 => (at.clone(), 0u64..6).prop_map(|(at, generation)| Order::Purge { at, generation }),
        3 => (at, generation.clone(), generation).prop_map(|(at, from, to)| Order::Restore { at, from, to }),
        1 => Just(Order::Restart),
    ];
    proptest::collection::vec(one, 1..16)
}

fn name(at: u8) -> String {
    format!("original/{at}/file")
}

fn content(bytes: u8) -> Vec<u8> {
    vec![bytes; 100]
}

/// What should be there: under the names, in the trash, and which generations were deleted in this process.
#[derive(Default)]
struct Model {
    named: BTreeMap<u8, (u8, u64)>,
    trash: BTreeMap<(u8, u64), u8>,
    deleted: BTreeMap<u8, u64>,
    lease: u64,
}

impl Model {
    async fn hand(&mut self, ground: &Ground, at: u8, bytes: u8) {
        let outcome = ground.put(&name(at), &content(bytes)).await;
        match self.named.get(&at).copied() {
            None => {
                assert!(!outcome.unwrap().skipped);
                self.named.insert(at, (bytes, 0));
            }
            Some((there, _)) if there == bytes => assert!(outcome.unwrap().skipped),
            Some((_, 0)) => {
                outcome.unwrap();
                self.named.insert(at, (bytes, 0));
            }
            Some(_) => assert!(matches!(outcome, Err(LandingError::Conflict(_)))),
        }
    }

    async fn moved(&mut self, ground: &Ground, at: u8, bytes: u8, generation: u64) {
        self.lease += 1;
        let outcome = ground.moved(&name(at), &content(bytes), attempt(10 + self.lease, generation)).await;
        let fenced = self.deleted.get(&at).is_some_and(|deleted| generation <= *deleted);
        match self.named.get(&at).copied() {
            _ if fenced => assert!(matches!(outcome, Err(LandingError::Stale(_)))),
            Some((_, has)) if generation <= has => assert!(matches!(outcome, Err(LandingError::Stale(_)))),
            Some((there, has)) if there != bytes && has > 0 => {
                assert!(matches!(outcome, Err(LandingError::Conflict(_))));
            }
            there => {
                let skipped = there.is_some_and(|(there, _)| there == bytes);
                assert_eq!(outcome.unwrap().skipped, skipped);
                self.named.insert(at, (bytes, generation));
            }
        }
    }

    async fn trashed(&mut self, ground: &Ground, at: u8, generation: u64) {
        let outcome = ground.pool().trash(removal(&name(at), generation)).await.unwrap();
        let deleted = self.deleted.entry(at).or_default();
        *deleted = generation.max(*deleted);
        match self.named.get(&at).copied() {
            Some((bytes, has)) if has == generation => {
                assert!(matches!(outcome, Trashed::Trashed { .. }));
                self.named.remove(&at);
                self.trash.insert((at, generation), bytes);
            }
            Some((_, has)) => assert_eq!(outcome, Trashed::Stale(Generation(has))),
            None => assert_eq!(outcome == Trashed::Missing, !self.trash.contains_key(&(at, generation))),
        }
    }

    async fn purged(&mut self, ground: &Ground, at: u8, generation: u64) {
        let outcome = ground.pool().purge(removal(&name(at), generation)).await.unwrap();
        match self.trash.remove(&(at, generation)) {
            Some(_) => assert_eq!(outcome, Purged::Purged { size: 100 }),
            None if generation == 0 => assert_eq!(outcome, Purged::Stale(Generation(0))),
            None => assert_eq!(outcome, Purged::Missing),
        }
    }

    async fn restored(&mut self, ground: &Ground, at: u8, from: u64, to: u64) {
        if to <= from {
            return;
        }
        let generations = (Generation(from), Generation(to));
        let outcome = ground.pool().restore(&path(&name(at)), generations, Check::Bytes).await.unwrap();
        let deleted = self.deleted.get(&at).copied().filter(|deleted| *deleted >= to);
        match (self.named.get(&at).copied(), self.trash.get(&(at, from)).copied()) {
            _ if deleted.is_some() => assert_eq!(outcome, Restored::Stale(Generation(deleted.unwrap()))),
            (None, None) => assert_eq!(outcome, Restored::Missing),
            (None, Some(bytes)) => {
                assert!(matches!(outcome, Restored::Restored(_)), "{outcome:?}");
                self.trash.remove(&(at, from));
                self.named.insert(at, (bytes, to));
            }
            (Some((_, has)), _) if has > to => assert_eq!(outcome, Restored::Stale(Generation(has))),
            (Some((there, _)), Some(bytes)) if there != bytes => assert_eq!(outcome, Restored::Conflict),
            (Some((there, _)), _) => {
                assert!(matches!(outcome, Restored::Restored(_)), "{outcome:?}");
                self.named.insert(at, (there, to));
            }
        }
    }

    async fn restart(&mut self, ground: &Ground) {
        ground.welcome(Vec::new()).await;
        let mut told = ground.told(1);
        told.initialize = false;
        until(ground, vec![told], |report| report.healthy).await;
        self.deleted.clear();
    }

    fn check(&self, ground: &Ground) {
        for at in 0..2 {
            let named = self.named.get(&at);
            assert_eq!(ground.read(&name(at)), named.map(|(bytes, _)| content(*bytes)));
            assert_eq!(ground.generation(&name(at)), named.map(|(_, generation)| *generation));
            for generation in 1..6 {
                let there = ground.read(&format!(".pixelfox/trash/{generation}/{}", name(at)));
                assert_eq!(there, self.trash.get(&(at, generation)).map(|bytes| content(*bytes)), "{generation}");
            }
        }
        assert!(ground.names(".pixelfox/incoming").is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_orders_in_any_order_keep_the_rules(orders in orders()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ground = Ground::new().await;
            let mut model = Model::default();
            for order in orders {
                match order {
                    Order::Hand { at, bytes } => model.hand(&ground, at, bytes).await,
                    Order::Move { at, bytes, generation } => model.moved(&ground, at, bytes, generation).await,
                    Order::Trash { at, generation } => model.trashed(&ground, at, generation).await,
                    Order::Purge { at, generation } => model.purged(&ground, at, generation).await,
                    Order::Restore { at, from, to } => model.restored(&ground, at, from, to).await,
                    Order::Restart => model.restart(&ground).await,
                }
                model.check(&ground);
            }
        });
    }
}
