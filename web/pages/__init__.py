"""The pages: plain HTML that works without JavaScript. A form posts, then redirects; the API does the same work."""

from functools import partial

from flask import Flask, redirect
from werkzeug.wrappers import Response

from shared.requests.recipes import RECIPES
from web.pages import (
    compare_page,
    csrf,
    findings_page,
    formatting,
    job_pages,
    login_page,
    model_pages,
    text_pages,
    train_page,
    worker_pages,
    write_page,
)
from web.pages.form_fields import label_of
from web.pages.setting_differences import setting_differences
from web.security import sessions

#: Addresses that only forms are sent to, and the page with the form: where a reload of a refused form leads.
_FORMS = {
    "/corpora": "/",
    "/train": "/",
    "/train/preview": "/",
    "/models/import": "/models",
    "/texts/join": "/texts",
    **{f"/texts/<one>/{verb}": "/texts/{one}" for verb in ("edit", "delete")},
    "/texts/<one>/clean": "/texts/{one}/findings",
    **{f"/models/<one>/{verb}": "/models/{one}" for verb in ("rename", "delete")},
    **{f"/jobs/<one>/{verb}": "/jobs/{one}" for verb in ("cancel", "resume")},
    **{f"/workers/<one>/{verb}": "/workers" for verb in ("drain", "undrain")},
}
#: Every group of pages.
PAGES = (
    train_page,
    write_page,
    text_pages,
    findings_page,
    job_pages,
    model_pages,
    compare_page,
    worker_pages,
    login_page,
)


def install(app: Flask) -> None:
    """Add the pages to the app, with the filters and functions that their templates use."""
    for group in PAGES:
        app.register_blueprint(group.blueprint)
    for rule, page in _FORMS.items():
        app.add_url_rule(rule, endpoint=f"form_at {rule}", view_func=partial(_go, page), methods=["GET"])
    app.jinja_env.filters.update(formatting.FILTERS, label=label_of, recipe=RECIPES.__getitem__)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["csrf_token"] = csrf.token
    app.jinja_env.globals["setting_differences"] = setting_differences
    app.jinja_env.globals["session_id"] = sessions.present_id
    app.after_request(csrf.keep)


def _go(page: str, **parts: str) -> Response:
    return redirect(page.format(**parts))
