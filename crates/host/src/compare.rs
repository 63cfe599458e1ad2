//! x
pub mod chart;
mod flow;
mod optimum;
mod workload;
/// t
pub fn probe(trace: &crate::trace::Trace) {
    let model = mock_backend::CostModel::measured(mock_backend::Regions::Shared);
    for hold in [0, 4, 16] {
    let w = workload::Workload::new(trace, &model, hold);
    for n in [2, 4, 8, 16, 32] {
        let t = std::time::Instant::now();
        let o = optimum::of_slots(&w, n);
        println!("{} hold {hold} {n} {} {:.1} {:?}", trace.name, o.misses, o.nanos as f64 / 1e9, t.elapsed());
    }
    for n in [2, 4, 8, 16] {
        let t = std::time::Instant::now();
        let o = optimum::of_bytes(&w, n * w.median_weight());
        println!("{} hold {hold} {n} x median {} {} {:.1} {:?}", trace.name, w.median_weight(), o.misses, o.nanos as f64 / 1e9, t.elapsed());
    }
    }
}
