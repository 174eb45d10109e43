//! Filters as sets of topics.
//!
//! Owns: whether one set lies within another, and what two have in common, which is a filter
//! again. Both are exact but for one pair of spellings: `+/#` is `#` in other words.
//!
//! Never checks syntax: patterns are valid and without `$share/`.

use super::name::{HASH, PLUS, is_system, leads_with_wildcard};

/// Whether `pattern` matches `topic`; both are valid.
#[must_use]
pub fn matches(pattern: &str, topic: &str) -> bool {
    if is_system(topic) && leads_with_wildcard(pattern) {
        return false; // [MQTT-4.7.2-1]
    }
    let mut levels = topic.split('/');
    for wanted in pattern.split('/') {
        match levels.next() {
            _ if wanted == HASH => return true, // The parent level too, hence before `None`.
            Some(level) if wanted == PLUS || wanted == level => {}
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

/// Whether every topic that `inner` matches is matched by `outer`.
#[must_use]
pub fn covers(outer: &str, inner: &str) -> bool {
    if leads_with_wildcard(outer) && is_system(inner) {
        return false; // [MQTT-4.7.2-1]
    }
    let mut levels = inner.split('/');
    for wanted in outer.split('/') {
        match levels.next() {
            _ if wanted == HASH => return true,
            Some(level) if wanted == level && level != HASH => {}
            Some(level) if wanted == PLUS && level != HASH => {}
            Some(_) | None => return false,
        }
    }
    levels.next().is_none()
}

/// The filter that matches what both match; `None` if they have no topic in common.
#[must_use]
pub fn common(one: &str, other: &str) -> Option<String> {
    if leads_with_wildcard(one) && is_system(other) || leads_with_wildcard(other) && is_system(one)
    {
        return None; // [MQTT-4.7.2-1]
    }
    let (mut ones, mut others) = (one.split('/'), other.split('/'));
    let mut common: Vec<&str> = Vec::new();
    loop {
        match (ones.next(), others.next()) {
            (None, None) => break,
            // The parent level too.
            (Some(HASH), None) | (None, Some(HASH)) => break,
            (Some(HASH), Some(level)) => {
                common.push(level);
                common.extend(others.by_ref());
                break;
            }
            (Some(level), Some(HASH)) => {
                common.push(level);
                common.extend(ones.by_ref());
                break;
            }
            (Some(PLUS), Some(level)) | (Some(level), Some(PLUS)) => common.push(level),
            (Some(a), Some(b)) if a == b => common.push(a),
            (Some(_), Some(_) | None) | (None, Some(_)) => return None,
        }
    }
    Some(common.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::naive;
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn sets_are_what_their_topics_say() {
        let mut rng = Rng::new(5);
        let (mut within, mut shared, mut apart) = (0, 0, 0);
        for _ in 0..20_000 {
            let (a, b) = (naive::pattern(&mut rng), naive::pattern(&mut rng));
            let both = common(&a, &b);
            assert_eq!(both.is_some(), common(&b, &a).is_some(), "{a} {b}");
            let is_within = covers(&a, &b);
            for _ in 0..30 {
                let topic = naive::topic(&mut rng);
                let (in_a, in_b) = (naive::matches(&a, &topic), naive::matches(&b, &topic));
                let in_both = both.as_deref().is_some_and(|both| naive::matches(both, &topic));
                assert_eq!(in_a && in_b, in_both, "{a} {b} {topic}");
                assert!(!is_within || in_a || !in_b, "{a} {b} {topic}");
            }
            within += usize::from(is_within);
            shared += usize::from(both.is_some());
            apart += usize::from(both.is_none());
        }
        assert!(within > 500 && shared > 1000 && apart > 1000, "{within} {shared} {apart}");
    }

    #[test]
    fn examples() {
        assert!(covers("a/#", "a") && covers("a/#", "a/+/#") && covers("+/b", "a/b"));
        assert!(!covers("a/+", "a/#") && !covers("#", "$SYS/#") && !covers("a/b", "a/+"));
        assert!(covers("$SYS/#", "$SYS/broker/+") && covers("#", "#"));
        assert_eq!(common("a/+/c", "+/b/#").as_deref(), Some("a/b/c"));
        assert_eq!(common("a/#", "a").as_deref(), Some("a"));
        assert_eq!(common("a/b", "a/c"), None);
        assert_eq!(common("#", "$SYS/a"), None);
    }
}
