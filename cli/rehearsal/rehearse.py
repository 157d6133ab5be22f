"""`charloom rehearse`: have a worker fail on purpose, and prove that its training survives."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from types import FrameType

import click

from charloom import CharloomError, Job, Worker
from cli.common.context import CliContext, examples, server_command
from cli.common.exit_codes import Exit, Failure
from cli.rehearsal.canary import Canary
from cli.rehearsal.drill import Drill, Report
from cli.rehearsal.fault import Drain, Kill
from cli.terminal.prompts import ask
from cli.terminal.tables import print_card

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(
    epilog=examples("charloom rehearse", "charloom rehearse --kill", "charloom rehearse --yes --json > drill.json")
)
@click.option("--kill", is_flag=True, help="Kill the canary's worker, if it runs on this host; don't drain it.")
@click.option("--yes", "-y", is_flag=True, help="Continue even if the worker runs other jobs, which then move.")
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=10.0, show_default=True, help="Training time of the canary."
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600.0,
    show_default=True,
    help="Maximum seconds for each of its two trainings, including the wait in the queue.",
)
@server_command
def rehearse(ctx: CliContext, *, kill: bool, yes: bool, seconds: float, timeout: float) -> None:
    """Rehearse the failure of a worker on the running fleet.

    Trains a canary, a small model, drains the worker that has it, and compares the weights with those of
    the same training undisturbed. Prints when the failure was noticed and when the canary trained again. At the end,
    after Ctrl-C as well, the worker takes jobs again, and the canary's text and models are deleted.

    Exit code 1: the weights differ, or the canary didn't end.
    """
    fault = Kill() if kill else Drain(ctx.client)
    canary = Canary(ctx.client)
    drill = Drill(
        client=ctx.client,
        canary=canary,
        fault=fault,
        timeout_s=timeout,
        say=lambda sentence: ctx.stderr.print(sentence, style="dim", soft_wrap=True),
        ask=lambda worker, jobs: None if yes else _ask(ctx, worker, jobs),
    )
    with _interrupted_by_signals():
        try:
            report = drill.run(seconds=seconds)
        finally:
            _clean_up(ctx, fault, canary)
    _print(ctx, report, method="kill" if kill else "drain")
    if not report.passed:
        raise Failure("The weights differ, though the same code computed both trainings.", Exit.JOB_FAILED)


def _ask(ctx: CliContext, worker: Worker, jobs: Sequence[Job]) -> None:
    listed = ", ".join(f"{job.id} ({job.type})" for job in jobs)
    answer = ask(ctx.stderr, f"{worker.name} also runs {listed}. Other workers would continue them. Go on? [y/N]")
    if not answer or not answer.lower().startswith("y"):
        raise Failure(f"{worker.name} also runs {listed}. --yes moves them, too.", Exit.REFUSED)


def _clean_up(ctx: CliContext, fault: Drain | Kill, canary: Canary) -> None:
    """Have the worker take jobs again and remove the canary; what can't be done is said, with the command for it."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    with suppress(CharloomError):
        fault.withdraw()
    if isinstance(fault, Drain) and fault.name:
        ctx.stderr.print(f"{fault.name} still drains. Run `charloom drain {fault.name} --undo`.", soft_wrap=True)
    try:
        canary.remove()
    except CharloomError as error:
        ctx.stderr.print(
            f"The canary couldn't be removed: {error} Cancel its jobs and delete the text {canary.name} and the "
            "models of that name.",
            soft_wrap=True,
        )


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP do what Ctrl-C does: an end without cleaning up would leave a worker drained."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as after nohup
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(ctx: CliContext, report: Report, *, method: str) -> None:
    if ctx.json:
        ctx.print_json({"object": "rehearsal", "method": method, "passed": report.passed, **asdict(report)})
        return
    where = "the same worker" if report.ended_on == report.worker else report.ended_on
    weights = "the same, bit for bit" if report.same_weights else "others"
    if not report.same_weights and not report.same_code:
        weights = (
            "others in their last digits, since the hosts' processors or versions differ; the losses are "
            f"{report.loss or 0:.4f} and {report.undisturbed_loss or 0:.4f} nats per character"
        )
    rows = [
        ("fault", f"{report.worker} was {'killed' if method == 'kill' else 'drained'}"),
        ("ended on", "; ".join([where, *report.notes])),
        ("noticed", _seconds(report.detected_s)),
        ("trained again", _seconds(report.recovered_s)),
        ("weights", weights),
        ("moved", ", ".join(report.moved) or "no other job"),
        ("result", "passed" if report.passed else "FAILED"),
    ]
    print_card(ctx.stdout, rows)


def _seconds(seconds: float | None) -> str:
    return "not seen" if seconds is None else f"{seconds:.2f} s after the fault"
