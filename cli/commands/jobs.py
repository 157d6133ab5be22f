"""`charloom jobs`, `job`, `cancel` and `resume`."""

from collections.abc import Sequence
from typing import TypeVar, get_args

import click

from charloom import Job, JobStatus, JobType
from cli.common.context import CliContext, examples, limit_options, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import follow_job
from cli.common.items import describe_items, print_items
from cli.common.lookup import find_corpus, find_job, find_model
from cli.terminal import formatting
from cli.terminal.formatting import age, duration, loss, number
from cli.terminal.tables import Column, print_card, print_table

TYPES: Sequence[JobType] = get_args(JobType)
STATUSES: Sequence[JobStatus] = get_args(JobStatus)
Word = TypeVar("Word", bound=str)
_COLUMNS = (
    Column(title="ID"),
    Column(title="TYPE", rank=1),
    Column(title="STATUS"),
    Column(title="DONE", rank=3, right=True),
    Column(title="AGE", rank=2, right=True),
    Column(title="SUBJECT", rank=4, truncate=True),
)
#: Parameters that a card shows in rows of their own.
_SHOWN = ("corpus_id", "model_id", "name", "metadata", "prompt", "init_from", "filename")


@click.command(
    epilog=examples(
        "charloom jobs",
        "charloom jobs --status queued,running",
        "charloom jobs --type train --model reeds",
        "charloom jobs --all --json | jq -r '.data[].id'",
    )
)
@click.option("--type", "types", metavar="TYPES", help=f"Only jobs of these types: {', '.join(TYPES)}.")
@click.option("--status", "statuses", metavar="STATUSES", help=f"Only jobs in these states: {', '.join(STATUSES)}.")
@click.option("--model", metavar="MODEL", help="Only jobs that made or use this model.")
@click.option("--text", metavar="TEXT", help="Only jobs that use this text.")
@limit_options
@server_command
def jobs(
    ctx: CliContext, types: str | None, statuses: str | None, model: str | None, text: str | None, limit: int | None
) -> None:
    """List jobs, newest first. Separate several types or states by commas."""
    found = list(
        ctx.client.jobs.list(
            type=_split(types, TYPES, "--type"),
            status=_split(statuses, STATUSES, "--status"),
            model_id=None if model is None else find_model(ctx, model).id,
            corpus_id=None if text is None else find_corpus(ctx, text).id,
            limit=limit,
        )
    )
    if ctx.json:
        ctx.print_json_list(found)
    elif found:
        print_table(ctx.stdout, _COLUMNS, [_row(job) for job in found])
    elif types or statuses or model or text:
        ctx.stderr.print("No job matches.")
    else:
        ctx.stderr.print("There are no jobs. `charloom train FILE` starts one.")


@click.command(
    epilog=examples(
        "charloom job",
        "charloom job 4k2p9x --follow",
        "charloom job job_01jd --losses > losses.txt",
        "charloom job job_01jd --items > names.txt",
    )
)
@click.argument("job", metavar="[JOB]", required=False)
@click.option("--follow", "-f", "following", is_flag=True, help="Show the progress and wait for the end.")
@click.option("--losses", is_flag=True, help="Print all losses of a training, in nats per character.")
@click.option("--items", is_flag=True, help="Print the items that the job has written.")
@server_command
def job(ctx: CliContext, job: str | None, following: bool, losses: bool, items: bool) -> None:
    """Show or follow a job.

    JOB is a job's id, or the start or end of it; the newest job if it isn't given.
    """
    found = find_job(ctx, job) if job else next(ctx.client.jobs.list(limit=1), None)
    if found is None:
        raise Failure("There are no jobs. `charloom train FILE` starts one.", Exit.NOT_FOUND)
    if losses:
        _print_losses(ctx, found)
    elif items and ctx.json:
        ctx.print_json_list(ctx.client.jobs.items(found))
    elif items:
        if found.items is None:
            raise Failure(f"{found.id} has written no items{'' if found.ended else ' yet'}.", Exit.NOT_FOUND)
        print_items(ctx, found)
    elif following:
        follow_job(ctx, found)
    elif ctx.json:
        ctx.print_json(found)
    else:
        print_card(ctx.stdout, _card(found))
        for output in found.outputs:
            ctx.stdout.print()
            ctx.stdout.print(output.text, soft_wrap=True)


@click.command(epilog=examples("charloom cancel 4k2p9x", "charloom cancel job_01jd2m3n4p job_01jd2m3n5q"))
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@server_command
def cancel(ctx: CliContext, jobs: Sequence[str]) -> None:
    """Cancel jobs.

    A queued job ends at once, a running one as soon as its worker notices. A cancelled training can be resumed.
    """
    for found in [find_job(ctx, word) for word in jobs]:
        ended = ctx.client.jobs.cancel(found)
        if not ended.ended:
            ended = ctx.client.jobs.wait(ended, patience_s=30)
        if ctx.json:
            ctx.print_json_line(ended)
        elif ended.status == "cancelled":
            ctx.print_result(ended.id, f"Cancelled: {ended.id}")
        else:
            raise Failure(f"{ended.id} {ended.status} before it could be cancelled.", Exit.REFUSED)


@click.command(epilog=examples("charloom resume 4k2p9x", "charloom resume 4k2p9x --follow"))
@click.argument("job", metavar="JOB")
@click.option("--follow", "-f", "following", is_flag=True, help="Show the progress and wait for the end.")
@server_command
def resume(ctx: CliContext, job: str, following: bool) -> None:
    """Resume a failed or cancelled training.

    A new job with the same options continues from the last checkpoint.
    """
    new = ctx.client.jobs.resume(find_job(ctx, job))
    if following:
        follow_job(ctx, new)
    elif ctx.json:
        ctx.print_json(new)
    else:
        ctx.print_result(new.id, f"Resumed as {new.id}\nFollow it: charloom job {new.id} --follow")


def _split(given: str | None, known: Sequence[Word], option: str) -> list[Word]:
    words = [word.strip() for word in (given or "").split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise Failure(f"{option} {word!r} isn't one of {', '.join(known)}.", Exit.USAGE)
    return [word for word in known if word in words]


def _row(job: Job) -> Sequence[str]:
    done = f"{job.progress.fraction:.0%}" if _has_progress(job) else ""
    return job.id, job.type, job.status, done, age(job.created_at), _subject(job)


def _has_progress(job: Job) -> bool:
    return job.started_at is not None and job.type != "import"


def _subject(job: Job) -> str:
    if job.type == "generate":
        return " ".join(str(job.params.get("prompt") or "").split())
    return str(job.params.get("name") or job.params.get("filename") or "")


def _card(job: Job) -> list[tuple[str, str]]:
    progress, metrics = job.progress, job.metrics
    place = f", number {job.queue_position} in the queue" if job.queue_position else ""
    took = ""
    if job.started_at is not None and job.finished_at is not None:
        took = duration((job.finished_at - job.started_at).total_seconds())
    unit = "item" if job.params.get("items") else "character" if job.type == "generate" else "step"
    figures = [
        f"{progress.fraction:.0%}",
        "" if progress.epoch is None else f"epoch {progress.epoch} of {progress.total_epochs}",
        "" if progress.total_steps is None else f"{unit} {number(progress.step)} of {number(progress.total_steps)}",
        "" if progress.eta_seconds is None or job.ended else f"about {duration(progress.eta_seconds)} left",
    ]
    losses = formatting.losses(training=metrics.train_loss, validation=metrics.validation_loss)
    if metrics.best_loss is not None:
        losses.append(f"best {loss(metrics.best_loss)} in epoch {metrics.best_epoch}")
    options = [f"{name} {value}" for name, value in job.params.items() if name not in _SHOWN and value is not None]
    return [
        ("job", job.id),
        ("type", job.type),
        ("status", f"{job.status}{place}"),
        ("error", f"{job.error.detail} ({job.error.code})" if job.error else ""),
        ("name", str(job.params.get("name") or "")),
        ("prompt", str(job.params.get("prompt") or "")),
        ("model", job.model_id or ""),
        ("text", str(job.params.get("corpus_id") or job.corpus_id or "")),
        ("starts from", formatting.describe_start(job.starting_point)),
        ("created", f"{age(job.created_at)} ago"),
        ("took", took),
        ("worker", f"{job.worker}, attempt {job.attempt}" if job.worker else ""),
        ("resumes", job.parent_id or ""),
        ("request", job.request_id or ""),
        ("progress", ", ".join(figure for figure in figures if figure) if _has_progress(job) else ""),
        ("losses", f"{', '.join(losses)} (nats per character)" if losses else ""),
        ("baselines", formatting.baselines(job.metrics.baselines)),
        ("items", describe_items(job)),
        ("ended", formatting.stop_reason(job)),
        ("options", ", ".join(options)),
        ("metadata", formatting.pairs(job.metadata)),
    ]


def _print_losses(ctx: CliContext, job: Job) -> None:
    rows = ctx.client.jobs.metrics(job)
    if ctx.json:
        ctx.print_json_list(rows)
        return
    if not rows:
        ctx.stderr.print(f"{job.id} has no losses{' yet' if job.type == 'train' and not job.ended else ''}.")
    columns = [Column(title=title, right=True) for title in ("EPOCH", "STEP", "SECONDS", "TRAINING", "VALIDATION")]
    cells = [
        (
            number(row.epoch),
            number(row.step),
            f"{row.seconds or 0:.1f}",
            loss(row.train_loss),
            loss(row.evaluation_loss if row.validation_loss is None else row.validation_loss),
        )
        for row in rows
    ]
    print_table(ctx.stdout, columns, cells)
