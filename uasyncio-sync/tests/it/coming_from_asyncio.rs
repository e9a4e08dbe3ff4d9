//! The page for those who know asyncio names all that is exported.

/// What is only named in the signatures of what is there: futures, streams, and kinds of arguments. In the order of `lib.rs`.
const ONLY_IN_SIGNATURES: [&str; 33] = [
    "NextCompleted",
    "QueueGet",
    "QueueJoin",
    "QueuePut",
    "QueueStream",
    "RunTaskGroup",
    "BarrierWait",
    "ConditionWait",
    "ConditionWaitFor",
    "DelayRun",
    "DelayWait",
    "EventWait",
    "Gather",
    "Gathering",
    "TryGather",
    "TryGathering",
    "Interval",
    "IntervalTick",
    "LockAcquire",
    "RingbufGet",
    "RingbufStream",
    "Select",
    "Select3",
    "Select4",
    "SemaphoreAcquire",
    "RunTimeout",
    "WaitFor",
    "WatchChanged",
    "WatchRef",
    "ThreadSafeFlagWait",
    "ThreadSafeQueueGet",
    "ThreadSafeQueuePut",
    "ThreadSafeQueueStream",
];

#[test]
#[cfg_attr(miri, ignore = "it looks for words in a text")]
fn every_export_is_on_the_page() {
    let page = include_str!("../../src/coming_from_asyncio.md");
    let is_there = |name: &str| {
        let link = format!("(crate::{name}");
        page.match_indices(&link).any(|(at, _)| page[at + link.len()..].starts_with([')', '(', ':']))
    };
    let exports = include_str!("../../src/lib.rs").split("pub use self::{").skip(1).flat_map(|exports| {
        let (exports, _) = exports.split_once("};").unwrap();
        exports.split(',').map(|export| export.rsplit("::").next().unwrap_or(export).trim_matches([' ', '\n', '{', '}']))
    });
    let missing: Vec<_> = exports.filter(|name| !name.is_empty() && !is_there(name)).collect();
    assert_eq!(missing, ONLY_IN_SIGNATURES);
}
