"""The pages: plain HTML, whole without JavaScript. Every form posts, then redirects; the API does the same work."""

from flask import Flask

from shared.requests.recipes import RECIPES
from web.pages import (
    compare_page,
    csrf,
    formatting,
    job_pages,
    login_page,
    model_pages,
    train_page,
    worker_pages,
    write_page,
)
from web.pages.form_fields import label_of
from web.security import sessions

#: Every group of pages.
PAGES = (train_page, write_page, job_pages, model_pages, compare_page, worker_pages, login_page)


def install(app: Flask) -> None:
    """Put the pages into the app, with the words that their templates use."""
    for page in PAGES:
        app.register_blueprint(page.blueprint)
    app.jinja_env.filters.update(formatting.FILTERS, label=label_of, recipe=RECIPES.__getitem__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["csrf_token"] = csrf.token
    app.jinja_env.globals["session_id"] = sessions.present_id
    app.after_request(csrf.keep)
