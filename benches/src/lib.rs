//! Baselines that the benches compare with.
