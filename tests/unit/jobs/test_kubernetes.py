"""What is printed for Kubernetes, against the schemas that Kubernetes publishes."""

from __future__ import annotations

import base64
from typing import Any

import kubernetes_validate
import msgspec
import pytest
import yaml

from harness.jobs import kubernetes, task
from harness.jobs.shards import Asked

ASKED = Asked(words=("m.yaml",), seed=7, shards=4, runs=12)
VERSIONS = ("1.27", "1.37")
"""The oldest and the newest of which pods have what is printed."""


def documents(**more: Any) -> dict[str, Any]:
    text = kubernetes.manifest(ASKED, b"packed", **more)
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_is_as_the_published_schema_wants_it(version: str) -> None:
    """Strictly: a key that Kubernetes does not know would be left out there without a word."""
    found = documents()
    assert list(found) == ["ConfigMap", "PersistentVolumeClaim", "Job"]
    for one in found.values():
        assert kubernetes_validate.validate(one, version, strict=True)
    found["Job"]["spec"]["completion"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found["Job"], version, strict=True)


def test_each_pod_has_a_shard_of_its_own() -> None:
    """As many pods as shards; each is told by Kubernetes which it is, and reads what a job of a swarm reads."""
    found = documents(image="ours/kit:1")
    job = found["Job"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 4, 4)
    (container,) = job["template"]["spec"]["containers"]
    assert (container["image"], container["command"][-1]) == ("ours/kit:1", task.MODULE)
    given = found["ConfigMap"]
    read = msgspec.json.decode(given["data"][task.TASK], type=task.Job)
    assert [read.shard_of(str(index)) for index in range(4)] == [1, 2, 3, 4]
    assert base64.b64decode(given["binaryData"][task.FILES]) == b"packed"
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounts == {"job": task.PLACE, "results": task.RESULTS}


def test_it_says_that_nobody_has_tried_it() -> None:
    """Before the first document, where whoever applies it reads it."""
    assert "never tried on a cluster" in " ".join(
        kubernetes.manifest(ASKED, b"").partition("---")[0].replace("# ", "").split()
    )
