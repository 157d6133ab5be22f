"""`charloom jobs`, `job`, `cancel` and `resume`: look at jobs, watch one, end one, go on with one."""

from collections.abc import Sequence

import click

from charloom import Job
from cli.commands.train import STOPPED, finish_training
from cli.commands.write import show_generation
from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit, Failure
from cli.common.follow import follow
from cli.common.lookup import find_job, find_model
from cli.terminal.console import printable
from cli.terminal.formatting import age, duration, loss, number
from cli.terminal.tables import Column, print_card, print_table

TYPES = ("train", "generate", "import")
STATUSES = ("queued", "running", "cancelling", "succeeded", "failed", "cancelled")
_COLUMNS = (
    Column(title="ID"),
    Column(title="TYPE", rank=1),
    Column(title="STATUS"),
    Column(title="DONE", rank=3, right=True),
    Column(title="AGE", rank=2, right=True),
    Column(title="WHAT", rank=4, cut=True),
)
#: Parameters that a card shows elsewhere or that say nothing.
_OMITTED = ("corpus_id", "model_id", "name", "metadata", "prompt", "init_from", "filename")


@click.command(
    epilog=examples(
        "charloom jobs",
        "charloom jobs --status queued,running",
        "charloom jobs --type train --model reeds",
        "charloom jobs --all --json | jq -r '.data[].id'",
    )
)
@click.option("--type", "types", metavar="TYPES", help=f"Only these: {', '.join(TYPES)}; several separated by commas.")
@click.option("--status", "statuses", metavar="STATUSES", help=f"Only these: {', '.join(STATUSES)}.")
@click.option("--model", metavar="MODEL", help="Only jobs that made or use this model.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="So many at most.")
@click.option("--all", "everything", is_flag=True, help="All of them.")
@server_command
def jobs(
    ctx: CliContext, types: str | None, statuses: str | None, model: str | None, limit: int, everything: bool
) -> None:
    """List jobs, newest first."""
    model_id = None if model is None else find_model(ctx, model).id
    limit_or_none = None if everything else limit
    found = list(
        ctx.client.jobs.list(
            type=_split(types, TYPES, "--type"),
            status=_split(statuses, STATUSES, "--status"),
            model_id=model_id,
            limit=limit_or_none,
        )
    )
    if ctx.json:
        ctx.print_json_list(found)
    elif not found:
        ctx.stderr.print("There is no such job. `charloom train FILE` makes one.")
    else:
        print_table(ctx.stdout, _COLUMNS, [_row(job) for job in found])


@click.command(
    epilog=examples("charloom job", "charloom job 4k2p9x --follow", "charloom job job_01jd --losses > losses.txt")
)
@click.argument("job", metavar="[JOB]", required=False)
@click.option("--follow", "-f", "following", is_flag=True, help="Watch it to its end.")
@click.option("--losses", is_flag=True, help="Print every loss measured instead, nats per character.")
@server_command
def job(ctx: CliContext, job: str | None, following: bool, losses: bool) -> None:
    """Show a job, or watch it.

    JOB is a job's id, or the beginning or the end of one; the newest job when left out.
    """
    found = find_job(ctx, job) if job else next(ctx.client.jobs.list(limit=1), None)
    if found is None:
        raise Failure("There is no job yet. `charloom train FILE` makes one.", Exit.NOT_FOUND)
    if losses:
        _print_losses(ctx, found)
    elif following:
        watch_job(ctx, found)
    elif ctx.json:
        ctx.print_json(found)
    else:
        print_card(ctx.stdout, _card(found))
        for output in found.outputs:
            ctx.stdout.print()
            ctx.stdout.print(printable(output.text), soft_wrap=True)


@click.command(epilog=examples("charloom cancel 4k2p9x", "charloom cancel job_01jd2m3n4p job_01jd2m3n5q"))
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True)
@server_command
def cancel(ctx: CliContext, jobs: Sequence[str]) -> None:
    """Cancel jobs.

    One that waits ends at once, one that runs as soon as its worker sees it. A cancelled training can be resumed.
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
            raise Failure(f"{ended.id} has {ended.status} before it could be cancelled.", Exit.REFUSED)


@click.command(epilog=examples("charloom resume 4k2p9x", "charloom resume 4k2p9x --follow"))
@click.argument("job", metavar="JOB")
@click.option("--follow", "-f", "following", is_flag=True, help="Watch it to its end.")
@server_command
def resume(ctx: CliContext, job: str, following: bool) -> None:
    """Go on with a failed or cancelled training.

    A new job does that, with the same options, from where the old one stood.
    """
    new = ctx.client.jobs.resume(find_job(ctx, job))
    if following:
        watch_job(ctx, new)
    elif ctx.json:
        ctx.print_json(new)
    else:
        ctx.print_result(new.id, f"It goes on as {new.id}\n`charloom job {new.id} --follow` watches it.")


def watch_job(ctx: CliContext, job: Job) -> None:
    """Watch a job of any type to its end, and tell how that was. Raises JobFailed where it didn't end well."""
    if job.type == "train":
        if ctx.json:
            ctx.print_json_line(job)
        finish_training(ctx, follow(ctx, job))
    elif job.type == "generate" and not ctx.json:
        show_generation(ctx, job, cancel_on_interrupt=False).check()
    else:
        ended = follow(ctx, job).check()
        if not ctx.json and ended.model_id:
            ctx.print_result(ended.model_id, f"The model: {ended.model_id}")


def _split(given: str | None, known: Sequence[str], option: str) -> list[str]:
    words = [word.strip() for word in (given or "").split(",") if word.strip()]
    for word in words:
        if word not in known:
            raise Failure(f"{option} {word!r} is none of {', '.join(known)}.", Exit.USAGE)
    return words


def _row(job: Job) -> Sequence[str]:
    done = "" if job.status == "queued" or job.type == "import" else f"{job.progress.fraction:.0%}"
    return job.id, job.type, job.status, done, age(job.created_at), _subject(job)


def _subject(job: Job) -> str:
    if job.type == "generate":
        return " ".join(str(job.params.get("prompt") or "").split())
    return str(job.params.get("name") or job.params.get("filename") or "")


def _card(job: Job) -> list[tuple[str, str]]:
    progress, losses = job.progress, job.metrics
    waits = f", number {job.queue_position} in its queue" if job.queue_position else ""
    ran = (
        "" if job.started_at is None or job.finished_at is None else (job.finished_at - job.started_at).total_seconds()
    )
    figures = [
        f"{progress.fraction:.0%}",
        "" if progress.epoch is None else f"epoch {progress.epoch} of {progress.total_epochs}",
        "" if progress.total_steps is None else f"step {number(progress.step)} of {number(progress.total_steps)}",
        "" if progress.eta_seconds is None or job.ended else f"about {duration(progress.eta_seconds)} left",
    ]
    measured = [
        f"{label} {loss(value)}"
        for label, value in (("training", losses.train_loss), ("validation", losses.validation_loss))
        if value is not None
    ]
    if losses.best_loss is not None:
        measured.append(f"best {loss(losses.best_loss)} in epoch {losses.best_epoch}")
    options = [f"{name} {value}" for name, value in job.params.items() if name not in _OMITTED and value is not None]
    reason = str((job.result or {}).get("stop_reason", ""))
    return [
        ("job", job.id),
        ("type", job.type),
        ("status", f"{job.status}{waits}"),
        ("error", f"{job.error.detail} ({job.error.code})" if job.error else ""),
        ("name", str(job.params.get("name") or "")),
        ("prompt", str(job.params.get("prompt") or "")),
        ("model", job.model_id or ""),
        ("text", str(job.params.get("corpus_id") or "")),
        ("made", f"{age(job.created_at)} ago"),
        ("took", duration(ran) if isinstance(ran, float) else ""),
        ("worker", f"{job.worker}, attempt {job.attempt}" if job.worker else ""),
        ("goes on", job.parent_id or ""),
        ("progress", ", ".join(figure for figure in figures if figure) if job.type != "import" else ""),
        ("losses", f"{', '.join(measured)} (nats per character)" if measured else ""),
        ("ended", STOPPED.get(reason, reason)),
        ("options", ", ".join(options)),
        ("metadata", ", ".join(f"{key}={value}" for key, value in job.metadata.items())),
    ]


def _print_losses(ctx: CliContext, job: Job) -> None:
    rows = ctx.client.jobs.metrics(job)
    if ctx.json:
        ctx.print_json_list(rows)
        return
    columns = [Column(title=title, right=True) for title in ("EPOCH", "STEP", "SECONDS", "TRAINING", "VALIDATION")]
    told = [
        (
            number(row.epoch),
            number(row.step),
            f"{row.seconds or 0:.1f}",
            loss(row.train_loss),
            loss(row.evaluation_loss if row.validation_loss is None else row.validation_loss),
        )
        for row in rows
    ]
    print_table(ctx.stdout, columns, told)
