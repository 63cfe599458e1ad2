//! All integration tests that say what the pool does, in one binary. See `SURVIVORS.md`.
//!
//! Not here: `ui` and `policy_contract`, which are about other files, `loom` and `shuttle`, which need another lock, and `allocations`,
//! which counts those of a whole process.

#[path = "../any_resource.rs"]
mod any_resource;
#[path = "../dropping_stale.rs"]
mod dropping_stale;
#[path = "../exclusive_hits.rs"]
mod exclusive_hits;
#[path = "../fairness.rs"]
mod fairness;
#[path = "../hostile_keys.rs"]
mod hostile_keys;
#[path = "../interleaved.rs"]
mod interleaved;
#[path = "../live_limits.rs"]
mod live_limits;
#[path = "../liveness.rs"]
mod liveness;
#[path = "../measured_memory.rs"]
mod measured_memory;
#[path = "../model.rs"]
mod model;
#[path = "../numbers.rs"]
mod numbers;
#[path = "../panicking_policies.rs"]
mod panicking_policies;
#[path = "../panicking_user_code.rs"]
mod panicking_user_code;
#[path = "../policies_by_key.rs"]
mod policies_by_key;
#[path = "../policy_is_told.rs"]
mod policy_is_told;
#[path = "../process_memory.rs"]
mod process_memory;
#[path = "../reference_mistakes.rs"]
mod reference_mistakes;
#[path = "../reference_promises.rs"]
mod reference_promises;
#[path = "../shared_hits.rs"]
mod shared_hits;
#[path = "../shared_resources.rs"]
mod shared_resources;
#[path = "../stress.rs"]
mod stress;
#[path = "../sync_closing.rs"]
mod sync_closing;
#[path = "../sync_equals_local.rs"]
mod sync_equals_local;
#[path = "../sync_panics.rs"]
mod sync_panics;
#[path = "../sync_single_flight.rs"]
mod sync_single_flight;
#[path = "../sync_waiting.rs"]
mod sync_waiting;
#[path = "../tasks.rs"]
mod tasks;
#[path = "../victims.rs"]
mod victims;
#[path = "../waits_for_itself.rs"]
mod waits_for_itself;
#[path = "../weights.rs"]
mod weights;
