"""The processes of the Kafka shell, as the scheduler sees them: started, let act for a moment, killed at any effect, started again.

What they do is the shells' own code; here stands only the loop around it that a thread, an event loop or Faust is in earnest.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from confluent_kafka import KafkaException
from kafka.errors import FencedInstanceIdError, KafkaError

from load_tests.simulation.clients import Producer
from load_tests.simulation.groups import Place, Stale
from load_tests.simulation.readers import FaustConsumer
from load_tests.simulation.town import KEY
from load_tests.simulation.world import World
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.core.journal import encode
from streams.model import Command, Outcome, Transition
from streams.settings import City
from streams.shells.errors import ShellError
from streams.shells.kafka import intake, sink
from streams.shells.kafka.alerts_topic import AlertsTopic
from streams.shells.kafka.deadline import Deadline
from streams.shells.kafka.host import Host, Voice
from streams.shells.kafka.lane import Lane
from streams.shells.kafka.layout import Layout
from streams.shells.kafka.machines import Judge, Machine, Score
from streams.shells.kafka.outlet import Outlet
from streams.shells.kafka.reading import ReadError
from streams.shells.kafka.settings import ClickHouseFile, ClickHouseSettings, KafkaFile, KafkaSettings, Secret
from streams.shells.kafka.snapshots import DECIDE, topic_partition
from streams.shells.meter import Meter

KAFKA = KafkaSettings(KafkaFile(bootstrap="model"), Secret(""), Secret(""))
CLICKHOUSE = ClickHouseSettings(ClickHouseFile(), Secret(""))
KEEP_EVERY_S = 86_400


class Scene(NamedTuple):
    """What all processes of one seed have in common."""

    world: World
    city: City
    layout: Layout


class Process:
    """One process under its name. ``standing``: in the middle of something while others act. A dead one is not asked again."""

    group = ""

    def __init__(self, at: Scene, name: str, *, skew_s: int = 0) -> None:
        self.at, self.world, self.name, self.skew_s = at, at.world, name, skew_s
        self.alive, self.standing = True, False
        self.producers: list[Producer] = []

    def step(self) -> None:
        """Act for a moment."""
        raise NotImplementedError

    def stop(self) -> None:
        """What it does when it is asked to end."""

    def die(self) -> None:
        """Nothing of it is left but what is in the log."""
        self.alive = False
        for producer in self.producers:
            producer.drop()

    def rests(self) -> bool:
        """Whether it has nothing left to do that it knows of."""
        return True


class End(Exception):
    """The process ends itself, with a status that has it started again."""


class IntakeProcess(Process):
    """``tocsin intake``; ``step`` mirrors ``streams.shells.kafka.intake._keep_going`` around its ``Session``."""

    group = intake.GROUP

    def __init__(self, at: Scene, name: str, *, skew_s: int = 0) -> None:
        super().__init__(at, name, skew_s=skew_s)
        deadline = Deadline("flush", intake.FLUSH_S_MAX)
        self._work = intake.Work(at.city, KAFKA, at.layout, KEY, name, Meter(), deadline)
        self._session: intake.Session | None = None

    def step(self) -> None:
        try:
            if self._session is None:
                self._session = intake.Session(self._work)
            self._session.step()
        except KafkaException as error:
            if error.args[0].code() in intake._FENCED:  # noqa: SLF001 - what the process itself goes by
                raise End from None
            self._over()
        except (ReadError, intake.Lost):
            self._over()

    def stop(self) -> None:
        if self._session is not None:
            self._session.__exit__()

    def _over(self) -> None:
        if self._session is not None:
            self._session.__exit__()
            self._session = None
        self.world.now_s += intake.BACKOFF_S[0]


class StillLane(Lane):
    """A lane whose work is done at once, by whoever asks."""

    async def _run(self, work: Callable[[], None]) -> None:
        self._timed(work)


def through(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits for something")


class AssessProcess(Process):
    """``tocsin assess``; ``step`` mirrors the agents and ``_until_stopped`` of ``streams.shells.kafka.assess.Worker``."""

    group = "assess"

    def __init__(self, at: Scene, name: str, *, skew_s: int = 0) -> None:
        super().__init__(at, name, skew_s=skew_s)
        self._lanes: dict[str, StillLane] = {}
        self._voices: dict[str, Voice] = {}
        self._later: list[tuple[str, list[int]]] = []
        self._consumer: FaustConsumer | None = None

    def step(self) -> None:
        if self._consumer is None:
            self._voices = {topic: Voice(KAFKA) for topic in ("counts", "findings")}
            self._lanes = {
                "counts": StillLane("counts", self._voices["counts"], self._open_score),
                "findings": StillLane("findings", self._voices["findings"], self._open_decide),
            }
            self._consumer = FaustConsumer(self.world, self.group, self.name, ["counts", "findings"])
        try:
            self._act(self._consumer)
        except (Stale, ShellError, KafkaException) as error:  # ``_fail``: whatever it is ends the process
            self.world.note(self.name, "failed", type(error).__name__)
            raise End from None

    def stop(self) -> None:
        """As ``Worker._end``: snapshots, so that the next start is quick; then Faust commits."""
        try:
            for lane in self._lanes.values():
                through(lane.checkpoint())
        except (ShellError, KafkaException):
            raise End from None
        if self._consumer is not None:
            self._consumer.commit()

    def _act(self, consumer: FaustConsumer) -> None:
        rng = self.world.rng
        part = consumer.poll()
        if part is not None:
            self._assigned(part)
        if self._later and rng.random() < 0.5:  # not waited for: records may come before it is through
            topic, given = self._later.pop(0)
            through(self._lanes[topic].hold(given))
        for _ in range(rng.choice((1, 3, 8))):
            if not consumer.buffer:
                break
            record = consumer.buffer.popleft()
            through(self._lanes[record.topic].take(record.partition, record.offset, record.value, record.generation))
            consumer.took(record)
        if rng.random() < 0.2:
            through(self._lanes["findings"].tick(int(self.world.now_s + self.skew_s)))
        if rng.random() < 0.15:
            for lane in self._lanes.values():
                through(lane.checkpoint())
        if rng.random() < 0.3:
            consumer.commit()

    def _assigned(self, part: list[Place]) -> None:
        self._later += [(topic, [at for name, at in part if name == topic]) for topic in self._lanes]

    def _open_score(self, partition: int) -> Host:
        hosted = self.at.layout.hosted(partition)

        def machine(configure: Command) -> Machine:
            return Score(configure, hosted, partition, Meter())

        return Host(KAFKA, "counts", partition, partition, machine, self._voices["counts"], keep_every_s=KEEP_EVERY_S)

    def _open_decide(self, partition: int) -> Host:
        slot = topic_partition(DECIDE, self.at.layout.partitions)

        def machine(configure: Command) -> Machine:
            return Judge(configure, Meter())

        return Host(KAFKA, "findings", partition, slot, machine, self._voices["findings"], keep_every_s=KEEP_EVERY_S)

    def rests(self) -> bool:
        """Whether all it was brought is taken and said."""
        at_end = self._consumer is not None and self._consumer.at_end()
        return at_end and not self._later and not any(map(len, self.producers))


class NoMetrics:
    """Takes every number and keeps none."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_numbers, **_more: None


class SinkProcess(Process):
    """``tocsin sink clickhouse``; ``step`` mirrors ``streams.shells.kafka.sink._keep_going`` around its ``Session``."""

    group = sink.GROUP

    def __init__(self, at: Scene, name: str, *, skew_s: int = 0) -> None:
        super().__init__(at, name, skew_s=skew_s)
        metrics: Any = NoMetrics()
        self._metrics = metrics
        self._outlet = Outlet(CLICKHOUSE, at.city, metrics, monotonic=lambda: at.world.now_s)
        self._session: sink.Session | None = None

    def step(self) -> None:
        try:
            if self._session is None:
                self._session = sink.Session(KAFKA, self.name, self._outlet, self._metrics)
            self._session.step()
            if self._session.over:
                self._session.finish()
                self._session = None
        except FencedInstanceIdError:
            raise End from None
        except KafkaError:
            self._session = None
            self.world.now_s += sink.BACKOFF_S[0]

    def stop(self) -> None:
        try:
            if self._session is not None:
                self._session.finish()
        except KafkaError:
            raise End from None


class Told(NamedTuple):
    """An event as a cockpit told it."""

    offset: int
    record: Transition | Outcome


class CockpitProcess(Process):
    """``tocsin cockpit``; ``step`` mirrors ``streams.shells.kafka.cockpit.Cockpit.step``. ``told``: by this process, from its start on."""

    def __init__(self, at: Scene, name: str, *, skew_s: int = 0) -> None:
        super().__init__(at, name, skew_s=skew_s)
        self.told: list[Told] = []
        self.feed: Feed | None = None
        self._topic: AlertsTopic | None = None

    def step(self) -> None:
        if self._topic is None or self.feed is None:
            try:
                self._topic = AlertsTopic(KAFKA)
            except (ReadError, KafkaException):
                raise End from None
            city = self.at.city
            self.feed = Feed(View(city.areas, city.signals, suppress_below=city.suppress_below))
            self.feed.follow(self._topic.first - 1)
        batch = self._topic.read()
        self.feed.write(batch)
        steps: list[tuple[int, Transition | Outcome]] = [
            *batch.transitions,
            *((at, outcome) for at, outcome in batch.outcomes if at is not None),
        ]
        self.told += [Told(at, record) for at, record in sorted(steps, key=lambda step: step[0])]
        if self._topic.caught_up and not self.feed.loaded:
            self.feed.caught_up()


class People(Process):
    """Who looks at the cockpit: acknowledges and silences, now and then twice under one id."""

    def __init__(self, at: Scene, name: str, cockpits: Callable[[], list[CockpitProcess]], *, skew_s: int = 0) -> None:
        super().__init__(at, name, skew_s=skew_s)
        self._cockpits, self._said = cockpits, 0
        self._producer: Producer | None = None

    def step(self) -> None:
        rng = self.world.rng
        feeds = [cockpit.feed for cockpit in self._cockpits() if cockpit.feed is not None]
        seen = [held.alert.id for feed in feeds for held in feed.open_alerts()]
        now_s = int(self.world.now_s)
        self._said += 1
        if seen and rng.random() < 0.7:
            kind, body = rng.choice((("acknowledge", ""), ("comment", ', "text": "seen"'), ("resolve", "")))
            command = Command(f"{self.name}-{self._said}", now_s, "someone", kind, f'{{"alert": "{rng.choice(seen)}"{body}}}')
        else:
            until_s = now_s + rng.choice((3_600, 86_400))
            body = f'{{"area": "{rng.choice("TABC")}", "until_s": {until_s}}}'
            command = Command(f"{self.name}-{self._said}", now_s, "someone", "silence", body)
        if self._producer is None:
            self._producer = Producer(self.world, {})
        for _ in range(rng.choice((1, 1, 2))):
            self._producer.produce("findings", encode(command))
        self._producer.flush(1.0)
