"""The same runs as an indexed Job of Kubernetes, with its volume: printed, never submitted.

Each pod does what a job of a swarm does, and leaves its results on a volume that all of them share. A pod
that is started again goes on with what it finds there. Pure: nobody here talks to a cluster.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import yaml

from harness.jobs import task
from harness.jobs.shards import Asked
from harness.jobs.task import Job
from harness.topology.docker import kit_image

NAME = "failover-kit"
TRIES = 3
"""How often a pod of one shard may fail, as of a swarm; also where its machine is gone."""

_VOLUME_SIZE = "10Gi"
_LASTS_S = 7 * 24 * 3600

_ABOUT = """\
# {runs} runs in {shards} shards, each a pod. This file is checked against the published schemas, and was
# never tried on a cluster.
#
# The volume must be one that pods on several machines can write to (ReadWriteMany): name a storageClassName
# that has such volumes. The image must be where the cluster's machines can get it: make kit-image,
# docker tag, docker push. If your cluster does not give pods the capabilities SYS_ADMIN and NET_ADMIN, leave
# them out: scenarios with network faults are SKIPPED then.
#
#   kubectl apply -f THIS_FILE
#   kubectl wait --for=condition=complete --timeout=168h job/{name}
#
# Then start a pod that mounts the claim {name}-results, and copy what lies there to ./results
# (kubectl cp):
#
#   failover-kit merge results/*/*-*-*-*
#   failover-kit decide runs/*-merged-*
"""


def manifest(asked: Asked, files: bytes, *, image: str | None = None) -> str:
    """YAML with all that `kubectl apply` needs. `image`: of the kit, as the cluster's registry has it."""
    job = Job(asked=asked, todo=tuple(range(1, asked.shards + 1)))
    given = task.written(job)
    name = f"{NAME}-{hashlib.sha256(given + files).hexdigest()[:8]}"
    documents = [
        _configuration(name, given, files),
        _claim(name),
        _job(name, asked, image or kit_image.tag()),
    ]
    text = yaml.safe_dump_all(documents, sort_keys=False, width=100)
    return f"{_ABOUT.format(runs=asked.runs, shards=asked.shards, name=name)}---\n{text}"


def _configuration(name: str, given: bytes, files: bytes) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {task.TASK: given.decode()},
        "binaryData": {task.FILES: base64.b64encode(files).decode()},
    }


def _claim(name: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"{name}-results"},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": _VOLUME_SIZE}},
        },
    }


def _job(name: str, asked: Asked, image: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "completionMode": "Indexed",
            "completions": asked.shards,
            "parallelism": asked.shards,
            "backoffLimit": TRIES * asked.shards,
            "activeDeadlineSeconds": _LASTS_S,
            "template": {"metadata": {"labels": {"app": name}}, "spec": _pod(name, image)},
        },
    }


def _pod(name: str, image: str) -> Mapping[str, Any]:
    """One on a machine at a time: two would make each other late."""
    alone = {"labelSelector": {"matchLabels": {"app": name}}, "topologyKey": "kubernetes.io/hostname"}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 60,
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [alone]}},
        "containers": [
            {
                "name": "kit",
                "image": image,
                "command": list(task.COMMAND),
                "securityContext": {"capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]}},
                "volumeMounts": [
                    {"name": "job", "mountPath": task.PLACE, "readOnly": True},
                    {"name": "results", "mountPath": task.RESULTS},
                ],
            }
        ],
        "volumes": [
            {"name": "job", "configMap": {"name": name}},
            {"name": "results", "persistentVolumeClaim": {"claimName": f"{name}-results"}},
        ],
    }
