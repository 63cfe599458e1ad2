//! Risk: a lease outlives its pool, or a local pool crosses threads. The types forbid it; these programs must not
//! compile, for the reason that stands beside each.

#[test]
fn a_lease_cannot_outlive_its_pool_and_a_local_pool_cannot_cross_threads() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
