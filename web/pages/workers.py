"""The page of the workers: who is there, what each does, how much waits."""

from flask import Blueprint, render_template

from web.parts import parts

blueprint = Blueprint("workers_page", __name__)


@blueprint.get("/workers")
def show() -> str:
    """Show the workers seen lately and the depth of the queues."""
    store = parts().store
    return render_template("workers.html", workers=store.workers.seen(), depths=store.jobs.queue_depths(), live=True)
