use crate::testing::conformance::promises::promises;

promises! {
    SAME_DESCRIPTOR = "same-descriptor": "it says the same of itself before and after a deployment";
    OBSERVES_ONLY = "observes-only": "observed twice while nothing happens, it tells the same";
    STARTS_EMPTY = "starts-empty": "before the first deployment nothing is live";
    DEPLOYS = "deploys": "after a deployment that succeeds, exactly that release runs with that configuration";
    DEPLOYS_AGAIN = "deploys-again": "deploying what is live is no error and changes nothing";
    REPLACES = "replaces": "a release replaces another one, and a configuration another one";
    KEEPS_WHAT_WAS_LIVE = "keeps-what-was-live": "when a deployment fails, what was live before still is";
    KEEPS_FOR_ROLLBACK = "keeps-for-rollback": "a release that was replaced can be made live again, even when the store is gone";
    RETIRES = "retires": "what is not live can be retired, also twice, and what is live cannot";
    DROPS_WHOLE = "drops-whole": "a dropped deployment leaves something that is observed and that a deployment can start from";
    SEES_DRIFT = "sees-drift": "what was changed by hand is told, and a deployment mends it";
    SURVIVES_A_CROWD = "survives-a-crowd": "of two deployments at the same time, one is live and whole in the end";
    TAKES_FENCES = "takes-fences": "it takes equal and higher fences, and tells the highest";
    KEEPS_FENCES = "keeps-fences": "another process sees the highest fence";
    REFUSES_LATE_DEPLOYMENTS = "refuses-late-deployments": "a deployment with a lower fence is refused with both fences, and changes nothing";
    REFUSES_LATE_RETIREMENTS = "refuses-late-retirements": "a retirement with a lower fence is refused with both fences, and removes nothing";
    COUNTS_EVERY_CALL = "counts-every-call": "a call that changes nothing else still leaves its fence";
    FENCES_A_CROWD = "fences-a-crowd": "of two calls at the same time, the lower fence does not win over the higher one";
}
