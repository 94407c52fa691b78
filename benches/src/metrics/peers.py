# The five metrics per service-week and overall, by DuckDB or Polars, with the rules of the delivery log's fixture.
#   peers.py ENGINE THREADS LOG     then a round for each line on standard input; a JSON object for each on standard output
import json
import os
import sys
import time

engine, threads, log = sys.argv[1], int(sys.argv[2]), sys.argv[3]
os.environ["POLARS_MAX_THREADS"] = str(threads)

DUCK_LOAD = """
create or replace table ev as select * from read_json(?, format = 'newline_delimited', columns = {
  type: 'VARCHAR', ts: 'TIMESTAMP', service: 'VARCHAR', sha: 'VARCHAR', id: 'VARCHAR', environment: 'VARCHAR',
  result: 'VARCHAR', kind: 'VARCHAR', started: 'TIMESTAMP', changes: 'VARCHAR[]', deployment: 'VARCHAR'})
"""
DUCK_LINK = [
    "create or replace temp table dep as select service, id, ts, kind, changes, date_trunc('week', ts) as week, ts::date as day from ev where type = 'deployment' and environment = 'production' and result = 'success'",
    """create or replace temp table lt as
       select d.service, date_trunc('week', d.ts) as week, epoch_ms(d.ts) - epoch_ms(c.ts) as lead from
       (select service, sha, min(ts) as ts from (select service, unnest(changes) as sha, ts from dep) group by service, sha) d
       join (select service, sha, ts from ev where type = 'change') c using (service, sha)""",
    """create or replace temp table inc as
       with o as (select service, id, ts, deployment from ev where type = 'incident_opened'),
            r as (select id, ts as over from ev where type = 'incident_resolved'),
            named as (select o.id, d.service, d.id as dep, d.ts, d.week from o join dep d on o.deployment = d.id),
            last as (select o.id, d.service, d.id as dep, d.ts, d.week from o asof join dep d
                     on o.service = d.service and o.ts >= d.ts where o.deployment is null)
       select a.*, epoch_ms(r.over) - epoch_ms(a.ts) as took from (select * from named union all select * from last) a left join r using (id)""",
]
PARTS = """
with d as (select {key} count(*) as deployments, count(distinct day) as days, count(*) filter (kind <> 'planned') as rework from dep {group}),
     l as (select {key} count(*) filter (lead >= 0) as changes, median(lead) filter (lead >= 0) as lt_median, avg(lead) filter (lead >= 0) as lt_mean, count(*) filter (lead < 0) as skewed from lt {group}),
     i as (select {key} count(distinct dep) as failed, count(*) as incidents, count(*) filter (took is null) as open, median(took) as fdrt from inc {group})
select * from d {join} l {using} {join} i {using} {order}
"""
WEEKLY = PARTS.format(key="service, week,", group="group by service, week", join="left join", using="using (service, week)", order="order by service, week")
OVERALL = PARTS.format(key="", group="", join="cross join", using="", order="")


def duckdb_round():
    import duckdb

    connection = duckdb.connect(config={"threads": threads})
    begin = time.perf_counter()
    connection.execute(DUCK_LOAD, [log])
    loaded = time.perf_counter()
    for statement in DUCK_LINK:
        connection.execute(statement)
    weekly = connection.execute(WEEKLY).fetchall()
    overall = connection.execute(OVERALL).fetchall()[0]
    end = time.perf_counter()
    connection.close()
    return loaded - begin, end - loaded, len(weekly), overall[0], overall[3], overall[4], overall[7], overall[10]


def polars_round():
    import polars as pl

    text = pl.String
    schema = {"type": text, "ts": text, "service": text, "sha": text, "id": text, "environment": text, "result": text,
              "kind": text, "started": text, "changes": pl.List(text), "deployment": text}
    begin = time.perf_counter()
    ev = pl.read_ndjson(log, schema=schema).with_columns(
        pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ", time_unit="ms"))
    loaded = time.perf_counter()
    dep = ev.lazy().filter((pl.col("type") == "deployment") & (pl.col("environment") == "production") & (pl.col("result") == "success")).select(
        "service", "id", "ts", "kind", "changes", pl.col("ts").dt.truncate("1w").alias("week"), pl.col("ts").dt.date().alias("day")).collect()
    first = dep.lazy().select("service", pl.col("changes").alias("sha"), "ts").explode("sha").drop_nulls("sha").group_by("service", "sha").agg(pl.col("ts").min().alias("done"))
    lt = first.join(ev.lazy().filter(pl.col("type") == "change").select("service", "sha", "ts"), on=["service", "sha"]).select(
        "service", pl.col("done").dt.truncate("1w").alias("week"), (pl.col("done") - pl.col("ts")).dt.total_milliseconds().alias("lead")).collect()
    opened = ev.filter(pl.col("type") == "incident_opened").select("service", "id", "ts", "deployment")
    over = ev.filter(pl.col("type") == "incident_resolved").select("id", pl.col("ts").alias("over"))
    at = dep.select("service", pl.col("id").alias("dep"), pl.col("ts").alias("done"), "week")
    named = opened.filter(pl.col("deployment").is_not_null()).drop("service").join(at, left_on="deployment", right_on="dep").rename({"deployment": "dep"})
    last = opened.filter(pl.col("deployment").is_null()).sort("ts").join_asof(at.sort("done"), left_on="ts", right_on="done", by="service", strategy="backward").drop_nulls("dep")
    columns = ["service", "id", "dep", "done", "week"]
    inc = pl.concat([named.select(columns), last.select(columns)]).join(over, on="id", how="left").with_columns(
        (pl.col("over") - pl.col("done")).dt.total_milliseconds().alias("took"))
    of_dep = [pl.len().alias("deployments"), pl.col("day").n_unique().alias("days"), (pl.col("kind") != "planned").sum().alias("rework")]
    good = pl.col("lead").filter(pl.col("lead") >= 0)
    of_lt = [good.len().alias("changes"), good.median().alias("lt_median"), good.mean().alias("lt_mean"), (pl.col("lead") < 0).sum().alias("skewed")]
    of_inc = [pl.col("dep").n_unique().alias("failed"), pl.len().alias("incidents"), pl.col("took").is_null().sum().alias("open"), pl.col("took").median().alias("fdrt")]
    key = ["service", "week"]
    weekly = dep.lazy().group_by(key).agg(of_dep).join(lt.lazy().group_by(key).agg(of_lt), on=key, how="left").join(
        inc.lazy().group_by(key).agg(of_inc), on=key, how="left").sort(key).collect()
    d, l, i = dep.select(of_dep).row(0), lt.select(of_lt).row(0), inc.select(of_inc).row(0)
    end = time.perf_counter()
    return loaded - begin, end - loaded, weekly.height, d[0], l[0], l[1], i[0], i[3]


def peak():
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return None


run = {"duckdb": duckdb_round, "polars": polars_round}[engine]
__import__(engine)
print(json.dumps({"ready": __import__(engine).__version__}), flush=True)
for _ in sys.stdin:
    load, compute, weeks, deployments, changes, lead, failed, recovery = run()
    print(json.dumps({"load": load, "compute": compute, "weeks": weeks, "deployments": deployments, "changes": changes,
                      "lead": lead, "failed": failed, "recovery": recovery, "peak": peak()}), flush=True)
