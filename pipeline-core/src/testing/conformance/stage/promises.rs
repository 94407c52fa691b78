use crate::testing::conformance::promises::promises;

promises! {
    WORLDS_ALIKE = "worlds-alike": "two fresh worlds look the same, so that others can be compared; this one is the author's of the test";
    ENDS = "ends": "an undisturbed call ends with an outcome";
    PRODUCES = "produces": "the artifacts that it reports are in the store, and those that it should produce are reported";
    ROUND_TRIPS = "outcome-round-trips": "its outcome is written and read back without a change";
    KEEPS_SECRETS = "keeps-secrets": "no secret that it asked for is in its outcome, its action plan or its output";
    DECLARES_READS = "declares-reads": "it reads nothing of the source but what it says";
    REPEATS = "repeats": "called twice with one key, it leaves the world as called once";
    EQUAL_OUTCOMES = "equal-outcomes": "called twice with one key, it reports equal outcomes";
    INSPECTS_BEFORE = "inspects-before": "asked before it was called, it says that its effect did not happen";
    INSPECTS_AFTER = "inspects-after": "asked after it was called, it says that its effect happened, with the same artifacts and deployment";
    INSPECTS_ONLY = "inspects-only": "inspecting changes nothing";
    INSPECTS_TRULY = "inspects-truly": "asked after it was dropped, it says that its effect happened only if it did";
    RECOVERS = "recovers": "dropped at any await point and then recovered, it leaves the world as an undisturbed call";
    STOPS = "stops": "asked to stop at any await point, it ends soon";
    STOPS_WHOLE = "stops-whole": "asked to stop, it finishes what it began or takes it back, or says that it lost sight of it";
    STOPS_TRULY = "stops-truly": "what it says when it was stopped holds: a success is one, and after a failure a next attempt does it";
    REFUSES_LATE_CALLS = "refuses-late-calls": "with a fence below the highest, it changes nothing and reports no success";
    PLANS_EQUALLY = "plans-equally": "while nothing changes, its plan has one digest, whatever the run and the time";
    PLANS_ONLY = "plans-only": "planning changes nothing";
    KEEPS_TO_PLAN = "keeps-to-plan": "with the action plan of something else, it changes nothing and reports no success";
    SURVIVES_MEDDLING = "survives-meddling": "with an action plan that the world has overtaken, it refuses, or does what it was called for";
    VERIFIES = "verifies": "it finds its own fresh effect good";
    VERIFIES_ONLY = "verifies-only": "verifying changes nothing";
    UNDOES = "undoes": "undone, the world is as it was before the call";
    UNDOES_AGAIN = "undoes-again": "undone twice, or dropped while it undoes and undone again, the world is as it was before the call";
}
