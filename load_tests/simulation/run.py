"""One seed: its scheduler lets processes act by turns, has faults happen to them, and in the end lets everything come to rest."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from load_tests.simulation.log import Log
from load_tests.simulation.processes import AssessProcess, CockpitProcess, End, IntakeProcess, People, Process, Scene, SinkProcess
from load_tests.simulation.seams import STAGE
from load_tests.simulation.tables import Tables
from load_tests.simulation.town import DAYS, KEY, START_S, Sent, city, sendings
from load_tests.simulation.world import CALM, Killed, Weather, World
from streams.core.configure import configure_command
from streams.core.journal import encode
from streams.core.partitions import spread
from streams.core.shard import shards_of
from streams.model import DAY_S
from streams.settings import City
from streams.shells.kafka.layout import KEY as LAYOUT_KEY
from streams.shells.kafka.layout import Layout, encode_layout
from streams.shells.kafka.sink_records import TOPICS
from streams.shells.kafka.topics import specs
from streams.shells.keys import key_id

COUNTS_PARTITIONS = 2
TURNS_MAX = 5_000
ROUNDS_MAX = 400
STILL_ROUNDS = 2
ZOMBIES_MAX = 3
AWAY_S = (1.0, 4.0, 40.0)


class Unrest(Exception):
    """After the last fault, the pipeline does not come to rest."""


class Done(NamedTuple):
    """What one seed has come to."""

    world: World
    city: City
    tables: Tables
    cockpits: list[CockpitProcess]  # dead ones first
    people: bool


class Run:
    """The world of one seed, and who is in it. Within ``seams.staged``."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(f"plan {seed}")
        partitions = rng.choice((1, 2, 2, 3))
        self.city = city(partitions)
        log = Log({spec.name: spec.partitions for spec in specs(self.city, COUNTS_PARTITIONS)})
        log.groups.places = [(name, at) for name in sorted(log.topics) for at in range(len(log.topics[name]))]
        live = rng.random() < 0.6
        self.world = World(seed, log, Weather.drawn(rng), float(START_S if live else START_S + (DAYS + 2) * DAY_S))
        self.world.turn = self.turn
        self.tables = Tables()
        STAGE.world, STAGE.tables = self.world, self.tables
        self._live, self._sendings = live, sendings(rng, partitions)
        self._sent = 0
        self._scene = Scene(self.world, self.city, self._begin())
        self._makers = self._fleet(rng)
        self._running: dict[str, Process] = {}
        self._zombies: list[Process] = []
        self._cockpits: list[CockpitProcess] = []

    def _begin(self) -> Layout:
        """As ``streams.shells.kafka.topics._begin``: layout and configuration are what the journals begin with."""
        table = spread(shards_of(self.city), COUNTS_PARTITIONS)
        raws = {raw: at for at, raw in enumerate(self.city.raws)}
        layout = Layout(self.city.name, self.city.config_version, self.city.intake_hash, key_id(KEY), table, raws)
        command = encode(configure_command(self.city, id="configure-1", time_s=START_S, actor="tocsin"))
        for topic, partition in (*(("counts", at) for at in range(COUNTS_PARTITIONS)), ("findings", 0)):
            self.world.wrote(self.world.log.append(self.world.now_s, topic, partition, command))
        self.world.log.append(self.world.now_s, "layout", 0, encode_layout(layout), LAYOUT_KEY)
        return layout

    def _fleet(self, rng: random.Random) -> dict[str, Callable[[], Process]]:
        """How each process is made, by its name; some seeds have two of a kind."""
        scene, skew_s = self._scene, self.world.weather.skew_s
        made: dict[str, Callable[[], Process]] = {}
        kinds: tuple[tuple[str, type[Process]], ...] = (
            ("intake", IntakeProcess),
            ("assess", AssessProcess),
            ("sink", SinkProcess),
            ("cockpit", CockpitProcess),
        )
        for name, kind in kinds:
            for number in range(rng.choice((1, 1, 2))):
                skew = rng.randrange(-skew_s, skew_s + 1)
                made[f"{name}-{number}"] = partial(kind, scene, f"{name}-{number}", skew_s=skew)
        self.people = rng.random() < 0.3
        if self.people:
            made["people-0"] = partial(People, scene, "people-0", self._looking)
        return made

    def _looking(self) -> list[CockpitProcess]:
        return [process for process in self._running.values() if isinstance(process, CockpitProcess)]

    # the scheduler

    def run(self) -> Done:
        """Until everything that was sent has come through.

        Raises:
            Unrest: it does not.
        """
        turns = 0
        while self._sent < len(self._sendings) and turns < TURNS_MAX:
            self.turn()
            turns += 1
        for _ in range(self.world.rng.randrange(60)):
            self.turn()
        self._calm()
        return Done(self.world, self.city, self.tables, self._cockpits, self.people)

    def turn(self) -> None:
        """Somebody acts, or something happens."""
        world = self.world
        before = world.process
        world.process = None
        world.log.time_out(world.now_s)
        self._happen()
        doing = self._choices()
        name, act = world.rng.choice(doing)
        world.note("turn", name, round(world.now_s, 3))
        act()
        world.process = before

    def _choices(self) -> list[tuple[str, Callable[[], None]]]:
        doing: list[tuple[str, Callable[[], None]]] = [("send", self._send)] * (3 if self._sent < len(self._sendings) else 0)
        for name in self._makers:
            process = self._running.get(name)
            if process is None:
                doing += [(f"start {name}", partial(self._start, name))] * 2
            elif not process.standing and not (isinstance(process, People) and self.world.rng.random() < 0.9):
                doing += [(name, partial(self._act, process))] * 3
                doing += [(f"{name} delivers", partial(self._deliver, process))] * any(map(len, process.producers))
        for process in self._zombies:
            if process.alive and not process.standing:
                doing.append((f"old {process.name}", partial(self._act, process)))
        return doing or [("nobody", lambda: None)]

    def _start(self, name: str) -> None:
        self.world.process = None
        process = self._running[name] = self._makers[name]()
        if isinstance(process, CockpitProcess):
            self._cockpits.append(process)

    def _act(self, process: Process) -> None:
        self._within(process, process.step)

    def _deliver(self, process: Process) -> None:
        """What a producer's own thread does meanwhile."""
        queues = [producer for producer in process.producers if len(producer)]
        if queues:
            producer = self.world.rng.choice(queues)
            self._within(process, lambda: producer.deliver(self.world.rng.randrange(1, len(producer) + 1)))

    def _within(self, process: Process, work: Callable[[], None]) -> None:
        self.world.process = process
        try:
            work()
        except Killed:
            self._die(process)
        except End:
            self.world.fault("ended_itself")
            self._die(process)
        finally:
            self.world.process = None

    def _die(self, process: Process) -> None:
        process.die()
        if self._running.get(process.name) is process:
            del self._running[process.name]

    def _send(self) -> None:
        """A producer appends some records: when they are sent, or all of them long after."""
        world = self.world
        for sent in self._sendings[self._sent : self._sent + world.rng.choice((1, 1, 2, 4, 10))]:
            if self._live:
                world.now_s = max(world.now_s, float(sent.at_s))
            self._append(sent)
            self._sent += 1

    def _append(self, sent: Sent) -> None:
        self.world.wrote(self.world.log.append(self.world.now_s, f"raw.{sent.source}", sent.partition, sent.payload))

    # faults

    def _happen(self) -> None:
        world, weather = self.world, self.world.weather
        if world.chance(weather.away):
            world.fault("broker_away")
            world.away_until_s = world.now_s + world.rng.choice(AWAY_S)
        if world.chance(weather.full):
            world.fault("disk_full")
            world.full_until_s = world.now_s + world.rng.choice(AWAY_S)
        for part, what in ((weather.kill, self._kill), (weather.stop, self._stop), (weather.again, self._again)):
            if self._running and world.chance(part):
                what(world.rng.choice(list(self._running)))
        if world.chance(weather.expel):
            self._expel()
        if world.chance(weather.compact):
            self._compact()

    def _kill(self, name: str) -> None:
        self.world.fault("killed")
        self._die(self._running[name])

    def _stop(self, name: str) -> None:
        process = self._running[name]
        if not process.standing:
            self.world.fault("stopped")
            self._within(process, process.stop)
            self._die(process)

    def _again(self, name: str) -> None:
        """Somebody takes a process for dead and starts it again; the old one goes on, for as long as it is let."""
        world = self.world
        world.fault("started_twice")
        old = self._running.pop(name)
        if not isinstance(old, People):
            self._zombies.append(old)
        self._start(name)
        self._zombies = [zombie for zombie in self._zombies if zombie.alive]
        for zombie in self._zombies[:-ZOMBIES_MAX]:
            zombie.die()

    def _expel(self) -> None:
        groups = self.world.log.groups
        members = [(group, name) for group in ("intake", "assess", "sink-clickhouse") for name in sorted(groups.of(group).members)]
        if members:
            self.world.fault("expelled")
            groups.expel(*self.world.rng.choice(members))

    def _compact(self) -> None:
        topic = self.world.rng.choice(("snapshots", "intake-state"))
        for partition in self.world.log.topics[topic]:
            dropped = partition.compact(self.world.rng.randrange(partition.stable + 1))
            if dropped:
                self.world.fault("compacted")

    # rest

    def _calm(self) -> None:
        """No more faults: zombies end, dead ones start again, the rest takes its course."""
        world = self.world
        world.weather, world.away_until_s, world.full_until_s = CALM, 0.0, 0.0
        for zombie in self._zombies:
            zombie.die()
        self._zombies = []
        world.now_s += 5.0
        world.log.time_out(world.now_s)
        self._running.pop("people-0", None)
        self._makers.pop("people-0", None)
        still, before = 0, None
        for round_ in range(ROUNDS_MAX):
            for name in self._makers:
                if name not in self._running:
                    self._start(name)
                self._act(self._running[name])
                for producer in self._running[name].producers if name in self._running else ():
                    producer.deliver(len(producer))
            if round_ == 2:
                self._forget_others()
            world.now_s += 1.0
            now = self._measure()
            still, before = (still + 1 if now == before else 0), now
            if still >= STILL_ROUNDS and round_ > 2 + STILL_ROUNDS and self._through():
                return
        raise Unrest(f"not at rest after {ROUNDS_MAX} rounds")

    def _through(self) -> bool:
        """Whether every process has done what it knows of, and the offsets of intake and of the tables have come to the ends."""
        log = self.world.log
        raws = tuple(f"raw.{name}" for name in self.city.sources)
        read = all(
            log.groups.of(group).committed.get((topic, at), (0, ""))[0] > entries[-1].offset
            for group, topics in (("intake", raws), ("sink-clickhouse", TOPICS))
            for topic in topics
            for at in range(len(log.topics[topic]))
            if (entries := log.kept(topic, at))
        )
        return read and all(process.rests() for process in self._running.values())

    def _forget_others(self) -> None:
        """Members whose process is gone for good are expelled."""
        groups = self.world.log.groups
        for group in ("intake", "assess", "sink-clickhouse"):
            kept = {name.removeprefix(f"{group}-") for name in self._makers}
            for name in sorted(groups.of(group).members):
                if name not in kept and name.removeprefix(f"{group}-") not in kept:
                    groups.expel(group, name)

    def _measure(self) -> tuple[object, ...]:
        log = self.world.log
        ends = tuple(self._ends())
        committed = tuple(sorted(log.groups.of("sink-clickhouse").committed.items()))
        told = tuple(len(cockpit.told) for cockpit in self._cockpits)
        return ends, committed, told

    def _ends(self) -> Iterator[int]:
        for name, partitions in sorted(self.world.log.topics.items()):
            if name != "snapshots":
                yield from (partition.end for partition in partitions)
