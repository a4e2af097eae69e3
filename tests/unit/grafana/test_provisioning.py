"""What Grafana is provisioned with, by the compose file and the demo alike."""

from pathlib import Path

import yaml

from grafana.build.__main__ import DASHBOARDS

ROOT = Path(__file__).parents[3]
PROVISIONING = ROOT / "grafana" / "provisioning"


def provisioned(kind):
    (file,) = (PROVISIONING / kind).iterdir()
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_data_source_has_a_fixed_uid_and_cannot_be_edited():
    (source,) = provisioned("datasources")["datasources"]
    assert (source["uid"], source["type"], source["editable"]) == ("ledger-prometheus", "prometheus", False)


def test_data_sources_that_are_no_longer_named_are_removed():
    assert provisioned("datasources")["prune"] is True


def test_dashboards_are_in_a_folder_of_their_own_and_cannot_be_changed():
    (provider,) = provisioned("dashboards")["providers"]
    assert (provider["folder"], provider["folderUid"], provider["allowUiUpdates"]) == ("Ledger", "ledger", False)


def test_dashboards_that_are_no_longer_there_are_removed():
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["disableDeletion"] is False


def test_compose_uses_these_files():
    (compose,) = (*ROOT.glob("docker-compose.yml"), *ROOT.glob("compose.yml"))
    mounts = [
        mount
        for service in yaml.safe_load(compose.read_text())["services"].values()
        for mount in service.get("volumes", [])
    ]
    sources = [mount.split(":")[0] if isinstance(mount, str) else mount["source"] for mount in mounts]
    assert f"./{PROVISIONING.relative_to(ROOT)}" in sources
    assert f"./{DASHBOARDS.relative_to(ROOT)}" in sources
