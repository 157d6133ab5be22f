"""Jobs about a text's findings: one that examines the text, once, and those that make a clean copy."""

from functools import partial

from shared.errors import NotFound
from shared.jobs.record import Job, JobType, NewJob, Status
from shared.requests.cleaning import CleanRequest
from shared.volume import corpus_findings
from shared.volume.corpus_findings import Findings
from web.services import Services
from web.submission.submit import submit


def findings_or_job(services: Services, corpus_id: str) -> Findings | Job:
    """Return what is odd in a text, or the job that examines it, which is queued if there is none. Raises Refused.

    A job that failed for good isn't repeated while its record is kept.
    """
    corpora = services.volume.corpora
    if (found := corpus_findings.read(corpora, corpus_id)) is not None:
        return found
    job_id = corpus_findings.examining_job(corpora, corpus_id)
    if job_id is not None and (job := _find(services, job_id)) is not None:
        failed = job.status is Status.FAILED and job.error is not None and not job.error.retryable
        if not job.ended or failed:
            return job
        if job.status is Status.SUCCEEDED and (found := corpus_findings.read(corpora, corpus_id, oldest=0)) is not None:
            return found  # by a worker of an earlier version, which would find the same again
    job = submit(services, partial(_examination, services, corpus_id))
    corpus_findings.note_job(corpora, corpus_id, job.id)
    return job


def prepare(services: Services, corpus_id: str, request: CleanRequest, job_id: str) -> NewJob:
    """Return the job that cleans a text. Raises NotFound."""
    corpus = services.volume.corpora.get(corpus_id)
    return NewJob(
        id=job_id,
        type=JobType.CLEAN,
        makes_bytes=corpus.bytes,
        params={
            "corpus_id": corpus_id,
            "remedies": request.model_dump(mode="json")["remedies"],
            "name": request.name or f"{corpus.name[:180]}, cleaned",
        },
        uses=(corpus_id,),
        max_attempts=services.settings.max_attempts,
    )


def _examination(services: Services, corpus_id: str, job_id: str) -> NewJob:
    name = services.volume.corpora.get(corpus_id).name
    return NewJob(
        id=job_id,
        type=JobType.EXAMINE,
        params={"corpus_id": corpus_id, "name": name},
        uses=(corpus_id,),
        max_attempts=services.settings.max_attempts,
    )


def _find(services: Services, job_id: str) -> Job | None:
    try:
        return services.store.jobs.get(job_id)
    except NotFound:
        return None
