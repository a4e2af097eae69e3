"""What docker-compose.yml, the Dockerfile and Prometheus' configuration promise, read as files: no engine needed."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config_file import parse
from tests.support.complaints import each
from tests.support.tools import tool

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OWN_IMAGE = "ledger-exporter:local"


def place(service: str) -> str:
    """Where a service stands."""
    line = TEXT[: TEXT.index(f"\n  {service}:\n")].count("\n") + 2
    return f"docker-compose.yml:{line}, {service}"


def placed(item: tuple[str, Any]) -> str:
    """Where one of the things of a service stands."""
    service, thing = item
    return f"{place(service)}, {thing}"


each_service = each(SERVICES, place)


def instructions(keyword: str) -> list[str]:
    """Return the arguments of every such instruction of the Dockerfile, in order."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.startswith(f"{keyword} ")]


def mounts(name: str) -> list[tuple[str, str, str]]:
    """Return a service's volumes as (source, target, mode)."""
    return [(*volume.split(":"), "rw")[:3] for volume in SERVICES[name].get("volumes", [])]


def targets(path: Path) -> list[str]:
    """Return the addresses of one target file."""
    return [address for group in yaml.safe_load(path.read_text()) for address in group["targets"]]


def test_the_whole_picture_is_there() -> None:
    """Every part a user needs to see the ledgers drawn is a service."""
    assert set(SERVICES) == {"postgres", "platform", "exporter", "prometheus", "alertmanager", "grafana"}


@each_service
def test_images_are_pinned(name: str) -> None:
    """A release is named down to its minor version at least, or the image is built here."""
    image = SERVICES[name]["image"]

    if image == OWN_IMAGE:
        assert SERVICES[name]["build"] == "."
    else:
        assert re.search(r":v?\d+\.\d+", image)
        assert "build" not in SERVICES[name]


def test_the_base_image_is_pinned_and_one() -> None:
    """Both stages stand on the same Python, or the virtual environment would not fit."""
    bases = {base.split(" AS ")[0] for base in instructions("FROM")}

    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+", bases.pop())


def test_only_grafana_and_prometheus_are_published_and_on_the_loopback_address_only() -> None:
    """No other port leaves the internal network."""
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}

    assert published == {
        "grafana": ["127.0.0.1:${GRAFANA_PORT:-3000}:3000"],
        "prometheus": ["127.0.0.1:${PROMETHEUS_PORT:-9090}:9090"],
    }


@each_service
def test_only_what_is_published_reaches_beyond_the_internal_network(name: str) -> None:
    """Whoever publishes no port has no way out either."""
    outside = {network for network in SERVICES[name]["networks"] if not COMPOSE["networks"][network].get("internal")}

    assert bool(outside) == ("ports" in SERVICES[name])


@each_service
def test_containers_are_hardened(name: str) -> None:
    """Read-only root file system, no capability, no way to more privileges, no root by configuration."""
    service = SERVICES[name]
    hardening = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}

    assert {key: service.get(key) for key in hardening} == hardening
    assert service["read_only"] is True  # 1 would be equal
    assert service.get("user") not in ("root", "0", "0:0", 0)
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)


def test_the_image_runs_as_a_numbered_user_other_than_root() -> None:
    """By number, so that Kubernetes' runAsNonRoot can tell."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", instructions("USER")[-1])


def test_the_image_starts_the_command_on_its_port() -> None:
    """Arguments of `docker run` are those of the command."""
    assert instructions("ENTRYPOINT") == ['["ledger-exporter"]']
    assert instructions("EXPOSE") == ["9851"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_installs_locked_dependencies() -> None:
    """Nothing comes into the image without a hash, the project itself excepted."""
    installs = [run for run in instructions("RUN") if " install " in run]

    assert any("--require-hashes -r requirements.txt" in run for run in installs)
    assert [run for run in installs if "--require-hashes" not in run and "--no-deps" not in run] == []


@each_service
def test_every_service_says_whether_it_is_healthy(name: str) -> None:
    """In compose, or in the image built here."""
    own = SERVICES[name].get("healthcheck", {}).get("test")
    in_image = any("exporter.web.healthy" in check for check in instructions("HEALTHCHECK"))
    built = SERVICES[name]["image"] == OWN_IMAGE and in_image

    assert own or built


@each(((name, other) for name in SERVICES for other in SERVICES[name].get("depends_on", {})), placed)
def test_services_wait_for_healthy_ones(dependency: tuple[str, str]) -> None:
    """An order of start that means something."""
    name, other = dependency

    assert other in SERVICES
    assert SERVICES[name]["depends_on"][other] == {"condition": "service_healthy"}


@each(((name, mount) for name in SERVICES for mount in mounts(name)), placed)
def test_mounts_exist_and_those_of_the_repository_are_read_only(mount: tuple[str, tuple[str, str, str]]) -> None:
    """A missing source would be made by the engine, as an empty folder of root's."""
    _, (source, target, mode) = mount

    assert target.startswith("/")
    if source.startswith("."):
        assert (ROOT / source).exists()
        assert mode == "ro"
    else:
        assert source in COMPOSE["volumes"]


@each(((name, secret) for name in SERVICES for secret in SERVICES[name].get("secrets", [])), placed)
def test_secrets_are_declared_and_their_files_exist(given: tuple[str, str]) -> None:
    """Passwords come as files, and no service is given one it does not use."""
    name, secret = given
    service = SERVICES[name]
    rest = str({key: value for key, value in service.items() if key != "secrets"})
    configured = "".join(
        path.read_text()
        for source, *_ in mounts(name)
        if source.startswith("./deploy")
        for path in [ROOT / source, *(ROOT / source).glob("*")]
        if path.is_file()
    )

    assert (ROOT / COMPOSE["secrets"][secret]["file"]).read_text().startswith("demo-only-")
    assert f"/run/secrets/{secret}" in rest + configured


def test_the_exporter_reads_three_ledgers_as_its_own_role() -> None:
    """Its configuration is valid with the secrets where compose puts them, and its role is the one made for it."""
    file = ROOT / "deploy/compose/ledger-exporter.yml"
    config = parse(file.read_text().replace("/run/secrets", str(ROOT / "deploy/compose/secrets")), str(file))
    role = (ROOT / "exporter/demo/role.sql").read_text()

    assert {source: config.ledgers_of(source) for source in config.sources} == {
        "platform": ["cost", "impact", "budget"]
    }
    assert (
        config.sources["platform"].conninfo({}).get_secret_value().startswith("postgresql://ledger_exporter@postgres:")
    )
    assert "create role ledger_exporter login" in role
    assert [target.rsplit("/", 1)[1] for _, target, _ in mounts("postgres") if "initdb" in target] == [
        "10-schema.sql",
        "20-role.sql",
        "30-exporter-login.sql",
    ]


def test_every_volume_and_secret_is_used() -> None:
    """Nothing is declared for nobody."""
    used = {source for name in SERVICES for source, *_ in mounts(name)}

    assert set(COMPOSE["volumes"]) <= used
    assert set(COMPOSE["secrets"]) == {s for service in SERVICES.values() for s in service.get("secrets", [])}


@each(COMPOSE["secrets"], place=lambda secret: f"docker-compose.yml, password of {secret}")
def test_no_password_stands_in_the_compose_file(secret: str) -> None:
    """They stand in the secret files alone."""
    password = (ROOT / COMPOSE["secrets"][secret]["file"]).read_text().strip()

    assert [number for number, line in enumerate(TEXT.splitlines(), 1) if password in line] == [], "lines"


def test_prometheus_keeps_four_hundred_days() -> None:
    """A year of figures and a month to look back from."""
    assert "--storage.tsdb.retention.time=400d" in SERVICES["prometheus"]["command"]


def test_prometheus_finds_its_targets_on_a_host_and_in_compose() -> None:
    """One prometheus.yml; its target files exist in both places, in compose naming services."""
    config = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    discoveries = [job, *config["alerting"]["alertmanagers"]]
    files = [file for d in discoveries for sd in d["file_sd_configs"] for file in sd["files"]]

    assert job["job_name"] == "ledger-exporter"
    assert files == ["targets/ledger-exporter.yml", "targets/alertmanager.yml"]
    assert [targets(ROOT / "prometheus" / f) for f in files] == [["127.0.0.1:9851"], ["127.0.0.1:9093"]]
    assert [targets(ROOT / "deploy/compose" / f) for f in files] == [["exporter:9851"], ["alertmanager:9093"]]


def test_the_build_context_holds_what_the_image_copies_and_nothing_unnamed() -> None:
    """The ignore file lets through by name; whatever is new in the repository stays out."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {source for copy in instructions("COPY") if not copy.startswith("--from=") for source in copy.split()[:-1]}

    assert "*" in lines
    assert copied == allowed


def composed(file: Path) -> subprocess.CompletedProcess[str]:
    """What Docker Compose says of a file, by its specification's schema and its own checks; no engine is asked."""
    command = [tool("docker-compose"), f"--file={file}", f"--project-directory={ROOT}", "config", "--quiet"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.tools
def test_compose_accepts_the_file() -> None:
    """As it stands, and without a word."""
    done = composed(ROOT / "docker-compose.yml")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.tools
@pytest.mark.parametrize(
    ("written", "mistake"),
    [("  cap_drop:", "  cap_drops:"), ("stop_signal: SIGINT", "stop_signal: [SIGINT]"),
     ("- prometheus:/prometheus", "- prometheuse:/prometheus")],
)  # fmt: skip
def test_compose_would_refuse_a_mistake(written: str, mistake: str, tmp_path: Path) -> None:
    """A key that does not exist, a value of another kind, a volume that nobody declared."""
    file = tmp_path / "docker-compose.yml"
    text = (ROOT / "docker-compose.yml").read_text()
    file.write_text(text.replace(written, mistake))
    assert file.read_text() != text

    assert composed(file).returncode != 0
