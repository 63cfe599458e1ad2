//! What the machine gives a process with Lean in it: memory, mapped files, stacks.

use super::Finding;

/// So many files one Mathlib maps, each with an entry of its own in the process's table.
const FILES_OF_MATHLIB: u64 = 52_000;
/// What Linux gives the first thread of a program, and what Lean's own programs get along with.
const STACK_BYTES: u64 = 8 << 20;

pub(super) fn memory() -> Finding {
    let own = match process_memory::private_dirty_bytes() {
        Ok(bytes) => format!("{bytes} private dirty bytes in this process"),
        Err(error) => return Finding::note("memory", error.to_string()),
    };
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    match available {
        Some(kibibytes) => {
            Finding::note("memory", format!("{own}, {} bytes available on the machine", kibibytes * 1024))
        }
        None => Finding::note("memory", own),
    }
}

/// How many files a process can map: Lean maps each `.olean` file by itself.
pub(super) fn maps() -> Finding {
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    judge_maps(limit.and_then(|text| text.trim().parse().ok()))
}

fn judge_maps(limit: Option<u64>) -> Finding {
    const WHAT: &str = "maps";
    let Some(limit) = limit else { return Finding::note(WHAT, "the system has no limit that is known here") };
    let found = format!("vm.max_map_count is {limit}; one Mathlib takes some {FILES_OF_MATHLIB}");
    let to_do = "`sysctl -w vm.max_map_count=262144` as root, and the same in /etc/sysctl.d";
    match limit / FILES_OF_MATHLIB {
        0 => Finding::to_do(WHAT, found, to_do),
        1 => Finding::note(WHAT, format!("{found}, so there is room for one only ({to_do})")),
        _ => Finding::ok(WHAT, found),
    }
}

/// Lean recurses deeply. Its threads are made with large stacks of their own, but the first one has what the system gives it, and all
/// of them need addresses.
pub(super) fn stack() -> Finding {
    match std::fs::read_to_string("/proc/self/limits") {
        Ok(limits) => judge_stack(&limits),
        Err(_) => Finding::note("stack", "the system does not tell its limits"),
    }
}

fn judge_stack(limits: &str) -> Finding {
    const WHAT: &str = "stack";
    // The soft limit: bytes, or `unlimited`.
    let soft = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (stack, addresses) = (soft("Max stack size"), soft("Max address space"));
    let shown = |limit: Option<u64>| {
        limit.map_or_else(|| "no limit".to_owned(), |bytes| format!("{} MiB", bytes >> 20))
    };
    let found = format!(
        "{} for the first thread, 256 MiB for each that Lean runs on, {} of addresses",
        shown(stack),
        shown(addresses)
    );
    if stack.is_some_and(|stack| stack < STACK_BYTES) {
        Finding::to_do(WHAT, found, "raise the limit: `ulimit -s 8192`")
    } else if addresses.is_some() {
        Finding::to_do(
            WHAT,
            found,
            "Lean maps gigabytes and reserves large stacks: take the limit away (`ulimit -v unlimited`)",
        )
    } else {
        Finding::ok(WHAT, found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn maps_are_enough_for_two_libraries_for_one_or_for_none() {
        let state = |limit| judge_maps(Some(limit)).state;
        assert_eq!([state(262_144), state(65_530), state(30_000)], [State::Ok, State::Note, State::ToDo]);
        let one = judge_maps(Some(65_530)).found;
        assert!(
            one.contains("65530") && one.contains("room for one only") && one.contains("sysctl"),
            "{one}"
        );
        assert_eq!(judge_maps(None).state, State::Note);
    }

    #[test]
    fn stack_that_is_small_and_addresses_that_are_limited_are_named_with_what_to_do() {
        let limits = |stack: &str, addresses: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units\n\
                 Max stack size            {stack}              unlimited            bytes\n\
                 Max address space         {addresses}          unlimited            bytes\n"
            )
        };
        let usual = judge_stack(&limits("8388608", "unlimited"));
        assert_eq!(usual.state, State::Ok);
        assert!(
            usual.found.starts_with("8 MiB for the first thread")
                && usual.found.contains("no limit of addresses")
        );
        assert_eq!(judge_stack(&limits("unlimited", "unlimited")).state, State::Ok);
        let small = judge_stack(&limits("1048576", "unlimited"));
        assert!(small.state == State::ToDo && small.to_do.unwrap().contains("ulimit -s"));
        let narrow = judge_stack(&limits("8388608", "2147483648"));
        assert!(narrow.state == State::ToDo && narrow.to_do.unwrap().contains("ulimit -v"));
    }
}
