use crate::testing::conformance::promises::promises;

promises! {
    NAMES_BY_DIGEST = "names-by-digest": "bytes are stored under their digest";
    RETURNS_THE_SAME = "returns-the-same": "what was stored is returned, byte for byte";
    STORES_TWICE = "stores-twice": "storing the same bytes again is no error and changes nothing";
    MISSING_IS_NOT_FOUND = "missing-is-not-found": "what was never stored is not found, and its version stands for nothing";
    MANY_AT_ONCE = "many-at-once": "many calls at the same time come to the same as one after the other";
    DROPS_WHOLE = "drops-whole": "storing that is dropped leaves the whole bytes or none, and can be done again";
    VERIFIES_READS = "verifies-reads": "bytes that are not what was stored are an error and never data";
    HEALS = "heals": "storing the same bytes again heals a damaged copy";
    RESOLVES = "resolves": "a name and a version stand for their artifact";
    OPENS = "opens": "an artifact tells its reference and its entries, sorted, each path once, at once as in parts, and reads each file as its entry says";
    OPENS_BY_DIGEST = "opens-by-digest": "the digest alone decides what is opened";
    MATERIALISES = "materialises": "an artifact is written as its entries say, and only where nothing is";
    WRITES_NO_DAMAGE = "writes-no-damage": "an artifact with spoilt bytes is not written as if it were whole, and no file of it has wrong bytes";
    VERSIONS_STAY = "versions-stay": "a version that is published stays what it is: the same is accepted again, other content is refused as taken";
    ONE_WINNER = "one-winner": "of several that publish one version at the same time, one content wins, and the others hear which";
    PUBLISHES_WHOLE = "publishes-whole": "what is not in the store is not published";
}
