//! Risk: memory grows with what was done and not with what is there, on Lean's official allocator. Run by `.ci/official-lean`, in a
//! process of its own.
#![cfg(all(lean_linked, not(lean_library), not(feature = "abi-model")))]

mod support;

mod on_official_runtime {
    use lean_backend::CheckOptions;
    use process_memory::private_dirty_bytes;

    use crate::support::begin;
    use crate::support::kit::{HEADER, import, kit, options};

    /// Does `work` often, and returns by how many bytes the private memory of the process has grown from after the first tenth, which
    /// fills what allocators keep, to the end.
    fn growth(times: usize, mut work: impl FnMut()) -> i64 {
        (0..times / 10).for_each(|_| work());
        let before = private_dirty_bytes().unwrap();
        (times / 10..times).for_each(|_| work());
        let after = private_dirty_bytes().unwrap();
        after as i64 - before as i64
    }

    #[test]
    fn two_hundred_imports_and_drops_and_two_thousand_checks_leave_memory_flat() {
        let _one_at_a_time = begin();
        // The generated library: 83 modules, 76 201 constants, tables of some megabytes an import.
        let imports =
            growth(200, || drop(import(&options(&["lib"]), &["public Kit", "public Gen"]).unwrap()));
        assert!(imports < 4 << 20, "200 imports and drops grew the process by {imports} bytes");
        let environment = kit();
        let source = HEADER.to_owned()
            + "theorem t (p q : Prop) (h : And p q) : And q p := by\n  constructor\n  exact h.2\n  exact h.1\n#print axioms t\n#check oops";
        let checks = growth(2000, || {
            let checked = environment.check(&source, &CheckOptions::new()).unwrap();
            assert_eq!((checked.diagnostics.len(), checked.errors()), (2, 1));
        });
        assert!(checks < 4 << 20, "2000 checks grew the process by {checks} bytes");
        let heartbeats = growth(500, || {
            environment.check(HEADER, &CheckOptions::new().max_heartbeats(1000)).unwrap();
        });
        assert!(
            heartbeats < 4 << 20,
            "500 checks with a limit of their own grew the process by {heartbeats} bytes"
        );
        println!("growth in bytes: {imports} over imports, {checks} and {heartbeats} over checks");
    }
}
