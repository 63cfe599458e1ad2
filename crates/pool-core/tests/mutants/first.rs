//! The tests that find most mutants, in one binary, because building is what takes time. See `SURVIVORS.md`.

#[path = "../fairness.rs"]
mod fairness;
#[path = "../live_limits.rs"]
mod live_limits;
#[path = "../model.rs"]
mod model;
#[path = "../reference_promises.rs"]
mod reference_promises;
#[path = "../shared_resources.rs"]
mod shared_resources;
