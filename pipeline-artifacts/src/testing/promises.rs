use super::Promise;

/// Promises as constants, and all of them in the order of a report.
macro_rules! promises {
    ($($constant:ident = $name:literal: $says:literal;)*) => {
        $(pub(super) const $constant: Promise = Promise::new($name, $says);)*

        /// Every promise, in the order of a report.
        pub(super) const ALL: &[Promise] = &[$($constant),*];
    };
}

promises! {
    RETURNS_THE_SAME = "returns-the-same": "what was stored is given out, byte for byte, be it empty or many pieces";
    GIVES_PIECES = "gives-pieces": "a source gives pieces that are not empty and at most `MAX_PIECE` long";
    VISIBLE_AT_ONCE = "visible-at-once": "what was stored has its size, is listed and is not missing, before any flush";
    ABSENT_IS_NOT_FOUND = "absent-is-not-found": "what was never stored has no size, is not listed, not found and missing";
    TELLS_MISSING = "tells-missing": "what is missing is told in the order of the question; what has another size is missing";
    LISTS = "lists": "blobs are listed in the order of their digests, at most so many, those after the one named, and an empty page is the end";
    STORES_TWICE = "stores-twice": "storing a blob again is no error and changes nothing";
    NOTHING_HALF = "nothing-half": "while a blob is stored, and stored again, the store answers, and it is there whole or not at all";
    REFUSES_OTHER_BYTES = "refuses-other-bytes": "bytes that are not what `put` was told, fewer or more, are damage";
    PASSES_ERRORS = "passes-errors": "what a source says that fails, `put` says";
    FAILURES_LEAVE_NOTHING = "failures-leave-nothing": "after a `put` that failed, nothing is visible that was not before, and nothing is gone";
    STOPS_AT_THE_SIZE = "stops-at-the-size": "a source that gives more than it should is not read to its end";
    DROPS_WHOLE = "drops-whole": "a `put` that is dropped leaves the whole blob or none, and can be done again";
    MANY_AT_ONCE = "many-at-once": "many calls at the same time, of equal and of other blobs, come to the same as one after the other";
    VERIFIES_READS = "verifies-reads": "a source of damaged bytes does not come to its end, and says that they are damaged";
    HEALS = "heals": "storing a blob again heals a damaged one";
    FLUSHED_STAYS = "flushed-stays": "what was flushed is there when the store is opened again";
    TRASHES = "trashes": "what is taken away is not listed, was there only once, and is back when it is stored again";
    FULL_LOSES_NOTHING = "full-loses-nothing": "a blob for which there is no room is an error, and what is there stays";
    REFUSES_WRITES = "refuses-writes": "a store that is only read stores nothing and takes nothing away";
}
