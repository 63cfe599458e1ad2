//! "Did you mean": what is nearest to a name that there is not.

/// That there is no `what` of that name, the one most like it, and all that there are.
pub(crate) fn no_such(what: &str, name: &str, names: &[&str]) -> String {
    let near = nearest(name, names).map_or_else(String::new, |near| format!(": did you mean {near}?"));
    let all = names.join(", ");
    format!("no {what} has the name '{}'{near}; choose one of {all}", name.escape_debug())
}

/// The name most like `name`, if one is like it at all.
pub(crate) fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
    let like = |known: &&str| strsim::jaro_winkler(&plain(name), &plain(known));
    let best = names.iter().copied().max_by(|a, b| like(a).total_cmp(&like(b)))?;
    (like(&best) > 0.7).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_none_where_nothing_is_near() {
        let names = ["Lru", "Lfu", "Sieve", "half-life"];
        assert_eq!(nearest("siev", &names), Some("Sieve"));
        assert_eq!(nearest("halflive", &names), Some("half-life"));
        assert_eq!(nearest("zzz", &names), None);
        assert_eq!(
            no_such("policy", "seive", &names),
            "no policy has the name 'seive': did you mean Sieve?; choose one of Lru, Lfu, Sieve, half-life"
        );
    }
}
