"""A real Apache Kafka 4 for the tests: jars through Maven on the machine's Java, else Docker's image."""

import shutil
import tempfile
import uuid
from pathlib import Path

from aiokafka.client import AIOKafkaClient

from tests.support.programs import CACHE, Unobtainable, apt_install, docker_answers, first_that_works, run, version_of
from tests.support.server import Launch, free_port

VERSION = "4.3.1"
OLDEST_JAVA = 17
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qk"
JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")  # kind to two cores
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>kafka-server</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
<dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
</dependencies></project>
"""
# Topics are made by our own code: a broker that makes them itself would hide a forgotten one.
SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
}


def prepare() -> Launch:
    """A broker to start; `Unobtainable` when there is no way to one."""
    return first_that_works([_installed, _docker, _debian], f"Apache Kafka {VERSION}")


def joining(first: Launch) -> Launch:
    """A second broker of the cluster of this one, which runs on this machine."""
    assert first.data
    said = dict(line.split("=", 1) for line in (first.data / "server.properties").read_text().splitlines())
    port = free_port()
    place = f"PLAINTEXT://127.0.0.1:{port}"
    own = {"process.roles": "broker", "node.id": "2", "listeners": place, "advertised.listeners": place}
    java, jars = first.command[0], Path(first.command[first.command.index("-cp") + 1]).parent
    return _formatted(java, jars, said | own, port)


async def answers(url: str) -> None:
    """Return when the broker tells its cluster; raises a Kafka error until then."""
    client = AIOKafkaClient(bootstrap_servers=url.removeprefix("kafka://"), request_timeout_ms=2000)
    try:
        await client.bootstrap()
    finally:
        await client.close()


def _installed() -> Launch:
    java = shutil.which("java")
    if java is None or version_of(java, "-version") < OLDEST_JAVA:
        raise Unobtainable(f"no Java {OLDEST_JAVA}+ installed")
    return _broker(java, _jars())


def _debian() -> Launch:
    apt_install("default-jre-headless", "maven")
    return _installed()


def _docker() -> Launch:
    if not docker_answers():
        raise Unobtainable("no Docker daemon answers")
    image = f"apache/kafka:{VERSION}"
    run(["docker", "pull", "-q", image], timeout=600)
    port, controller, name = free_port(), free_port(), f"dangol-kafka-{uuid.uuid4().hex[:8]}"
    logs = "/var/lib/kafka/data"  # the image's own folder: its user may write there
    settings = {**_listeners(port, controller, bind="0.0.0.0"), "log.dirs": logs, "cluster.id": CLUSTER}
    given = [part for key, value in settings.items() for part in ("-e", f"{_variable(key)}={value}")]
    place = ("--name", name, "-v", f"{name}:{logs}", "-p", f"127.0.0.1:{port}:{port}")
    return Launch(("docker", "run", "--rm", *place, *given, image), url=_url(port), container=name)


def _jars() -> Path:
    jars = CACHE / f"kafka-{VERSION}"
    if jars.is_dir():
        return jars
    maven = shutil.which("mvn")
    if maven is None:
        raise Unobtainable("no Maven to fetch Kafka's jars with")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        Path(work, "pom.xml").write_text(POM)
        copy = ["dependency:copy-dependencies", "-DoutputDirectory=jars", "-DincludeScope=runtime"]
        run([maven, "-q", "-B", *copy], timeout=900, cwd=Path(work))
        Path(work, "jars").rename(jars)
    return jars


def _broker(java: str, jars: Path) -> Launch:
    port, controller = free_port(), free_port()
    return _formatted(java, jars, _listeners(port, controller, bind="127.0.0.1"), port)


def _formatted(java: str, jars: Path, settings: dict[str, str], port: int) -> Launch:
    data = Path(tempfile.mkdtemp(prefix="dangol-kafka-"))
    properties = data / "server.properties"
    said = settings | {"log.dirs": str(data / "log")}
    properties.write_text("".join(f"{key}={value}\n" for key, value in said.items()))
    storage = ["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(properties)]
    run([java, "-cp", f"{jars}/*", *storage], timeout=120)
    command = (java, *JVM, "-cp", f"{jars}/*", "kafka.Kafka", str(properties))
    return Launch(command, url=_url(port), data=data)


def _listeners(port: int, controller: int, bind: str) -> dict[str, str]:
    return {
        **SETTINGS,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://{bind}:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
    }


def _variable(setting: str) -> str:
    """The image's name for a broker setting."""
    return "CLUSTER_ID" if setting == "cluster.id" else "KAFKA_" + setting.upper().replace(".", "_")


def _url(port: int) -> str:
    return f"kafka://127.0.0.1:{port}"
