//! The table of stamps against a simple model: what was stored when, and what was purged since.
//!
//! Beside it and not in it: the models under `tests/` build its files over other locks.

use crate::stamp::{
    NEWEST_BAN, Named, Order, Pattern, Pushed, Scope, Stamp, Subject, Table, Verdict,
};
use proptest::prelude::*;

const CELLS: usize = 64;

/// Named by a number; scopes are one cell each, so that nothing is covered by chance.
struct Stored {
    stamp: Stamp,
    scopes: Vec<Scope>,
    uri: String,
    hard: bool,
    soft: bool,
}

impl Named for Stored {
    fn uri(&self) -> Option<&str> {
        Some(&self.uri)
    }

    fn name(&self) -> String {
        self.uri.clone()
    }
}

impl Stored {
    fn subject(&self) -> Subject<'_> {
        Subject {
            stamp: self.stamp,
            scopes: &self.scopes,
            named: self,
        }
    }

    fn expected(&self) -> &'static str {
        match (self.hard, self.soft) {
            (true, _) => "purged",
            (false, true) => "stale",
            (false, false) => "valid",
        }
    }
}

fn named(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Stale(_) => "stale",
        Verdict::Purged => "purged",
    }
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Fill(u32),
    /// Begun before a purge that comes next, and stored after it.
    LateFill(u32, u32),
    Purge {
        scope: Option<u32>,
        soft: bool,
    },
    Pattern {
        prefix: u32,
        soft: bool,
    },
    /// The record is lost: one is made anew, past all that was seen.
    Recreate,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..4u32).prop_map(Op::Fill),
        2 => (0..4u32, 0..4u32).prop_map(|(a, b)| Op::LateFill(a, b)),
        3 => (proptest::option::of(0..4u32), any::<bool>())
            .prop_map(|(scope, soft)| Op::Purge { scope, soft }),
        1 => (0..4u32, any::<bool>()).prop_map(|(prefix, soft)| Op::Pattern { prefix, soft }),
        1 => Just(Op::Recreate),
    ]
}

fn fill(n: u32, stamp: Stamp) -> Stored {
    Stored {
        stamp,
        scopes: vec![Scope::Named(n)],
        uri: format!("h/{n}/"),
        hard: false,
        soft: false,
    }
}

/// What the record in Redis does, with a mirror that hears of it.
struct Model {
    record: Table,
    mirror: Table,
    stored: Vec<Stored>,
}

impl Model {
    fn purge(&mut self, order: &Order) {
        let previous = self.record.clock();
        let at = self.record.purge(order, Stamp(0));
        let pushed = Pushed::of(previous, at, order, CELLS);
        assert!(self.mirror.apply(&pushed), "heard in order");
        for stored in &mut self.stored {
            if order.covers(stored.subject()) {
                *(if order.soft {
                    &mut stored.soft
                } else {
                    &mut stored.hard
                }) = true;
            }
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Fill(n) => self.stored.push(fill(n, self.record.clock())),
            Op::LateFill(n, purged) => {
                let mut late = fill(n, self.record.clock());
                self.purge(&Scope::Named(purged).into());
                late.hard = n == purged;
                self.stored.push(late);
            }
            Op::Purge { scope, soft } => {
                let scope = scope.map_or(Scope::Everything, Scope::Named);
                self.purge(&Order {
                    soft,
                    ..scope.into()
                });
            }
            Op::Pattern { prefix, soft } => {
                let pattern = Pattern::Uris(format!("/{prefix}/").into());
                self.purge(&Order {
                    soft,
                    ..pattern.into()
                });
            }
            Op::Recreate => {
                let n = Stamp(self.record.clock().0 + 1);
                let all = Order::from(Scope::Everything);
                self.record = Table::new(CELLS);
                self.record.learn(&all, n);
                self.mirror = Table::new(CELLS);
                self.mirror.learn(&all, n);
                self.stored.iter_mut().for_each(|stored| stored.hard = true);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_table_and_its_mirror_say_what_was_purged(ops in proptest::collection::vec(op(), 0..80)) {
        let mut model = Model {
            record: Table::new(CELLS),
            mirror: Table::new(CELLS),
            stored: Vec::new(),
        };
        for op in ops {
            model.step(op);
            for stored in &model.stored {
                for table in [&model.record, &model.mirror] {
                    let verdict = named(table.judge(stored.subject()));
                    prop_assert_eq!(verdict, stored.expected());
                }
            }
        }
    }

    #[test]
    fn a_mirror_that_missed_a_purge_knows_that(missed in 1..4usize) {
        let (record, mirror) = (Table::new(CELLS), Table::new(CELLS));
        let order = Order::from(Scope::Named(1));
        let mut pushed = Vec::new();
        for _ in 0..=missed {
            let previous = record.clock();
            pushed.push(Pushed::of(previous, record.purge(&order, Stamp(0)), &order, CELLS));
        }
        let before = mirror.clock();
        prop_assert!(!mirror.apply(&pushed[missed]));
        prop_assert_eq!(mirror.clock(), before, "it does not say that it is whole");
    }
}

#[test]
fn more_patterns_than_are_kept_purge_what_is_older_than_the_oldest() {
    let table = Table::new(CELLS);
    let old = fill(1, table.clock());
    for n in 0..200 {
        let pattern = Pattern::Uris(format!("/none/{n}").into());
        table.purge(&pattern.into(), Stamp(0));
    }
    let new = fill(1, table.clock());
    assert_eq!(table.judge(old.subject()), Verdict::Purged);
    assert_eq!(table.judge(new.subject()), Verdict::Valid);
}

#[test]
fn a_record_whose_list_of_patterns_is_lost_purges_what_that_may_have_covered() {
    let table = Table::new(CELLS);
    let old = fill(1, table.clock());
    let banned = table.purge(&Pattern::Uris("/none".into()).into(), Stamp(0));
    let wire: Vec<u8> = (0..2 * CELLS)
        .flat_map(|cell| match cell {
            0 | NEWEST_BAN => banned.0.to_be_bytes(),
            _ => [0; 8],
        })
        .collect();
    let read = Table::read(&wire, CELLS, Vec::new()).expect("a record");
    assert_eq!(read.judge(old.subject()), Verdict::Purged);
    assert!(Table::read(&wire[8..], CELLS, Vec::new()).is_none());
}
