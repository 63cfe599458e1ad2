//! What is chosen by a text: made-up workloads, policies with parameters, columns, formats. What is accepted keeps within its bounds, is written as it is read, and can be used.

use leanpool::compare::{Capacities, Capacity};
use leanpool::policy::{Circumstances, Policy};
use leanpool::pool_core::eviction;
use leanpool::synthetic::Synthetic;
use leanpool::trace::{Columns, Format};

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const WORKLOADS: &[&str] = &[
    "zipf:0.9:keys=50:n=100",
    "scan:10:every=40:n=90",
    "burst:20:overlap=8:n=50",
    "shift:20:skew=1.1:n=60:seed=3",
];

fuzz::target!(
    workloads,
    || texts(WORKLOADS),
    &[
        ":", "=", "keys=", "n=", "seed=", "every=", "overlap=", "skew=", "zipf", "scan", "burst", "shift",
        "10000000"
    ],
    1000,
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
        let length = text.len();
        match fuzz::within(length, 40, 4000, || text.parse::<Synthetic>()) {
            Err(error) => fuzz::kind(&error.to_string(), length),
            Ok(workload) => {
                let written = workload.to_string();
                assert_eq!(written.parse::<Synthetic>().as_ref(), Ok(&workload), "{written}");
                let number = |name: &str| {
                    let part = written.split(':').find_map(|part| part.strip_prefix(name)).unwrap();
                    part.parse::<u64>().unwrap()
                };
                let (keys, n) = (number("keys="), number("n="));
                assert!((1..=10_000_000).contains(&keys) && (1..=10_000_000).contains(&n));
                if keys <= 1000 && n <= 1000 && !written.contains("overlap=1") {
                    assert_eq!(workload.trace().len() as u64, n);
                }
                written.chars().filter(char::is_ascii_alphabetic).collect()
            }
        }
    }
);

const POLICIES: &[&str] = &[
    "lru",
    "default",
    "worth:half-life=0.3:similar=0.5",
    "recall:half-lives=3:successors=0:by-cost=false",
    "camp:precision=7",
    "lhd:seed=7",
    "lecar:seed=7",
    "hyperbolic:seed=1",
    "tiny-lfu:window=0.01:over=tiny-lfu:over=arc",
    "recall:similar=1:longest=2:sharpness=1:expected=1:learning-rate=0.1:inherited=1:most-inherited=2:charge-half-life=1:longer-counts=1",
];
const PARTS: &[&str] = &[
    ":",
    "=",
    "over=",
    "tiny-lfu:over=",
    "half-life=",
    "similar=",
    "precision=",
    "seed=",
    "window=",
    "by-cost=true",
    "successors=",
    "half-lives=",
    "longest=",
    "sharpness=",
    "1e308",
    "5e-324",
    "NaN",
    "inf",
    "1e-300",
    "longer-counts=",
    "charge-half-life=",
    "learning-rate=",
    "expected=",
    "most-inherited=",
];

fuzz::target!(
    policies,
    || [texts(POLICIES), eviction::NAMES.iter().map(|name| name.as_bytes().to_vec()).collect()].concat(),
    PARTS,
    1000,
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
        let length = text.len();
        match fuzz::within(length.min(4096), 4000, 20_000, || text.parse::<Policy>()) {
            Err(error) => fuzz::kind(&error, length),
            Ok(policy) => {
                let name = policy.name().to_owned();
                assert_eq!(name.parse::<Policy>().unwrap().name(), name, "what is written is read");
                for lists in [false, true] {
                    used(&policy, Circumstances { by_weight: length % 2 == 0, lists });
                }
                name.chars().filter(|c| c.is_ascii_alphabetic() || *c == ':').collect()
            }
        }
    }
);

/// A policy that was accepted can be used: a pool of three places is asked for ten keys.
fn used(policy: &Policy, now: Circumstances) {
    use leanpool::pool_core::capacity::MaxIdle;
    use leanpool::pool_core::local::Pool;
    use leanpool::pool_core::{Hooks, Names};

    let pool: Pool<Names, u32, Hooks<u32, std::io::Error>> =
        Pool::hooks_builder(Hooks::new()).capacity(MaxIdle(3)).eviction(policy.make(now)).build();
    let mut random = 7_u64;
    for _ in 0..60 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let names = ["Init".to_owned(), format!("M{}", (random >> 33) % 10)];
        drop(pool.acquire(&Names::new(names), |_: &Names| Ok(1)).unwrap());
    }
    let stats = pool.stats();
    assert!(stats.usage.idle <= 3, "{stats:?}");
}

fuzz::target!(
    columns,
    || texts(&["time=1,key=2,size=3,cost=4", "key=1", "leanpool", "csv", "oracle-general", "arc"]),
    &["=", ",", "key=", "time=", "size=", "cost=", "1000", "1001"],
    1000,
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
        let format = fuzz::within(text.len(), 300, 4000, || text.parse::<Format>());
        if let Ok(format) = format {
            assert_eq!(format.to_string().parse(), Ok(format));
            return format.to_string();
        }
        match fuzz::within(text.len(), 100, 4000, || text.parse::<Columns>()) {
            Err(error) => fuzz::kind(&error, text.len()),
            Ok(Columns { time, key, size, cost }) => {
                let numbers = [time, Some(key), size, cost];
                assert!(numbers.iter().flatten().all(|number| (1..=1000).contains(number)));
                format!("{:?}", numbers.map(|number| number.is_some()))
            }
        }
    }
);

fuzz::target!(
    capacities,
    || texts(&["8", "10%", "2..64", "1%..50%", "1..18446744073709551615"]),
    &["..", "%", "0.", "e-", "5e-324%", "NaN", "inf", "1e308"],
    1000,
    |bytes: &[u8]| {
        let Ok(text) = std::str::from_utf8(bytes) else { return String::new() };
        match fuzz::within(text.len(), 40, 8000, || text.parse::<Capacities>()) {
            Err(error) => fuzz::kind(&error, text.len()),
            Ok(Capacities(all)) => {
                assert!((1..=65).contains(&all.len()), "{all:?}");
                let size = |capacity: &Capacity| match capacity {
                    Capacity::Count(count) => *count as f64,
                    Capacity::Share(share) => *share,
                };
                assert!(
                    size(&all[0]) > 0.0 && all.windows(2).all(|pair| size(&pair[0]) <= size(&pair[1])),
                    "{all:?}"
                );
                all.len().to_string()
            }
        }
    }
);
