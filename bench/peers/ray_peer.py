"""Ray as a peer (protocol: workload.ts): its own 23 microbenchmarks, by name and shape (ray_perf.py of Ray 2.58), written for slices
that another process asks for. Dashboard off, as in Ray's own run of them, unless --dashboard is given."""

import json
import os
import sys
import time

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import numpy as np
import ray
from ray.util.placement_group import placement_group, remove_placement_group

CPUS = os.cpu_count() or 2
ACTORS = max(1, CPUS // 2)
DRIVERS = 4
SMALL = b"ok"


def random_words(count):
    return np.frombuffer(np.random.default_rng(count).bytes(8 * count), dtype=np.int64)


@ray.remote
def small_value():
    return SMALL


@ray.remote
def do_put_small():
    for _ in range(100):
        ray.put(0)


@ray.remote
def do_put(values_of=10 * 1024 * 1024):
    values = getattr(ray, "bench_values", None)  # This worker's, made once.
    if values is None:
        values = ray.bench_values = random_words(values_of)
    for _ in range(10):
        ray.put(values)


@ray.remote
def create_object_containing_refs():
    return [ray.put(1) for _ in range(10_000)]


@ray.remote(num_cpus=0)
class Actor:
    def small_value(self):
        return SMALL

    def small_value_arg(self, _value):
        return SMALL


@ray.remote(num_cpus=0)
class AsyncActor:
    async def small_value(self):
        return SMALL

    async def small_value_with_arg(self, _value):
        return SMALL


@ray.remote(num_cpus=0)
class Client:
    def __init__(self, servers):
        self.servers = servers

    def small_value_batch(self, count):
        for server in self.servers:
            ray.get([server.small_value.remote() for _ in range(count)])

    def small_value_batch_arg(self, count):
        ref = ray.put(0)
        for server in self.servers:
            ray.get([server.small_value_arg.remote(ref) for _ in range(count)])


@ray.remote(num_cpus=0)
class Submitter:
    def small_value_batch(self, count):
        ray.get([small_value.remote() for _ in range(count)])


@ray.remote
def work(actors, count):
    ray.get([actors[index % len(actors)].small_value.remote() for index in range(count)])


class Workload:
    """`make` gives the state that `run` gets, `end` takes it back."""

    def __init__(self, run, make=lambda: None, end=lambda state: None):
        self.run = run
        self.make = make
        self.end = end


def kill_all(actors):
    for actor in actors:
        ray.kill(actor)


def with_actors(make, run):
    """`make` gives the actors to call, and all that are to be killed."""

    def start():
        called, everyone = make()
        for actor in everyone:
            ray.get(actor.__ray_ready__.remote())
        return called, everyone

    return Workload(lambda state: run(state[0]), start, lambda state: kill_all(state[1]))


def calls(count, call):
    ray.get([call(index) for index in range(count)])


def one(cls):
    def make():
        actor = cls.remote()
        return actor, [actor]

    return make


def servers(cls):
    def make():
        actors = [cls.remote() for _ in range(ACTORS)]
        return actors, actors

    return make


def client_of(cls):
    def make():
        actors = [cls.remote() for _ in range(ACTORS)]
        client = Client.remote(actors)
        return client, [client, *actors]

    return make


def clients_of(cls):
    def make():
        actors = [cls.remote() for _ in range(ACTORS)]
        clients = [Client.remote([actor]) for actor in actors]
        return clients, [*clients, *actors]

    return make


def submitters():
    actors = [Submitter.remote() for _ in range(DRIVERS)]
    return actors, actors


def wait_one_by_one(_state):
    left = [small_value.remote() for _ in range(1_000)]
    while left:
        _, left = ray.wait(left)


def groups(_state):
    made = [placement_group([{"custom": 0.001}]) for _ in range(100)]
    for group in made:
        group.wait(timeout_seconds=30)
    for group in made:
        remove_placement_group(group)


def start_actors(_state):
    actors = [Actor.remote() for _ in range(20)]
    ray.get([actor.small_value.remote() for actor in actors])
    kill_all(actors)


def thousand_tasks(_state):
    calls(1_000, lambda _: small_value.remote())


def object_with_refs():
    ref = create_object_containing_refs.remote()
    ray.wait([ref])
    return ref


def warmed(words):
    for _ in range(3):
        ray.put(words)
    return words


WORKLOADS = {
    "single client get calls (Plasma Store)": Workload(ray.get, lambda: ray.put(0)),
    "single client put calls (Plasma Store)": Workload(lambda _: ray.put(0)),
    "multi client put calls (Plasma Store)": Workload(
        lambda _: calls(10, lambda _: do_put_small.remote())
    ),
    "single client put gigabytes": Workload(
        ray.put, lambda: warmed(random_words(100 * 1024 * 1024))
    ),
    "multi client put gigabytes": Workload(lambda _: calls(10, lambda _: do_put.remote())),
    "single client get object containing 10k refs": Workload(ray.get, object_with_refs),
    "single client tasks and get batch": Workload(thousand_tasks),
    "single client wait 1k refs": Workload(wait_one_by_one),
    "single client tasks sync": Workload(lambda _: ray.get(small_value.remote())),
    "single client tasks async": Workload(thousand_tasks),
    "multi client tasks async": with_actors(
        submitters, lambda all: ray.get([a.small_value_batch.remote(10_000) for a in all])
    ),
    "1:1 actor calls sync": with_actors(one(Actor), lambda a: ray.get(a.small_value.remote())),
    "1:1 actor calls async": with_actors(
        one(Actor), lambda a: calls(1_000, lambda _: a.small_value.remote())
    ),
    "1:1 actor calls concurrent": with_actors(
        one(Actor.options(max_concurrency=16)), lambda a: calls(1_000, lambda _: a.small_value.remote())
    ),
    "1:n actor calls async": with_actors(
        client_of(Actor), lambda c: ray.get(c.small_value_batch.remote(5_000))
    ),
    "n:n actor calls async": with_actors(
        servers(Actor), lambda all: calls(DRIVERS, lambda _: work.remote(all, 5_000))
    ),
    "n:n actor calls with arg async": with_actors(
        clients_of(Actor), lambda all: ray.get([c.small_value_batch_arg.remote(1_000) for c in all])
    ),
    "1:1 async-actor calls sync": with_actors(one(AsyncActor), lambda a: ray.get(a.small_value.remote())),
    "1:1 async-actor calls async": with_actors(
        one(AsyncActor), lambda a: calls(1_000, lambda _: a.small_value.remote())
    ),
    "1:1 async-actor calls with args async": with_actors(
        one(AsyncActor), lambda a: calls(1_000, lambda index: a.small_value_with_arg.remote(index))
    ),
    "1:n async-actor calls async": with_actors(
        client_of(AsyncActor), lambda c: ray.get(c.small_value_batch.remote(5_000))
    ),
    "n:n async-actor calls async": with_actors(
        servers(AsyncActor), lambda all: calls(DRIVERS, lambda _: work.remote(all, 5_000))
    ),
    "placement group create/removal": Workload(groups),
    "20 actors created and called": Workload(start_actors),
}

LAPS_MAX = 2_000
COLD_PUTS = 8


def cold_puts():
    """Gigabytes (of 1,000 MiB) a second into memory that was not used before: all values are held at once."""
    words = random_words(10 * 1024 * 1024)
    held, rates = [], []
    for _ in range(COLD_PUTS):
        start = time.perf_counter()
        held.append(ray.put(words))
        rates.append(0.08 / (time.perf_counter() - start))
    return rates


def take_slice(workload, state, ms):
    laps = []
    start = last = time.perf_counter()
    count = 0
    while True:
        workload.run(state)
        count += 1
        now = time.perf_counter()
        if len(laps) < LAPS_MAX:
            laps.append(round((now - last) * 1e6, 1))
        last = now
        if (last - start) * 1_000 >= ms:
            return {"count": count, "ms": (last - start) * 1_000, "laps": laps}


def main():
    # Ray's own words do not belong among the answers.
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    began = time.perf_counter()
    has_dashboard = "--dashboard" in sys.argv
    context = ray.init(
        num_cpus=CPUS,
        resources={"custom": 100},
        object_store_memory=4 * 1024**3,
        include_dashboard=has_dashboard,
        dashboard_port=0,
        log_to_driver=False,
        logging_level="ERROR",
    )
    ray.get(small_value.remote())
    first_ms = (time.perf_counter() - began) * 1_000
    # Cold memory is for the comparison's first workloads, which the dashboard's measures are not.
    cold = {} if has_dashboard else {"cold": {"puts": cold_puts(), "copies": []}}
    facts = {"version": ray.__version__, "firstResultMs": first_ms, **cold}
    if has_dashboard:
        facts["url"] = context.dashboard_url
        facts["jobId"] = ray.get_runtime_context().get_job_id()
    print(json.dumps({"ready": list(WORKLOADS), **facts}), file=out)
    name = None
    state = None
    for line in sys.stdin:
        try:
            order = json.loads(line)
            if order["run"] != name:
                if name is not None:
                    WORKLOADS[name].end(state)
                name = None
                state = WORKLOADS[order["run"]].make()
                name = order["run"]
            print(json.dumps(take_slice(WORKLOADS[name], state, order["ms"])), file=out)
        except Exception as error:  # It is told, and the comparison goes on.
            print(json.dumps({"error": repr(error)[:500]}), file=out)
    ray.shutdown()


if __name__ == "__main__":
    main()
