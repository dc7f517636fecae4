from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.chaos_town import make, write_town
from load_tests.services.children import Child, Place
from load_tests.services.clickhouse import ClickHouse
from streams.core.journal import decode
from streams.model import Alert
from tests.services.pipeline import produce, records, until
from tests.services.secured import PASSWORD, PREFIX, READER, READER_PASSWORD, RIGHTS, USER, SecuredKafka

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse"), pytest.mark.needs("openssl")]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured") / "kafka") as broker:
        broker.allow()
        yield broker


def deployment(secured: SecuredKafka, folder: Path, *, user: str = USER, password: str = PASSWORD) -> Place:
    """A file of settings beside one with the password, as an operator would have it."""
    (folder / "password").write_text(password + "\n")
    path = folder / "deployment.yaml"
    path.write_text(
        f"kafka:\n  bootstrap: {secured.secure}\n  prefix: {PREFIX}\n  security: sasl_ssl\n  username: {user}\n"
        f"  password_file: {folder / 'password'}\n  ca_file: {secured.ca}\n"
    )
    return Place({"TOCSIN_DEPLOYMENT": str(path)}, folder)


def test_the_page_names_the_rights_that_are_given_here():
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    for resource, operations in RIGHTS.items():
        assert f"| {resource} | {', '.join(f'`{each}`' for each in operations)} |" in page


def logs(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("*.log"))


def test_every_process_is_let_in_by_password_over_tls_with_the_rights_the_page_names(
    secured: SecuredKafka, clickhouse: ClickHouse, tmp_path: Path
):
    place = deployment(secured, tmp_path)
    place.environ.update(clickhouse.environ("test_secured"))
    city = ["--city", str(write_town(tmp_path / "town")), "--state", str(tmp_path / "state")]
    with Child(place, "topics", "create", *city, "--partitions", "2") as making:
        assert making.wait() == 0, logs(tmp_path)
    with Child(place, "topics", "check", *city, name="check") as checking:
        assert checking.wait() == 0, logs(tmp_path)
    plain = Place({"TOCSIN_KAFKA_BOOTSTRAP": secured.bootstrap, "TOCSIN_KAFKA_PREFIX": PREFIX}, tmp_path)
    intake, assess = Child(place, "intake", *city), Child(place, "assess", "--snapshot-every", "1")
    sink, cockpit = Child(place, "sink", "clickhouse"), Child(place, "cockpit", *city, "--port", "0")
    with intake, assess, sink, cockpit:
        give(place)
        until(lambda: any(isinstance(decode(data), Alert) for data in records(plain, "alerts")), "an alert", 90)
        until(lambda: cockpit.said("loaded"), "the cockpit has read the topic", 90)
        until(lambda: sink.said("assigned"), "the sink has its partitions", 90)
        until(lambda: clickhouse.query("SELECT count() FROM test_secured.alerts FINAL") != [(0,)], "an alert in the tables", 120)
        for child in (intake, assess, sink, cockpit):
            assert child.stop() == 0, child.log.read_text()[-500:]
    assert PASSWORD.encode() not in logs(tmp_path)
    assert clickhouse.password.encode() not in logs(tmp_path)


def give(place: Place) -> None:
    for source in ("hotline", "app"):
        produce(place, source, [item.payload for item in make(12_000, seed=3) if item.source == source])


@pytest.mark.parametrize(
    ("user", "password", "words"),
    [(USER, "wrong-7c1d-never-in-a-log", "may this user log in"), (READER, READER_PASSWORD, "give this user the right to read it")],
)
def test_one_who_is_not_let_in_is_told_so(secured: SecuredKafka, tmp_path: Path, user: str, password: str, words: str):
    place = deployment(secured, tmp_path, user=user, password=password)
    city = ["--city", str(write_town(tmp_path / "town")), "--state", str(tmp_path / "state")]
    with Child(place, "topics", "check", *city) as child:
        until(lambda: words in logs(tmp_path).decode(), words, 90)
        time.sleep(0.2)
        child.send(15)
    assert password.encode() not in logs(tmp_path)
