"""Runs one job: claims it, does it while the lease is held, and ends it."""

import logging
import time
from contextlib import suppress

from shared import logs
from shared.errors import (
    Conflict,
    JobFailed,
    LeaseLost,
    NewerVersion,
    NotFound,
    StoreUnavailable,
    VolumeGone,
    VolumeUnavailable,
)
from shared.jobs.record import EMPTIED, End, JobError, JobType, Status
from shared.store import Claim
from shared.tracing import Span, trace_id
from worker.jobs.attempt import Attempt, Outcome, Sealed, Stopped, WorkerContext, Written
from worker.jobs.clean_job import run_clean, run_examine
from worker.jobs.extract_job import run_extract
from worker.jobs.generate_job import run_generate
from worker.jobs.import_job import run_import
from worker.jobs.lease import Lease, StopRequest, StopRequested
from worker.jobs.newer_jobs import check_job
from worker.jobs.publish import complete
from worker.jobs.reporter import RECORD_S, TEXT_S, Reporter
from worker.jobs.spans import begin_attempt
from worker.jobs.train_job import run_train

log = logging.getLogger(__name__)

#: Longest wait for a reaper after Redis restarted or failed over, and time between two checks, seconds.
COMPARED_S, COMPARED_LOOK_S = 30.0, 0.2

_RUN = {
    JobType.TRAIN: run_train,
    JobType.GENERATE: run_generate,
    JobType.IMPORT: run_import,
    JobType.EXTRACT: run_extract,
    JobType.EXAMINE: run_examine,
    JobType.CLEAN: run_clean,
}


def run_job(message: str, host: WorkerContext) -> None:
    """Run the job whose turn it is in the queue that this message came from, if one waits there.

    A message names a job and calls for whichever is next (docs/adr/0031-turns-by-caller.md).
    """
    try:
        host.volume_guard.check()
        if not _wait_until_compared(host):
            log.error("Redis has restarted or failed over; the job of the message for %s stays in its queue", message)
            return
        claim = host.store.jobs.claim_next(
            message,
            worker=host.name,
            owner_id=host.owner_id,
            lease_s=host.settings.lease_ttl_s,
            min_token=lambda job_id: _min_token(host, job_id),
        )
    except (StoreUnavailable, VolumeUnavailable) as exc:
        # A message is sent again in some seconds, to this worker or one whose volume works. Not raised: a result that
        # holds a traceback takes Celery's parent more than one read, and kills it if the broker is lost in between.
        log.error("The job of the message for %s stays in its queue: %s", message, exc)
        return
    if claim is None:
        log.info("no job waits for the message for %s; it came twice or too late", message)
        return
    job, span = claim.job, begin_attempt(host.tracer, claim.job)
    about = {"job": job.id, "attempt": job.attempt, "request_id": job.request_id}
    with logs.bound(**about, trace_id=trace_id(span.traceparent)):
        _attempt(host, claim, span)


def _wait_until_compared(host: WorkerContext) -> bool:
    """Wait while Redis may have old records; return True once a reaper has compared them with the volume.

    A job that was cancelled, or had ended, would be run; and a token that is lost would be given a second time.
    """
    until = time.monotonic() + COMPARED_S
    while True:
        history, compared = host.store.jobs.compared()
        if compared in (None, history):
            return True
        if host.draining() or time.monotonic() > until:
            return False
        time.sleep(COMPARED_LOOK_S)


def _attempt(host: WorkerContext, claim: Claim, span: Span) -> None:
    """Do a job that is claimed. Its span is ended where its end is recorded: a lost attempt is reported by a reaper."""
    job_id = claim.job.id
    log.info("%s starts: %s, attempt %d", job_id, claim.job.type, claim.job.attempt)
    lease = Lease(
        host.store.jobs,
        claim,
        ttl_s=host.settings.lease_ttl_s,
        stall_s=host.settings.stall_s,
        lease_renewer=host.lease_renewer,
        draining=host.draining,
    )
    if not (writes := claim.job.type is JobType.GENERATE):
        host.model_cache.clear()
    reporter = Reporter(
        host.store.jobs,
        claim,
        saw_cancel=lease.saw_cancel,
        every_s=TEXT_S if writes else RECORD_S,
        first_s=TEXT_S if writes else 0,  # a short text is recorded with its end, in one step
    )
    attempt = Attempt(host=host, job=claim.job, token=claim.token, lease=lease, reporter=reporter, span=span)
    with lease, span.current():
        try:
            _end(attempt, _run(attempt))
        except LeaseLost as exc:
            log.warning("%s: %s", job_id, exc)
            host.step_log.refuse(job_id=job_id, token=claim.token, worker=host.name)
        except (StoreUnavailable, VolumeGone) as exc:
            # Not the job's fault: its lease is ended, and it runs again, here or elsewhere.
            log.error("%s is abandoned: %s", job_id, exc)
            _report_lost(host, claim)
        except (VolumeUnavailable, NewerVersion) as exc:
            _fail(attempt, JobError(code=exc.code, detail=exc.detail, retryable=True))
        except (JobFailed, NotFound) as exc:
            _fail(attempt, JobError(code=exc.code, detail=exc.detail))
        except Exception as exc:
            log.exception("%s failed", job_id)
            _fail(attempt, JobError(code="internal", detail=_words(exc), retryable=True))


def _min_token(host: WorkerContext, job_id: str) -> int | None:
    """Return a job's highest token, once the volume works; None if it can't run here. Raises VolumeUnavailable."""
    try:
        asked = host.volume.jobs.asked(job_id)
        if asked is not None:
            check_job(asked, host.volume.jobs)
    except NewerVersion as exc:
        log.warning("%s stays in its queue for a newer worker: %s", job_id, exc)
        return None
    if asked is not None:
        if asked.type is JobType.GENERATE:
            return 0  # it writes nothing to the volume under a token
        host.volume.check()
    return host.volume.jobs.min_token(job_id)


def _run(attempt: Attempt) -> Outcome:
    try:
        return _RUN[attempt.job.type](attempt)
    except StopRequested as exc:
        return Stopped(request=exc.request)
    except (NotFound, JobFailed, OSError) as exc:
        # On another folder than the service's volume, whatever the job needs is missing.
        attempt.host.volume_guard.check(fresh=True)
        if isinstance(exc, NotFound) and attempt.host.store.jobs.get(attempt.job.id).cancel_requested:
            return Stopped(request=StopRequest.CANCEL)  # what it uses was deleted, before the lease saw the request
        raise


def _end(attempt: Attempt, outcome: Outcome) -> None:
    jobs, job_id, token, reporter = attempt.host.store.jobs, attempt.job.id, attempt.token, attempt.reporter
    match outcome:
        case Sealed():
            reporter.flush(now=True)
            try:
                with attempt.host.tracer.span("publish"):
                    complete(jobs, attempt.host.volume, job_id, token)
            except VolumeUnavailable as exc:
                log.error("%s is sealed; a reaper will publish its model: %s", job_id, exc)
                return
        case Written(result=result):
            attempt.lease.check()  # if it was lost meanwhile, nothing is written to the volume
            _note_end(attempt, End(status=Status.SUCCEEDED, result=result))
            _drop_files(attempt)
            reporter.finish(Status.SUCCEEDED, result=result)
        case Stopped(request=StopRequest.DRAIN):
            reporter.flush(now=True)
            status = jobs.release(job_id, token)
            log.info("%s is released: %s", job_id, status)
        case Stopped(result=result):
            attempt.lease.check()
            _note_end(attempt, End(status=Status.CANCELLED, result=result))
            _drop_files(attempt)
            reporter.finish(Status.CANCELLED, result=result)
    attempt.span.set({"charloom.outcome": type(outcome).__name__.lower()})
    attempt.span.end()
    log.info("%s ended here: %s", job_id, type(outcome).__name__.lower())


def _fail(attempt: Attempt, error: JobError) -> None:
    job_id = attempt.job.id
    try:
        attempt.lease.check()  # if it was lost meanwhile, nothing on the volume is touched
        log.info("%s failed: %s", job_id, error.detail)
        _drop_files(attempt)  # nobody can use a refused file, nor half a model
        _note_end(attempt, End(status=Status.FAILED, error=error))
        attempt.reporter.finish(Status.FAILED, error=error)
        attempt.span.fail(error.code)
        attempt.span.end()
    except (LeaseLost, StoreUnavailable, Conflict) as exc:
        log.error("the end of %s can't be recorded: %s", job_id, exc)


def _drop_files(attempt: Attempt) -> None:
    """Remove the uploaded file of a job that ends, and what its attempts made of it."""
    if attempt.job.type in EMPTIED:
        with suppress(VolumeUnavailable):
            attempt.host.volume.jobs.drop_upload(attempt.job.id)
            attempt.host.volume.jobs.drop_attempts(attempt.job.id)


def _note_end(attempt: Attempt, end: End) -> None:
    """Write the job's end to the volume, in case Redis is emptied."""
    try:
        synced = attempt.job.type is not JobType.GENERATE
        attempt.host.volume.jobs.end(attempt.job.id, end, synced=synced)
    except VolumeUnavailable as exc:
        log.error("%s: its end can't be written to the volume now: %s", attempt.job.id, exc)
        with suppress(StoreUnavailable):
            attempt.host.store.jobs.mark_pending(attempt.job.id)


def _report_lost(host: WorkerContext, claim: Claim) -> None:
    try:
        host.store.jobs.lose(claim.job.id, owner_id=host.owner_id)
    except StoreUnavailable:
        log.warning("Redis is away; the lease of %s expires by itself", claim.job.id)


def _words(exc: Exception) -> str:
    if isinstance(exc, MemoryError):
        return "The worker ran out of memory. Use a smaller hidden_size, batch_size or seq_length."
    return f"An internal error of the worker ({type(exc).__name__}). Its log has the details; send the job again."
