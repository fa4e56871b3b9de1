"""The manifests of deploy/: their schemas, and what Ray's autoscaler makes of the clusters.

Kubernetes' own kinds, and the pods inside the others, are checked against the schemas in kubernetes-validate. KubeRay's
and Kueue's kinds are in no package: here are the names of their fields, after the API references of KubeRay 1.5 and
Kueue 0.13. Ray's reader of a RayCluster and Ray's scheduler say what the numbers mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import _derive_autoscaling_config_from_ray_cr
from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
from ray.core.generated import autoscaler_pb2

from clt_ray.orchestration.slices import hosts_and_resources
from clt_ray.sweep.sections import HardwareSpec

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = sorted(path for folder in ("kuberay", "kueue", "mlflow") for path in (DEPLOY / folder).glob("*.yaml"))
KUBERNETES = "1.33"

CLUSTER = {
    "rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions", "headGroupSpec", "workerGroupSpecs",
    "suspend", "managedBy", "gcsFaultToleranceOptions", "headServiceAnnotations",
}  # fmt: skip
AUTOSCALER = {"version", "idleTimeoutSeconds", "upscalingMode", "resources", "env", "envFrom", "image"}
HEAD = {"rayStartParams", "template", "serviceType", "headService", "enableIngress", "labels", "resources"}
WORKERS = {
    "groupName", "replicas", "minReplicas", "maxReplicas", "numOfHosts", "rayStartParams", "labels", "resources",
    "template", "idleTimeoutSeconds", "suspend", "scaleStrategy",
}  # fmt: skip
JOB = {
    "entrypoint", "runtimeEnvYAML", "backoffLimit", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "suspend",
    "rayClusterSpec", "submissionMode", "submitterConfig", "submitterPodTemplate", "activeDeadlineSeconds", "metadata",
}  # fmt: skip
KUEUE = {
    "ResourceFlavor": {"nodeLabels", "nodeTaints", "tolerations"},
    "ProvisioningRequestConfig": {"provisioningClassName", "managedResources", "parameters", "retryStrategy"},
    "AdmissionCheck": {"controllerName", "parameters"},
    "ClusterQueue": {"namespaceSelector", "resourceGroups", "admissionChecksStrategy", "cohort", "preemption"},
    "LocalQueue": {"clusterQueue"},
}


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def clusters() -> Iterator[tuple[str, dict[str, Any]]]:
    """The Ray clusters of all manifests, as RayCluster documents in a namespace."""
    for path in MANIFESTS:
        for document in documents(path):
            spec = document.get("spec", {})
            spec = spec.get("rayClusterSpec", spec)
            if "headGroupSpec" in spec:
                yield f"{path.parent.name}-{path.stem}", {"metadata": {"name": "c", "namespace": "n"}, "spec": spec}


CLUSTERS = dict(clusters())


def validate(document: Mapping[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kubernetes_validate.validate(dict(document), KUBERNETES, strict=True)


@pytest.mark.parametrize(
    "path", [path for path in MANIFESTS if path.name != "compose.yaml"], ids=lambda path: path.stem
)
def test_a_manifest_matches_its_schema(path: Path) -> None:
    for document in documents(path):
        group = document["apiVersion"].partition("/")[0]
        if group == "ray.io":
            assert set(document["spec"]) <= (JOB if document["kind"] == "RayJob" else CLUSTER)
        elif group == "kueue.x-k8s.io":
            assert set(document.get("spec", {})) <= KUEUE[document["kind"]]
        else:
            validate(document)


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_has_known_fields_and_valid_pods(name: str) -> None:
    spec = CLUSTERS[name]["spec"]
    assert set(spec) <= CLUSTER
    assert set(spec.get("autoscalerOptions", {})) <= AUTOSCALER
    assert set(spec["headGroupSpec"]) <= HEAD
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        assert set(group) <= WORKERS | HEAD
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        validate({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "p"}, "template": group["template"]})


@pytest.mark.parametrize("name", CLUSTERS)
def test_ray_reads_the_resources_of_each_host(name: str) -> None:
    config = _derive_autoscaling_config_from_ray_cr(CLUSTERS[name])
    types = config["available_node_types"]
    assert types["headgroup"]["resources"]["CPU"] == 0
    for group in CLUSTERS[name]["spec"]["workerGroupSpecs"]:
        topology = group["labels"]["ray.io/tpu-topology"]
        hosts, worker = hosts_and_resources(HardwareSpec(accelerator="TPU-V5LITEPOD", topology=topology))
        kind = types[group["groupName"]]
        assert group["numOfHosts"] == hosts
        assert kind["max_workers"] == group["maxReplicas"] * hosts
        assert kind["min_workers"] == group["minReplicas"] * hosts
        assert all(kind["resources"].get(resource, 0) >= amount for resource, amount in worker.items())
        assert kind["resources"]["accelerator_type:TPU-V5LITEPOD"] == 1
        assert kind["resources"][f"TPU-{group['labels']['ray.io/tpu-pod-type']}-head"] == 1


def launched(name: str, slices: int, drop: str = "") -> dict[str, int]:
    """What Ray's scheduler starts for this many runs on a cluster without workers; `drop` removes a resource."""
    config = _derive_autoscaling_config_from_ray_cr(CLUSTERS[name])
    for kind in config["available_node_types"].values():
        kind["resources"].pop(drop, None)
    settings = AutoscalingConfig(config, skip_content_hash=True)
    proto: Any = autoscaler_pb2
    bundle = proto.ResourceRequest(
        resources_bundle={"CPU": 1, "TPU": 4, "accelerator_type:TPU-V5LITEPOD": 0.001}, placement_constraints=[]
    )
    # Ray Train asks for the resources of all runs together, those that run and those that wait.
    demand = proto.ClusterResourceConstraint(
        resource_requests=[proto.ResourceRequestByCount(request=bundle, count=16 * slices)]
    )
    request = SchedulingRequest(
        node_type_configs=settings.get_node_type_configs(), max_num_nodes=settings.get_max_num_nodes(),
        cluster_resource_constraints=[demand], idle_timeout_s=600.0, disable_launch_config_check=True,
    )  # fmt: skip
    reply = ResourceDemandScheduler(None).schedule(request)
    return {launch.instance_type: launch.count for launch in reply.to_launch if launch.instance_type != "headgroup"}


def test_a_cluster_without_workers_starts_whole_slices() -> None:
    assert launched("kuberay-raycluster", 1) == {"v5e-64": 16}
    assert launched("kuberay-raycluster", 2) == {"v5e-64": 32}
    assert launched("kuberay-rayjob", 1) == {"v5e-64": 16}


def test_without_the_accelerator_type_nothing_would_start() -> None:
    """Why raycluster.yaml writes down a resource that every TPU host has anyway."""
    assert launched("kuberay-raycluster", 1, drop="accelerator_type:TPU-V5LITEPOD") == {}


def test_more_runs_than_slices_start_nothing_at_all() -> None:
    """Ray's scheduler takes or leaves the sum of all demands, so a sweep must not ask for more than can exist."""
    assert launched("kuberay-raycluster", 3) == {}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_requires_a_token_and_has_no_secret(name: str) -> None:
    assert CLUSTERS[name]["spec"]["authOptions"] == {"mode": "token"}
    assert CLUSTERS[name]["spec"].get("autoscalerOptions", {"version": "v2"})["version"] == "v2"


def test_the_versions_of_ray_agree() -> None:
    import ray

    assert {cluster["spec"]["rayVersion"] for cluster in CLUSTERS.values()} == {ray.__version__}


def test_mlflow_has_its_password_in_no_command() -> None:
    compose = documents(DEPLOY / "mlflow" / "compose.yaml")[0]
    assert compose["secrets"]["postgres-password"] == {"file": "./postgres-password"}
    for service in compose["services"].values():
        assert service["secrets"] == ["postgres-password"]
        assert "POSTGRES_PASSWORD" not in service.get("environment", {})
    assert compose["services"]["server"]["ports"] == ["${MLFLOW_LISTEN:-127.0.0.1}:5000:5000"]
    for document in documents(DEPLOY / "mlflow" / "kubernetes.yaml"):
        for container in document.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            secrets = [entry for entry in container.get("env", []) if "PASSWORD" in entry["name"]]
            assert all(entry["valueFrom"]["secretKeyRef"]["name"] == "mlflow-database" for entry in secrets) and secrets
            assert all("password" not in argument.lower() for argument in container.get("args", []))
