//! Against a naive model, which keeps a list of all numbers.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn header(number: usize) -> Header {
    Header::Words(vec![format!("import H{number}")])
}

#[test]
fn numbers_go_on_over_children_and_end_with_theirs() {
    let mut routes = Routes::new();
    let a = routes.forked(header(0));
    let b = routes.forked(header(1));
    routes.answered(a, [1, 2], 100).unwrap();
    routes.answered(b, [2, 2], 100).unwrap();
    routes.answered(a, [2, 5], 100).unwrap();
    assert_eq!(routes.route(Needs::Env(0), None), Route::Child(a));
    assert_eq!(routes.route(Needs::Env(1), None), Route::Child(b));
    assert_eq!(routes.route(Needs::Proof(4), None), Route::Child(a));
    let refused = |words: &str| Route::Refused(words.to_owned());
    assert_eq!(routes.route(Needs::Env(2), None), refused("Unknown environment."));
    assert_eq!(routes.route(Needs::Proof(u64::MAX), None), refused("Unknown proof state."));

    assert_eq!(routes.ended(a, "it was killed"), Lost { envs: vec![(0, 0)], proofs: vec![(0, 4)] });
    assert_eq!(
        routes.route(Needs::Env(0), None),
        refused("Unknown environment. It is gone, as it was killed")
    );
    assert_eq!(routes.route(Needs::Env(1), None), Route::Child(b));
    assert_eq!(routes.child_behind(&header(0)), None);
    assert_eq!(routes.next(), [2, 5], "no number is given out twice");
}

#[test]
fn who_claims_numbers_that_no_request_leads_to_is_not_believed() {
    let mut routes = Routes::new();
    let a = routes.forked(header(0));
    routes.answered(a, [1, 3], 3).unwrap();
    for next in [[0, 3], [1, 2], [3, 3], [1, 7], [u64::MAX, 3], [1, u64::MAX]] {
        assert_eq!(routes.answered(a, next, 3), Err(Impossible), "{next:?}");
    }
    assert_eq!(routes.next(), [1, 3]);
}

#[test]
fn request_without_a_header_goes_where_the_last_one_was_answered() {
    let mut routes = Routes::new();
    assert_eq!(routes.route(Needs::Nothing, None), Route::Header(Header::Words(Vec::new())));
    let (a, b) = (routes.forked(header(0)), routes.forked(header(1)));
    routes.answered(a, [1, 0], 0).unwrap();
    assert_eq!(routes.route(Needs::Nothing, None), Route::Header(header(0)));
    routes.answered(b, [2, 0], 0).unwrap();
    assert_eq!(routes.route(Needs::Nothing, None), Route::Header(header(1)));
    assert_eq!(routes.route(Needs::Nothing, Some(header(0))), Route::Header(header(0)));
}

/// All numbers, one by one, with the child that gave each out, if it is alive.
#[derive(Default)]
struct Naive {
    envs: Vec<Option<usize>>,
    proofs: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
enum Event {
    /// Something is asked of the child in this place, and makes a command state (or none) and so many proof states.
    Asked {
        child: usize,
        makes_env: bool,
        proofs: u64,
    },
    Ends {
        child: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..4_usize, any::<bool>(), 0..4_u64)
            .prop_map(|(child, makes_env, proofs)| Event::Asked { child, makes_env, proofs }),
        1 => (0..4_usize).prop_map(|child| Event::Ends { child }),
    ]
}

proptest! {
    /// Four headers, each with its youngest child; every number is looked up after every event.
    #[test]
    fn routes_are_those_of_a_list_of_all_numbers(events in vec(event(), 0..60)) {
        let (mut routes, mut naive) = (Routes::new(), Naive::default());
        // The children of the model have numbers of their own.
        let mut young: Vec<Option<(usize, ChildId)>> = vec![None; 4];
        let (mut born, mut ids) = (0, Vec::new());
        for event in events {
            match event {
                Event::Asked { child: place, makes_env, proofs } => {
                    let (child, id) = *young[place].get_or_insert_with(|| {
                        let id = routes.forked(header(place));
                        ids.push(id);
                        born += 1;
                        (born - 1, id)
                    });
                    prop_assert_eq!(routes.child_behind(&header(place)), Some(id));
                    let [env, proof] = routes.next();
                    routes.answered(id, [env + u64::from(makes_env), proof + proofs], 4).unwrap();
                    naive.envs.extend(makes_env.then_some(Some(child)));
                    naive.proofs.extend((0..proofs).map(|_| Some(child)));
                }
                Event::Ends { child: place } => {
                    let Some((child, id)) = young[place].take() else { continue };
                    let lost = routes.ended(id, "so");
                    for (all, rows) in [(&mut naive.envs, lost.envs), (&mut naive.proofs, lost.proofs)] {
                        let mut of_child = Vec::new();
                        for (number, owner) in all.iter_mut().enumerate() {
                            if *owner == Some(child) {
                                *owner = None;
                                of_child.push(number as u64);
                            }
                        }
                        prop_assert_eq!(rows.into_iter().flat_map(|(first, last)| first..=last).collect::<Vec<_>>(), of_child);
                    }
                }
            }
            // As one REPL counts.
            prop_assert_eq!(routes.next(), [naive.envs.len() as u64, naive.proofs.len() as u64]);
            let all = [(&naive.envs, Needs::Env as fn(u64) -> Needs), (&naive.proofs, Needs::Proof)];
            for (owners, needs) in all {
                for number in 0..owners.len() as u64 + 2 {
                    let route = routes.route(needs(number), None);
                    match owners.get(usize::try_from(number).unwrap()) {
                        Some(Some(child)) => prop_assert_eq!(route, Route::Child(ids[*child])),
                        Some(None) => prop_assert!(matches!(&route, Route::Refused(words) if words.contains("gone, as so"))),
                        None => prop_assert!(matches!(&route, Route::Refused(words) if words.ends_with('.'))),
                    }
                }
            }
        }
    }
}
