"""The pages: plain HTML, whole without JavaScript. Every form posts, then redirects; the API does the same work."""

from flask import Flask

from web import sessions
from web.pages import comparing, csrf, jobs, login, models, training, words, workers, writing
from web.pages.fields import label_of

#: Every group of pages.
ALL = tuple(part.blueprint for part in (training, writing, jobs, models, comparing, workers, login))


def install(app: Flask) -> None:
    """Put the pages into the app, with the words that their templates use."""
    for blueprint in ALL:
        app.register_blueprint(blueprint)
    app.jinja_env.filters.update(words.FILTERS, label=label_of)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["csrf_token"] = csrf.token
    app.jinja_env.globals["session_id"] = sessions.present_id
    app.after_request(csrf.keep)
