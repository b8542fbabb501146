"""What openapi-python-client makes of the API, as a program that calls a relay."""

import json
import sys

from tailcast_client import Client
from tailcast_client.api.runs import get_run, list_runs, start_run
from tailcast_client.models import StartRunOfWorkflow

client = Client(base_url=sys.argv[1])
asked = StartRunOfWorkflow.from_dict({"workflow": "command", "params": {"argv": ["echo", "hello"]}})
started = start_run.sync(client=client, body=asked)
state = get_run.sync(started.run_id, client=client)
listed = list_runs.sync(client=client, workflow="command", limit=5)
missing = get_run.sync("nobody", client=client)
told = {
    "run_id": started.run_id,
    "prompt": state.prompt,
    "runs": [run.run_id for run in listed.runs],
    "missing": missing.status,
}
sys.stdout.write(json.dumps(told) + "\n")
