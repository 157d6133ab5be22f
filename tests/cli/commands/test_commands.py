"""Every command that calls a server, against a real one with a real worker."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.runner import Cli
from tests.client.stack import SAMPLE, Stack
from tests.preloaded_process import SLOW_CHECKPOINT_SECONDS
from tests.processes import charloom
from tests.waiting import eventually

SMALL = ("--hidden-size", "32", "--epochs", "2", "--sample-chars", "20", "--seed", "7", "--batch-size", "16")
SLOW = ("--patience", "0", "--checkpoint-seconds", str(SLOW_CHECKPOINT_SECONDS))
ENDLESS = ("--hidden-size", "32", "--epochs", "10000", *SLOW)


@pytest.fixture(scope="module", autouse=True)
def sample(stack: Stack) -> None:
    assert stack.corpus().name == "sample"


@pytest.fixture(scope="module")
def model_id(stack: Stack) -> str:
    return stack.train(name="reeds").model_id or ""


def test_a_training_is_followed_and_gives_its_model_which_writes(cli: Cli) -> None:
    (cli.folder / "book.txt").write_bytes(SAMPLE.read_bytes()[:20_000])
    trained = cli("train", "book.txt", "--follow", "--name", "loom", *SMALL)
    assert trained.id.startswith("mod_")
    assert "book: 20,000 characters" in trained.stderr
    assert "sample after epoch" in trained.stderr
    assert "Trained: all epochs done; best loss" in trained.stderr
    assert "worse than guessing by" in trained.stderr, "two epochs of a tiny model are"
    written = cli("write", trained.id, "--prompt", "there was a ", "--length", "150", "--seed", "3")
    assert (written.exit_code, len(written.stdout), written.stderr) == (0, 151, ""), (
        "the text and its line end, nothing else"
    )
    assert cli("write", "loom", "--prompt", "there was a ", "--length", "150", "--seed", "3").stdout == written.stdout


def test_a_text_comes_through_a_pipe_and_a_job_s_id_out_of_one(cli: Cli, stack: Stack) -> None:
    queued = cli("train", "-", "--name", "piped", *SMALL, stdin=SAMPLE.read_bytes() + b"\nThe end.")
    assert queued.id.startswith("job_")
    assert stack.loom.jobs.wait(queued.id).check().params["name"] == "piped"
    assert [corpus.name for corpus in stack.loom.corpora.list(limit=1)] == ["piped"]
    again = cli("train", "piped", "--json", *ENDLESS)
    assert again.json["params"]["corpus_id"] == stack.loom.jobs.get(queued.id).params["corpus_id"]
    stack.loom.jobs.cancel(again.json["id"])


def test_a_downloaded_book_is_examined_and_cleaned(cli: Cli, stack: Stack) -> None:
    text = SAMPLE.read_text()[:5000]
    licence = "*** END OF THE PROJECT GUTENBERG EBOOK ***\n\nA licence."
    (cli.folder / "book.txt").write_text(f"{text}\n\n{licence}")
    found = cli("findings", "book.txt", "--examples")
    assert (found.exit_code, "Licence and boilerplate" in found.stdout, licence[:20] in found.stdout) == (0, True, True)
    cleaned = cli("clean", "book.txt", "--remedy", "licence", "--name", "Bare")
    assert (cleaned.exit_code, "licence: 1 change" in cleaned.stderr) == (0, True), cleaned.stderr
    assert stack.loom.corpora.text(cleaned.id) == f"{text}\n\n"
    assert cli("clean", "Bare", "--remedy", "licence").id == cleaned.id
    assert cli("clean", "book.txt", "--remedy", "magic").exit_code == 2
    queued = cli("train", "book.txt", "--clean", "advised", *ENDLESS)
    trained_on = stack.loom.jobs.cancel(queued.id).params["corpus_id"]
    assert "GUTENBERG" not in stack.loom.corpora.text(trained_on)


def test_a_book_and_a_folder_of_chapters_are_texts_to_train_on(cli: Cli, stack: Stack) -> None:
    (cli.folder / "book.html").write_text("<!DOCTYPE html><p>" + SAMPLE.read_text()[:5000] + "</p>")
    estimated = cli("estimate", "book.html")
    assert (estimated.exit_code, "book: 4," in estimated.stderr) == (0, True), estimated.stderr
    (cli.folder / "book").mkdir()
    (cli.folder / "book" / "2.md").write_text("# Two")
    (cli.folder / "book" / "1.txt").write_text("One")
    assert stack.loom.corpora.text(cli("corpora", "--add", "book").id) == "One\n\nTwo\n"
    (cli.folder / "book.zip").write_bytes(b"PK\3\4")
    refused = cli("train", "book.zip")
    assert (refused.exit_code, "book.zip is damaged" in refused.stderr) == (1, True), refused.stderr


def test_variants_come_one_after_another_and_json_has_them_all(cli: Cli, model_id: str) -> None:
    options = ("--prompt", "the ", "--length", "40", "--n", "3", "--seed", "1")
    texts = [output["text"] for output in cli("write", model_id, *options, "--json").json["result"]["outputs"]]
    assert cli("write", model_id, *options).stdout == "\n\n".join(texts) + "\n"


def test_a_prompt_comes_through_a_pipe(cli: Cli, model_id: str) -> None:
    written = cli("write", model_id, "--prompt", "-", "--length", "5", "--json", stdin=b"there was a ")
    assert written.json["params"]["prompt"] == "there was a "
    assert cli("write", model_id, "--prompt", "-", stdin=b"\xff\xfe").exit_code == 2


def test_items_are_written_printed_and_printed_again(cli: Cli, model_id: str) -> None:
    options = ("--items", "30", "--separator", " ", "--max-chars", "30", "--seed", "1")
    written = cli("write", model_id, *options)
    words = written.stdout.split(" ")[:-1]
    assert (written.exit_code, written.stderr, len(words), len(set(words))) == (0, "", 30, 30)
    job_id = cli("jobs", "--json", "--limit", "1").json["data"][0]["id"]
    assert cli("job", job_id, "--items").stdout == written.stdout
    assert [item["text"] for item in cli("job", job_id, "--items", "--json").json["data"]] == words
    assert "30 items in " in cli("job", job_id).stdout
    few = cli("write", model_id, "--items", "9", "--separator", " ", "--prompt", "the", "--temperature", "0")
    assert few.stdout.count(" ") == 1
    assert "1 of 9 items were written: too few tries" in few.stderr


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        (("--new",), 2, "--new needs --items N."),
        (("--items", "0"), 2, "0 is not in the range"),
        (("--items", "5", "--max-chars", "0"), 2, "--max-chars is 0"),
        (("--items", "5", "--min-chars", "9", "--max-chars", "5"), 2, "max_chars of at least min_chars, 9"),
        (("--items", "5", "--length", "9"), 4, "length can't be combined with items"),
    ],
)
def test_options_of_items_are_checked(
    cli: Cli, model_id: str, options: tuple[str, ...], exit_code: int, words: str
) -> None:
    refused = cli("write", model_id, *options)
    assert refused.exit_code == exit_code
    assert words in " ".join(refused.stderr.split())


def test_events_come_as_lines_of_json_and_the_job_last(cli: Cli, model_id: str, stack: Stack) -> None:
    job_id = stack.loom.models.get(model_id).job_id
    lines = cli("job", job_id, "--follow", "--json").lines
    assert [line["object"] for line in (lines[0], lines[-1])] == ["job", "job"]
    assert lines[-2]["type"] == "done"
    assert [line["id"] for line in lines[1:-1]] == [event.id for event in stack.loom.jobs.events(job_id)]
    assert lines[-1]["status"] == "succeeded"


def test_everything_is_listed_in_words_and_in_json(cli: Cli, model_id: str, stack: Stack) -> None:
    model = stack.loom.models.get(model_id)
    for command, wanted in (
        (("jobs",), model.job_id),
        (("jobs", "--type", "train", "--status", "succeeded", "--model", model_id), model.job_id),
        (("models",), model.id),
        (("corpora",), model.corpus_id or ""),
    ):
        assert wanted in [line.split()[0] for line in cli(*command).stdout.splitlines()[1:]]
        listing = cli(*command, "--json").json
        assert listing["object"] == "list"
        assert wanted in [item["id"] for item in listing["data"]]
    assert "w1@test" in cli("workers").stdout
    assert [worker["name"] for worker in cli("workers", "--json").json["data"]] == ["w1@test"]
    eventually(lambda: not stack.loom.workers()[0].running, "a heartbeat that reports no job")
    try:
        assert "w1@test takes no jobs." in cli("drain", "w1@test").stdout
        assert "(drains)" in cli("workers").stdout
    finally:  # or the tests that follow wait for a worker that takes no jobs
        [undrained] = cli("drain", stack.loom.workers()[0].host, "--undo", "--json").json["data"]
    assert not undrained["draining"]
    nobody = cli("drain", "nobody")
    assert (nobody.exit_code, "No worker on nobody is seen" in nobody.stderr) == (2, True)
    assert len(cli("jobs", "--limit", "1", "--json").json["data"]) == 1
    assert cli("jobs", "--status", "queued").stdout == ""


def test_one_thing_is_shown_in_words_and_in_json(cli: Cli, model_id: str, stack: Stack) -> None:
    model = stack.loom.models.get(model_id)
    card = cli("model", model_id).stdout
    assert model.id in card
    assert f"{model.parameters:,}" in card
    assert cli("model", model_id, "--json").json == model.model_dump(mode="json")
    job = cli("job", model.job_id)
    assert "all epochs done" in job.stdout
    assert "hidden_size 32" in job.stdout
    assert str(stack.loom.jobs.get(model.job_id).request_id) in job.stdout
    assert cli("job", model.job_id, "--json").json["result"]["model_id"] == model_id
    losses = cli("job", model.job_id, "--losses").stdout.splitlines()
    assert losses[0].split() == ["EPOCH", "STEP", "SECONDS", "TRAINING", "VALIDATION"]
    assert len(losses) == 1 + len(cli("job", model.job_id, "--losses", "--json").json["data"])


def test_ids_may_be_cut_at_either_end_and_names_used(cli: Cli, model_id: str, stack: Stack) -> None:
    job_id = stack.loom.models.get(model_id).job_id
    for word in (job_id, job_id[:20], job_id[4:20], job_id[-6:], job_id[-6:].upper()):
        assert cli("job", word, "--json").json["id"] == job_id, word
    for word in (model_id, model_id[:20], model_id[-6:]):
        assert cli("model", word, "--json").json["id"] == model_id, word
    twin = stack.train(name="reeds", seed=8).model_id
    found = cli("model", "reeds", "--json")
    assert found.json["id"] == twin
    assert "Using the newest of 2 models called reeds." in found.stderr
    both = cli("model", "reeds", "--name", "mine")
    assert both.exit_code == 2
    assert f"{twin}, {model_id}" in both.stderr
    assert cli("delete", twin or "", "--yes").id == twin


def test_a_job_is_cancelled_and_resumed(cli: Cli, stack: Stack) -> None:
    job_id = cli("train", "sample", *ENDLESS).id
    eventually(lambda: stack.loom.jobs.get(job_id).progress.step > 10, "it trains")
    assert cli("cancel", job_id).id == job_id
    assert stack.loom.jobs.get(job_id).status == "cancelled"
    resumed = cli("resume", job_id[-8:]).id
    assert stack.loom.jobs.get(resumed).parent_id == job_id
    cancelled = cli("cancel", resumed, "--json")
    assert cancelled.json["status"] == "cancelled"
    followed = cli("job", resumed, "--follow")
    assert followed.exit_code == 1
    assert f"`charloom resume {resumed}` continues it" in followed.stderr


def test_a_model_is_renamed_downloaded_brought_in_and_deleted(cli: Cli, stack: Stack) -> None:
    model_id = cli("train", "sample", "--follow", *SMALL).id
    assert "Weaver" in cli("model", model_id, "--name", "Weaver", "--metadata", "mood=calm").stdout
    assert stack.loom.models.get(model_id).metadata == {"mood": "calm"}
    path = Path(cli("download", model_id).stdout.strip())
    assert (cli.folder / path).stat().st_size == stack.loom.models.get(model_id).bytes
    there = cli("download", model_id)
    assert there.exit_code == 2
    assert "--force replaces it" in there.stderr
    assert cli("download", model_id, "--force", "--json").json["path"] == str(path)
    copy = cli("import", str(path), "--name", "copy").id
    assert stack.loom.models.get(copy).name == "copy"
    refused = cli("delete", "copy")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert cli("delete", "copy", model_id, "--yes").stdout.split() == [copy, model_id]
    assert cli("model", copy).exit_code == 5


def test_a_text_is_added_printed_and_deleted(cli: Cli) -> None:
    corpus_id = cli("corpora", "--add", "-", "--name", "tiny", stdin=b"One line.\r\nTwo.\n").id
    assert cli("corpora", "--text", "tiny").stdout == "One line.\nTwo.\n"
    assert cli("corpora", "--text", corpus_id, "--json").json["text"] == "One line.\nTwo.\n"
    cli("corpora", "--add", "-", "--name", "western", "--encoding", "cp1252", stdin=b"It\x92s.\n")
    assert cli("corpora", "--text", "western").stdout == "It’s.\n"
    card = cli("text", corpus_id, "--name", "Tiny, twice", "--metadata", "mood=calm").stdout
    assert "mood=calm" in card
    assert "begins      One line. Two." in card
    assert corpus_id in cli("texts", "--name", "TINY", "--metadata", "mood=calm", "--kind", "prose").stdout
    assert cli("texts", "--kind", "list", "--name", "tiny").stderr == "No text matches.\n"
    assert [r"'\n'", "U+000A", "2"] in [
        line.split() for line in cli("text", corpus_id, "--vocabulary").stdout.splitlines()
    ]
    joined = cli("join", "Tiny, twice", "western", "--separator", r"\n* * *\n").id
    assert cli("download", joined, "--output", "joined.txt").exit_code == 0
    assert (cli.folder / "joined.txt").read_text("utf-8") == "One line.\nTwo.\n* * *\nIt’s.\n"
    cli("text", corpus_id, "--name", "tiny")
    assert cli("delete", "tiny", "--yes", "--json").json == {"object": "corpus", "id": corpus_id, "deleted": True}


def test_a_training_is_estimated_and_nothing_is_queued(cli: Cli, stack: Stack) -> None:
    before = [job.id for job in stack.loom.jobs.list(limit=1)]
    result = cli("estimate", "sample", *SMALL)
    assert [line.split()[0] for line in result.stdout.splitlines()] == [
        "parameters",
        "steps",
        "time",
        "memory",
        "starts",
    ]
    assert cli("estimate", "sample", *SMALL, "--json").json["parameters"] > 1000
    assert [job.id for job in stack.loom.jobs.list(limit=1)] == before


def test_a_closed_pipe_cancels_the_generation(cli: Cli, model_id: str, stack: Stack) -> None:
    words = charloom("write", model_id, "--length", "100000", "--n", "64")  # seconds of writing
    with subprocess.Popen(words, cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(20)
        process.stdout.close()
        assert process.wait() == 141
    [job] = stack.loom.jobs.list(type="generate", limit=1)
    assert stack.loom.jobs.wait(job).status == "cancelled"


def test_a_followed_training_doesn_t_notice_a_restart_of_the_web_server(cli: Cli, stack: Stack) -> None:
    options = (*SMALL, "--epochs", "4", *SLOW)
    words = charloom("train", "sample", "--follow", "--json", *options)
    with subprocess.Popen(words, cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines, restarts = [], 0
        for line in process.stdout:
            lines.append(json.loads(line))
            if lines[-1].get("type") == "metric" and not restarts:
                restarts += 1
                stack.kill_web()
                stack.start_web()
        assert process.wait() == 0
    events = [line for line in lines if line["object"] == "event"]
    assert [event["id"] for event in events] == [
        event.id for event in stack.listed(stack.loom.jobs.get(lines[0]["id"]))
    ]


def test_the_beginning_of_several_ids_is_refused(cli: Cli, model_id: str) -> None:
    assert model_id
    assert cli("write", "reeds", "--length", "10").exit_code == 0  # a second job
    failed = cli("job", "job_")
    assert (failed.exit_code, failed.stdout) == (2, "")
    assert "matches several jobs" in failed.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train", "nope.txt"), 2, "There is no file 'nope.txt' here, and no text of that name on the server."),
        (("train", "."), 2, ". has no files."),
        (("train", "sample", "--epochs", "0"), 2, "--epochs is 0, but must be greater than or equal to 1."),
        (
            ("train", "sample", "--recipe", "classic", "--embedding-size", "8"),
            2,
            "--embedding-size is 8, but must be 0.",
        ),
        (("train", "sample", "--epochs", "many"), 2, "'many' is not a valid integer"),
        (("train", "sample", "--metadata", "x"), 2, "'x' isn't KEY=VALUE"),
        (("train", "sample", "--hidden-size", "4096", "--layers", "8"), 4, "one batch would take about"),
        (("train", "sample", "--init-from", "nobody"), 5, "There is no model 'nobody'."),
        (("job", "nope"), 5, "There is no job 'nope'. `charloom jobs` lists all jobs."),
        (("job", "job_00000000000000000000000000"), 5, "job_00000000000000000000000000"),
        (("job", "job_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"), 5, "There is no job"),
        (("job", "../../models"), 5, "There is no job"),
        (("write", "reeds", "--prompt", "\N{SNOWMAN}"), 4, "(U+2603)"),
        (("write", "reeds", "--temperature", "nan"), 2, "--temperature"),
        (("jobs", "--status", "sleeping"), 2, "--status 'sleeping' isn't one of queued"),
        (("resume", "reeds"), 5, "There is no job"),
        (("import", "nope.zip"), 2, "nope.zip"),
        (("delete", "nope"), 5, "There is no model and no text 'nope'."),
        (("jobs", "--url", "http://127.0.0.1:1"), 3, "doesn't answer: Connection refused. Start it with `charloom up`"),
        (("jobs", "--url", "ftp://x"), 2, "is not the address of a server"),
    ],
)
def test_a_failure_is_one_plain_sentence_and_its_exit_code_says_what_kind(
    cli: Cli, model_id: str, arguments: tuple[str, ...], code: int, words: str
) -> None:
    assert model_id
    failed = cli(*arguments)
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert words in failed.stderr


def test_a_job_that_failed_fails_the_command(cli: Cli) -> None:
    (cli.folder / "model.pth").write_text("this is no model")
    failed = cli("import", "model.pth")
    assert failed.exit_code == 1
    assert "neither a bundle nor" in failed.stderr
