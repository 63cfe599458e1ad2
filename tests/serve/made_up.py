"""Schemathesis makes requests from the OpenAPI document and looks whether the answers are as it says. And the documents' YAML is YAML."""

import os
import re
import subprocess
import sys
import tempfile

import yaml

from common import ROOT, SCRIPTED, scripted_environment, service

text = (ROOT / "docs" / "scale-out.md").read_text()
blocks = re.findall(r"```yaml\n(.*?)```", text, re.S)
documents = [document for block in blocks for document in yaml.safe_load_all(block)]
assert len(documents) == 3, "Envoy's, and two of Kubernetes"
envoy = documents[0]["static_resources"]["clusters"][0]
assert envoy["lb_policy"] == "RING_HASH"

with tempfile.TemporaryDirectory() as folder:
    with service(worker=SCRIPTED, environment=scripted_environment(folder)) as it:
        program = os.path.join(os.path.dirname(sys.executable), "schemathesis")
        # The events have no end. What is sent to a route by another method is axum's matter.
        command = [program, "run", it.url + "/openapi.json", "--max-examples", "25", "--phases", "examples,coverage,fuzzing",
                   "--exclude-path", "/v1/events", "--seed", "18", "--no-color", "--request-timeout", "60",
                   "--exclude-checks", "unsupported_method,positive_data_acceptance", "--warnings", "off"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
        print("schemathesis:", done.stdout.strip().splitlines()[-1])
