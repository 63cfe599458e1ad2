use super::super::drive::Drive;
use super::super::pages::LOOKS;
use super::*;
use crate::id::Id as _;

fn names(key: &usize, each: &mut dyn FnMut(&str)) {
    const LISTS: [&str; 6] = ["", "Init x", "Init a b c", "Init y", "Init a b d", "Init z"];
    LISTS.get(*key).unwrap_or(&"").split_whitespace().for_each(each);
}

#[test]
fn of_alike_keys_the_one_not_asked_for_for_longest_goes() {
    let mut pool = Drive::new(Recall::new());
    [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
    assert_eq!((pool.evict(), pool.evict(), pool.evict(), pool.evict()), (Some(1), Some(2), Some(3), None));
}

#[test]
fn what_is_cheap_goes_before_what_is_dear() {
    let mut pool = Drive::new(Recall::new());
    pool.price(1, 900, 1).price(2, 100, 1).price(3, 800, 1);
    [1, 2, 3].into_iter().for_each(|key| pool.ask(key));
    assert_eq!(pool.evict(), Some(2));
}

#[test]
fn by_the_byte_what_is_heavy_has_to_be_dear() {
    let victim = |policy: Recall| {
        let mut pool = Drive::new(policy);
        pool.price(1, 900, 50).price(2, 50, 1);
        [1, 2].into_iter().for_each(|key| pool.ask(key));
        pool.evict()
    };
    assert_eq!((victim(Recall::new()), victim(Recall::new().per_byte())), (Some(2), Some(1)));
}

#[test]
fn what_was_edited_goes_first_and_its_edit_stays() {
    let mut pool = Drive::new(Recall::with_names(names));
    [1, 2, 3, 4].into_iter().for_each(|key| pool.ask(key));
    assert_eq!(pool.evict(), Some(2), "although 1 is older");
    let mut pool = Drive::new(Recall::with_names(names));
    [1, 2, 3, 4, 2].into_iter().for_each(|key| pool.ask(key));
    assert_eq!(pool.evict(), Some(1), "asked for again, 2 is worth what it was");
}

#[test]
fn a_list_that_is_opened_again_is_known_by_its_names() {
    // 2 goes, and no simulation holds it when it comes back; then 4 is a new edit of it.
    let mut pool = Drive::new(Recall::with_names(names));
    pool.bounds(2);
    [2, 11, 12, 13, 14, 15].into_iter().for_each(|key| {
        pool.ask(key);
        while pool.idle() > 2 {
            pool.evict();
        }
    });
    [2, 3, 4].into_iter().for_each(|key| pool.ask(key));
    let gone: Vec<_> = (0..3).map(|_| pool.evict()).collect();
    assert!(gone.contains(&Some(2)), "{gone:?}");
    assert!(!gone.contains(&Some(4)), "{gone:?}");
}

#[test]
fn what_followed_before_is_expected_again() {
    let mut pool = Drive::new(Recall::new());
    (1..=20).for_each(|key| pool.ask(key));
    pool.ask(1);
    // 2 to 9 came after 1; 10 is the oldest of the others.
    assert_eq!(pool.evict(), Some(10));
}

#[test]
fn the_half_life_that_was_charged_least_decides() {
    // A loop over one key more than there is room for: only what remembers long keeps some of them.
    let misses = |half_lives: usize, longest: f64| {
        let settings = Settings { half_lives, longest, ..Settings::default() };
        let mut pool = Drive::new(Recall::new().settings(settings));
        pool.bounds(8);
        let mut misses = 0;
        for at in 0..4000 {
            let key = if at % 3 == 0 { at % 5 } else { 100 + at };
            misses += usize::from(!pool.is_idle(key));
            pool.ask(key);
            while pool.idle() > 8 {
                pool.evict();
            }
        }
        misses
    };
    let (short, all) = (misses(1, 0.25), misses(5, 64.0));
    assert!(all < short, "{all} of all five, {short} of the shortest alone");
}

#[test]
fn counting_goes_on_in_other_units() {
    let mut pool = Drive::new(Recall::new());
    pool.bounds(1);
    (0..3000).for_each(|_| pool.ask(1));
    pool.ask(2);
    assert_eq!(pool.evict(), Some(2));
    assert_eq!(pool.evict(), Some(1));
}

#[test]
fn hooks_may_be_repeated_and_missed() {
    let mut policy = Recall::new();
    let policy: &mut dyn Eviction<usize> = &mut policy;
    let (entry, key, now) = (EntryId::from_index(3), KeyId::from_index(5), Now::default());
    policy.on_remove(entry, key, Removal::Unfit);
    policy.on_acquire(entry, key, now);
    let returned = Returned { idle_of_key: 1, weight: 1 };
    (0..2).for_each(|_| policy.on_release(entry, key, &returned, now));
    policy.on_forget(key);
    policy.on_key(key, &1);
    assert_eq!(policy.victim(None, now), Some(Victim::OldestOf(key)));
    (0..2).for_each(|_| policy.on_remove(entry, key, Removal::Evicted));
    assert_eq!(policy.victim(None, now), None);
}

#[test]
#[should_panic = "`longest` must be a positive number"]
fn settings_out_of_range_are_refused() {
    let _ = Recall::new().settings(Settings { longest: 0.0, ..Settings::default() });
}

/// Requests in a full pool with so many entries: known and unknown lists by turns, hits among them. How many records and lists
/// were looked at, in all and at most for one request.
fn looked_at(entries: usize) -> (u64, u64) {
    // A name of all, one of a seventh, one of forty, one of three, and one of its own.
    let names = |key: &usize, each: &mut dyn FnMut(&str)| {
        for name in [0, 1 + key % 7, 100 + key / 40, 1_000_000 + key / 3, 10_000_000 + key] {
            each(&name.to_string());
        }
    };
    let policy: &mut dyn Eviction<usize> = &mut Recall::with_names(names);
    policy.on_capacity(&Bounds::of_entries(entries as u64));
    let mut seed = 88_172_645_463_325_252_u64;
    let mut below = |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % n as u64) as usize
    };
    // One entry a key, with the id of the key.
    let mut idle = std::collections::HashSet::new();
    let mut known = std::collections::HashSet::new();
    let (mut all, mut most) = (0, 0);
    let mut fresh = 4 * entries;
    for request in 0..entries + 12_000 {
        let key = match request {
            filling if filling < entries => filling,
            _ if below(3) > 0 => below(2 * entries),
            _ => {
                fresh += 1;
                fresh
            }
        };
        let (entry, id, now) = (EntryId::from_index(key), KeyId::from_index(key), Now::default());
        let before = LOOKS.get();
        if idle.contains(&key) {
            policy.on_acquire(entry, id, now);
        } else {
            if known.insert(key) { policy.on_key(id, &key) } else { policy.on_reopen(id, &key) }
            policy.on_open(entry, id, &Opened { cost_nanos: 100, weight: 1, residue: 0 }, now);
        }
        policy.on_release(entry, id, &Returned { idle_of_key: 1, weight: 1 }, now);
        idle.insert(key);
        if idle.len() > entries {
            let Some(Victim::OldestOf(gone)) = policy.victim(Some(entry), now) else { panic!("one is idle") };
            policy.on_remove(EntryId::from_index(gone.index()), gone, Removal::Evicted);
            idle.remove(&gone.index());
        }
        if request >= entries + 2000 {
            let looks = LOOKS.get() - before;
            (all, most) = (all + looks, most.max(looks));
        }
    }
    (all, most)
}

#[test]
fn a_request_costs_the_same_at_10_000_entries_as_at_100_and_none_makes_a_pause() {
    let ((few, few_most), (many, many_most)) = (looked_at(100), looked_at(10_000));
    println!("100 entries: {} a request, {few_most} at most", few / 10_000);
    println!("10 000 entries: {} a request, {many_most} at most", many / 10_000);
    assert!(many * 2 <= few * 3, "{many} at 10 000, {few} at 100");
    assert!(many_most <= 1500, "{many_most} for one request");
}
