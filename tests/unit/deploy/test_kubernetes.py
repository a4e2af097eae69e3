"""The manifests: generated from the files everybody uses, valid by the schemas of Kubernetes, and as restricted as they say."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kubernetes.__main__ import HERE, RULES, generate, main
from exporter import __version__, config_file
from tests.support.complaints import complaints, each
from tests.support.tools import tool

ROOT = HERE.parents[1]
DASHBOARDS = ROOT / "grafana" / "dashboards"
MANIFESTS = sorted(path for path in HERE.rglob("*.yaml") if path.name not in ("kustomization.yaml", "database.yaml"))
OLDEST_KUBERNETES, NEWEST_KUBERNETES = "1.28", "1.37"
VERSIONS = (OLDEST_KUBERNETES, NEWEST_KUBERNETES)
CRD_MODULE = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
ANNOTATION_LIMIT = 256 * 1024
"""Bytes of an object's annotations, where `kubectl apply` keeps the object as it was given."""

Manifest = dict[str, Any]


def validator() -> Any:
    """The module that validates by JSON schemas: imported where it is used, as that takes seconds."""
    return importlib.import_module("jsonschema")


def documents(text: str) -> list[Manifest]:
    """Every document of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


@cache
def kustomized(folder: str) -> str:
    """What would be applied of a folder below deploy/kubernetes. The dashboards stand outside theirs."""
    outside = ["--load-restrictor=LoadRestrictionsNone"] if folder == "dashboards" else []
    program = tool("kustomize")
    verb = "kustomize" if Path(program).name == "kubectl" else "build"
    done = subprocess.run([program, verb, *outside, HERE / folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def folder_of(name: str) -> str:
    """Where a folder of manifests stands."""
    return f"deploy/kubernetes/{name}"


def built(folder: str, kind: str) -> list[Manifest]:
    """The objects of a kind in a built folder."""
    return [manifest for manifest in documents(kustomized(folder)) if manifest["kind"] == kind]


def the(manifests: list[Manifest]) -> Manifest:
    """The only one."""
    (one,) = manifests
    return one


def named(manifest: Manifest) -> str:
    """The kind and the name of an object."""
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def check_all(manifests: list[Manifest], version: str) -> None:
    """Validate the objects that are Kubernetes' own; those of the Prometheus operator are not."""
    own = [manifest for manifest in manifests if "monitoring.coreos.com" not in manifest["apiVersion"]]
    found = complaints(own, lambda manifest: check(manifest, version), named) if own else []
    assert not found, "\n".join(found)


def check(manifest: Manifest, version: str) -> None:
    """Validate an object of Kubernetes' own strictly: unknown fields are errors."""
    import kubernetes_validate as validator  # noqa: PLC0415 - it takes a second to load

    try:
        validator.validate(manifest, version, strict=True)
    except validator.ValidationError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def crds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    """The schemas of the Prometheus operator by kind, from its Go module."""
    done = subprocess.run(
        [tool("go"), "mod", "download", "-json", CRD_MODULE],
        cwd=tmp_path_factory.mktemp("go"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(json.loads(done.stdout)["Dir"]) / "example" / "prometheus-operator-crd"
    names = {"ServiceMonitor": "servicemonitors", "PrometheusRule": "prometheusrules"}
    found = {
        kind: yaml.safe_load((folder / f"monitoring.coreos.com_{name}.yaml").read_text())
        for kind, name in names.items()
    }
    return {kind: _strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]) for kind, crd in found.items()}


def _strict(schema: Any) -> Any:
    """A schema that knows no fields but those it names; patterns are left out, which are written for Go."""
    if isinstance(schema, dict):
        closed = {key: _strict(value) for key, value in schema.items() if key != "pattern"}
        if isinstance(schema.get("properties"), dict):
            closed.setdefault("additionalProperties", False)
        return closed
    return [_strict(one) for one in schema] if isinstance(schema, list) else schema


class TestRules:
    def test_the_committed_file_is_as_generated(self) -> None:
        assert main(["--check"]) == 0

    def test_the_check_can_fail(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that is missing, or differs in one character, fails the check; writing it makes the check pass."""
        file = tmp_path / "rules.yaml"
        assert main(["--check", f"--output={file}"]) == 1

        file.write_text(generate() + "#")
        assert main(["--check", f"--output={file}"]) == 1
        assert "make manifests" in capsys.readouterr().err

        assert main([f"--output={file}"]) == 0
        assert main(["--check", f"--output={file}"]) == 0

    def test_they_are_those_of_prometheus(self) -> None:
        """Every file of rules, whole, under the name of its view."""
        expected = {f"ledger-{file.stem}": yaml.safe_load(file.read_text()) for file in RULES.glob("*.yml")}

        assert expected
        assert expected == {rule["metadata"]["name"]: rule["spec"] for rule in documents(generate())}


class TestDashboards:
    @pytest.mark.tools
    def test_they_are_those_of_grafana(self) -> None:
        """Every board, to the byte, with the label that Grafana's sidecar looks for."""
        found = built("dashboards", "ConfigMap")

        assert {file.name: file.read_text() for file in DASHBOARDS.glob("*.json")} == {
            name: board for config_map in found for name, board in config_map["data"].items()
        }
        assert {config_map["metadata"]["labels"]["grafana_dashboard"] for config_map in found} == {"1"}

    def test_none_is_left_out(self) -> None:
        """Also where kustomize is not installed."""
        kustomization = yaml.safe_load((HERE / "dashboards" / "kustomization.yaml").read_text())
        named = {name for generator in kustomization["configMapGenerator"] for name in generator["files"]}

        assert {f"../../../grafana/dashboards/{file.name}" for file in DASHBOARDS.glob("*.json")} == named

    @pytest.mark.tools
    def test_they_can_be_applied_by_the_client(self) -> None:
        """Which keeps a copy of each object in an annotation."""
        found = built("dashboards", "ConfigMap")
        sizes = {named(config_map): len(json.dumps(config_map, ensure_ascii=False).encode()) for config_map in found}

        assert sizes
        assert {name: size for name, size in sizes.items() if size >= ANNOTATION_LIMIT} == {}


class TestSchemas:
    @staticmethod
    @each(product(MANIFESTS, VERSIONS), place=lambda item: f"{item[0].relative_to(ROOT)}, Kubernetes {item[1]}")
    def test_every_file_is_valid_as_it_stands(item: tuple[Path, str]) -> None:
        file, version = item
        check_all(documents(file.read_text()), version)

    @staticmethod
    @pytest.mark.tools
    @each(
        product([".", "base", "dashboards", "example"], VERSIONS),
        place=lambda item: f"{folder_of(item[0])}, Kubernetes {item[1]}",
    )
    def test_what_is_applied_is_valid(item: tuple[str, str]) -> None:
        folder, version = item
        check_all(documents(kustomized(folder)), version)

    @pytest.mark.parametrize("version", VERSIONS)
    def test_the_check_can_fail(self, version: str) -> None:
        """A misspelt field is refused by a server only where it is asked to; here always."""
        manifest = the(documents((HERE / "base" / "deployment.yaml").read_text()))
        manifest["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}

        with pytest.raises(AssertionError, match=r"Deployment ledger-exporter: .*readynessProbe"):
            check_all([manifest], version)

    @staticmethod
    @pytest.mark.tools
    @each(["monitoring", "example"], place=folder_of)
    def test_what_the_operator_reads_is_valid(folder: str, crds: dict[str, Manifest]) -> None:
        manifests = [manifest for kind in crds for manifest in built(folder, kind)]
        found = complaints(manifests, lambda manifest: validator().validate(manifest, crds[manifest["kind"]]), named)

        assert len(manifests) == 1 + len(list(RULES.glob("*.yml")))
        assert not found, "\n".join(found)

    @pytest.mark.tools
    def test_the_operators_check_can_fail(self, crds: dict[str, Manifest]) -> None:
        manifest = yaml.safe_load((HERE / "monitoring" / "service-monitor.yaml").read_text())
        manifest["spec"]["endpoints"][0]["intervall"] = "15s"

        with pytest.raises(validator().ValidationError, match="intervall"):
            validator().validate(manifest, crds["ServiceMonitor"])


each_deployment = each(["base", "example"], place=folder_of)


def pod_of(folder: str) -> Manifest:
    """What the Deployment of a built folder says of its pods."""
    pod: Manifest = the(built(folder, "Deployment"))["spec"]["template"]["spec"]
    return pod


def container_of(folder: str) -> Manifest:
    """The only container of its pods."""
    return the(pod_of(folder)["containers"])


@pytest.mark.tools
class TestDeployment:
    @staticmethod
    @each_deployment
    def test_it_is_restricted(folder: str) -> None:
        """What the Pod Security Standard `restricted` asks for, and a read-only root file system."""
        pod, container = pod_of(folder), container_of(folder)

        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "privileged": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.keys()
        assert all({"configMap", "secret"} & volume.keys() for volume in pod["volumes"])

    @staticmethod
    @each_deployment
    def test_it_has_no_token(folder: str) -> None:
        """The exporter asks nothing of Kubernetes."""
        assert pod_of(folder)["automountServiceAccountToken"] is False

    @staticmethod
    @each_deployment
    def test_it_runs_as_the_user_of_the_image(folder: str) -> None:
        (user,) = re.findall(r"^USER (\d+):(\d+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        context = pod_of(folder)["securityContext"]

        assert user == (str(context["runAsUser"]), str(context["runAsGroup"]))

    @staticmethod
    @each_deployment
    def test_it_is_this_version(folder: str) -> None:
        assert container_of(folder)["image"].endswith(f"ledger-exporter:{__version__}")

    @staticmethod
    @each_deployment
    def test_it_says_how_much_it_needs(folder: str) -> None:
        resources = container_of(folder)["resources"]

        assert {"cpu", "memory"} == resources["requests"].keys()
        assert "memory" in resources["limits"]

    @staticmethod
    @each_deployment
    def test_it_is_asked_by_http_whether_it_is_well(folder: str) -> None:
        container = container_of(folder)
        paths = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}

        assert paths == {"startupProbe": "/-/ready", "readinessProbe": "/-/ready", "livenessProbe": "/-/healthy"}

    @staticmethod
    @each_deployment
    def test_a_changed_configuration_is_a_new_rollout(folder: str) -> None:
        (name,) = (volume["configMap"]["name"] for volume in pod_of(folder)["volumes"] if "configMap" in volume)

        assert re.fullmatch(r"ledger-exporter-[a-z0-9]{10}", name)

    @staticmethod
    @each_deployment
    def test_environment_of_services_is_off(folder: str) -> None:
        """A Service of this name would set variables that begin like the exporter's own."""
        assert pod_of(folder)["enableServiceLinks"] is False


@pytest.mark.tools
class TestConfiguration:
    @staticmethod
    @each_deployment
    def test_it_is_valid_and_its_secrets_are_mounted(folder: str, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("secret\n")
        config_map = the([one for one in built(folder, "ConfigMap") if "ledger-exporter.yml" in one["data"]])
        text = config_map["data"]["ledger-exporter.yml"]
        mounts = {mount["mountPath"] for mount in container_of(folder)["volumeMounts"]}
        files = re.findall(r"_file: (\S+)", text)

        config = config_file.parse(text.replace("/run/secrets/ledger-exporter", str(tmp_path)), folder)

        assert config.sources["platform"].password({})
        assert mounts == {"/etc/ledger-exporter", "/run/secrets/ledger-exporter"}
        assert [file for file in files if not file.startswith("/run/secrets/ledger-exporter/")] == []


each_whole = each([".", "example"], place=folder_of)


@pytest.mark.tools
class TestWiring:
    @staticmethod
    @each_whole
    def test_service_monitor_and_network_policy_find_the_pods(folder: str) -> None:
        service, policy = the(built(folder, "Service")), the(built(folder, "NetworkPolicy"))
        monitor = the(built(folder, "ServiceMonitor"))["spec"]
        labels = the(built(folder, "Deployment"))["spec"]["template"]["metadata"]["labels"]

        assert service["spec"]["selector"].items() <= labels.items()
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert [one["port"] for one in monitor["endpoints"]] == [one["name"] for one in service["spec"]["ports"]]

    @staticmethod
    @each_whole
    def test_the_job_is_called_as_in_the_configuration_of_prometheus(folder: str) -> None:
        """Prometheus' job is the value of a label of the Service."""
        label = the(built(folder, "ServiceMonitor"))["spec"]["jobLabel"]
        (job,) = re.findall(r"job_name: (ledger-\S+)", (RULES.parent / "prometheus.yml").read_text())

        assert the(built(folder, "Service"))["metadata"]["labels"][label] == job

    @staticmethod
    @each_whole
    def test_nothing_comes_in_or_goes_out_unnamed(folder: str) -> None:
        policy = the(built(folder, "NetworkPolicy"))["spec"]
        ways_out = [sorted(port["port"] for port in rule["ports"]) for rule in policy["egress"]]

        assert policy["policyTypes"] == ["Ingress", "Egress"]
        assert ways_out == [[53, 53], [5432]]
        assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": "metrics", "protocol": "TCP"}]]

    @staticmethod
    @each_whole
    def test_objects_have_unique_names(folder: str) -> None:
        names = Counter(named(one) for one in documents(kustomized(folder)))

        assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.tools
class TestExample:
    def test_everything_is_in_its_namespace_which_is_restricted(self) -> None:
        namespace = the(built("example", "Namespace"))["metadata"]
        others = [one["metadata"] for one in documents(kustomized("example")) if one["kind"] != "Namespace"]

        assert {one["namespace"] for one in others} == {namespace["name"]}
        assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_it_runs_a_pair_of_which_one_stays(self) -> None:
        budget = the(built("example", "PodDisruptionBudget"))["spec"]
        deployment = the(built("example", "Deployment"))["spec"]

        assert deployment["replicas"] == 2
        assert budget["maxUnavailable"] == 1
        assert budget["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()

    def test_the_pair_is_spread_over_nodes(self) -> None:
        """As far as there are several: one more of the pair on a node than on another, and not more."""
        template = the(built("example", "Deployment"))["spec"]["template"]
        spread = the(template["spec"]["topologySpreadConstraints"])

        assert (spread["topologyKey"], spread["maxSkew"]) == ("kubernetes.io/hostname", 1)
        assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
        assert spread["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()

    def test_the_database_has_one_address(self) -> None:
        rule = the(built("example", "NetworkPolicy"))["spec"]["egress"][1]

        assert rule["to"] == [{"ipBlock": {"cidr": "10.0.0.15/32"}}]

    def test_what_the_operator_selects_by_release_has_the_label(self) -> None:
        releases = {
            kind: {one["metadata"]["labels"]["release"] for one in built("example", kind)}
            for kind in ("ServiceMonitor", "PrometheusRule")
        }

        assert releases == {kind: {"kube-prometheus-stack"} for kind in releases}


def test_the_documentation_is_of_this_version() -> None:
    """The image that the page builds is the one that the example runs; what is referred to from elsewhere has its tag."""
    page, example = (ROOT / "docs" / "kubernetes.md").read_text(), (HERE / "example" / "kustomization.yaml").read_text()

    assert {*re.findall(r"ledger-exporter:([\d.]+)", page)} == {__version__}
    assert {*re.findall(r"\?ref=v(\S+)", example)} == {__version__}


@each(sorted(HERE.rglob("kustomization.yaml")), place=lambda file: file.relative_to(ROOT))
def test_every_kustomization_names_files_that_exist(file: Path) -> None:
    """Also where neither kustomize nor kubectl is installed."""
    names = list(_files(yaml.safe_load(file.read_text())))

    assert names
    assert [name for name in names if not (file.parent / name).exists()] == []


def _files(kustomization: Manifest) -> Iterator[str]:
    yield from kustomization.get("resources", [])
    for generator in kustomization.get("configMapGenerator", []):
        yield from generator["files"]
    yield from (patch["path"] for patch in kustomization.get("patches", []) if "path" in patch)
