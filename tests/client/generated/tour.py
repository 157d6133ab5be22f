"""From a text to a text with the client that openapi-python-client generates."""

import io
import json
import sys
from typing import Any

from generated_client import Client
from generated_client.api.corpora import create_corpus
from generated_client.api.events import list_events
from generated_client.api.jobs import get_job
from generated_client.api.models import get_model
from generated_client.api.submissions import create_generate_job, create_train_job
from generated_client.models import (
    CreateCorpusFilesBody,
    GenerateRequest,
    GenerateResult,
    Job,
    StreamRequest,
    TextEvent,
    TrainResult,
)
from generated_client.types import File

url, text = sys.argv[1:]
client = Client(base_url=url, timeout=60)


def ended(job: Any) -> Job:
    """Return a job when it has succeeded."""
    while job.status not in ("succeeded", "failed", "cancelled"):
        job = get_job.sync(job.id, client=client, wait=20)
    assert job.status == "succeeded", job.error
    return job


file = File(payload=io.BytesIO(text.encode()), file_name="tour.txt")
corpus = create_corpus.sync(client=client, body=CreateCorpusFilesBody(file=file, name="Tour"))
request = StreamRequest(corpus_id=corpus.id, max_seconds=1)
trained = ended(create_train_job.sync(client=client, body=request, idempotency_key="tour-py"))
assert isinstance(trained.result, TrainResult)
request = GenerateRequest(model_id=trained.result.model_id, length=40)
written = ended(create_generate_job.sync(client=client, body=request))
assert isinstance(written.result, GenerateResult)
events = list_events.sync(written.id, client=client).data
summary = {
    "params": trained.params.to_dict(),
    "text": written.result.outputs[0].text,
    "pieces": "".join(event.data.delta for event in events if isinstance(event, TextEvent)),
    "code": get_model.sync("mod_00000000000000000000000000", client=client).code,
}
sys.stdout.write(json.dumps(summary))
