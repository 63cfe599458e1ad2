use super::super::drive::Drive;
use super::*;

/// Looks back so far that all requests count nearly alike, the later a little more.
fn long() -> Worth {
    Worth::new().half_life(1e6)
}

#[test]
fn what_costs_more_or_is_asked_for_more_stays() {
    let mut pool = Drive::new(long());
    pool.price(1, 100, 1).price(2, 10, 1).price(3, 45, 1);
    [1, 2, 3, 3].into_iter().for_each(|key| pool.ask(key));
    assert_eq!([pool.evict(), pool.evict(), pool.evict(), pool.evict()], [Some(2), Some(3), Some(1), None]);
}

#[test]
fn requests_count_less_as_others_follow() {
    // One known key: a half-life of 1; two: 2; three: 3.
    let asked_for = |keys: &[usize]| {
        let mut pool = Drive::new(Worth::new().half_life(1.0));
        keys.iter().for_each(|&key| pool.ask(key));
        pool.evict()
    };
    assert_eq!(asked_for(&[1, 1, 1, 1, 2]), Some(2), "30 against 22.6");
    assert_eq!(asked_for(&[1, 1, 1, 1, 3, 3, 2]), Some(1), "30 against 54.6 and 40.3");
}

#[test]
fn counts_that_grow_for_ever_stay_in_order() {
    // The unit doubles at each request, so it overflows a double every thousand requests if nothing is done.
    let mut pool = Drive::new(Worth::new().half_life(1e-9));
    for _ in 0..4000 {
        [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
    }
    assert_eq!([pool.evict(), pool.evict(), pool.evict()], [Some(1), Some(2), Some(3)]);
}

const LISTS: [&str; 4] = ["", "a b c d", "a b c e", "x y"];

fn names(key: &usize, each: &mut dyn FnMut(&str)) {
    LISTS[*key].split_whitespace().for_each(each);
}

#[test]
fn a_list_loses_what_a_newer_one_shares_with_it_until_it_is_asked_for_again() {
    let victim = |similar: f64, keys: &[usize]| {
        let policy = Worth::with_names(names).half_life(1e6).similar(similar);
        let mut pool = Drive::new(policy);
        keys.iter().for_each(|&key| pool.ask(key));
        pool.evict()
    };
    // 1 and 2 share three names of five: 1 keeps two fifths of its two requests, which is less than 3's one.
    assert_eq!(victim(0.5, &[1, 1, 3, 2]), Some(1));
    assert_eq!(victim(0.7, &[1, 1, 3, 2]), Some(3), "not alike enough");
    assert_eq!(victim(0.5, &[1, 1, 3, 2, 1]), Some(3), "asked for again: all three requests count");
    assert_eq!(victim(0.5, &[2, 1, 1, 2, 3]), Some(3), "only the first open of a list takes");
}

#[test]
fn a_leased_list_loses_worth_too() {
    let mut pool = Drive::new(Worth::with_names(names).half_life(1e6));
    pool.ask(1);
    let leased = pool.lease(1);
    pool.ask(3);
    pool.ask(2);
    pool.release(leased, 1);
    assert_eq!(pool.evict(), Some(1));
}

#[test]
fn the_second_idle_entry_of_a_key_is_worth_half() {
    let victims = |cost_of_other| {
        let mut pool = Drive::new(long());
        pool.price(1, 10, 1).price(2, cost_of_other, 1);
        pool.ask_twice_at_once(1);
        pool.ask(2);
        [pool.evict(), pool.evict(), pool.evict()]
    };
    // Two requests at 10: alone it is worth 20, the second of two 10.
    assert_eq!(victims(6), [Some(2), Some(1), Some(1)]);
    assert_eq!(victims(15), [Some(1), Some(2), Some(1)]);
    assert_eq!(victims(25), [Some(1), Some(1), Some(2)]);
}

#[test]
fn per_byte_what_is_heavy_has_to_be_dear() {
    let victim = |policy: Worth| {
        let mut pool = Drive::new(policy);
        pool.price(1, 10, 10).price(2, 5, 1);
        [1, 2].into_iter().for_each(|key| pool.ask(key));
        pool.evict()
    };
    assert_eq!((victim(long()), victim(long().per_byte())), (Some(2), Some(1)));
}

#[test]
#[should_panic = "the half-life must be a positive number"]
fn a_half_life_of_nothing_is_refused() {
    let _ = Worth::new().half_life(0.0);
}
