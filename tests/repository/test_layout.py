"""The repository's own rules: what every service has, who may import what, what no file may say."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from shared.apps import APPS
from shared.domains import nouns, services
from shared.events.topics import Topics
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(folder for folder in (ROOT / "services").iterdir() if (folder / "pyproject.toml").exists())
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
LINTER = TOOLS["importlinter"]
PRODUCT = sorted([*ROOT.glob("shared/src/**/*.py"), *ROOT.glob("services/*/src/**/*.py")])
# In parts, for this file is searched too.
PLACES = ("/" + "work/", "../" + "shared")
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("repo1", "maven", "org"), ("repo", "maven", "apache", "org"),
        ("npmjs", "org"), ("proxy", "golang", "org"), ("crates", "io"), ("rubygems", "org"), ("docker", "io"),
    )
)  # fmt: skip


def committed() -> list[Path]:
    """Every file of the repository that is text."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    files = [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    return [file for file in files if b"\0" not in file.read_bytes()[:8000]]


def imports(file: Path) -> Iterator[str]:
    """The top-level names of what a module imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def texts(file: Path) -> Iterator[str]:
    """The string constants of a module, without its docstrings."""
    tree = ast.parse(file.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


@pytest.mark.parametrize("folder", SERVICES, ids=lambda folder: folder.name)
def test_every_service_is_laid_out_alike(folder: Path) -> None:
    """Metadata, a README, an image, and a package named as the folder that runs by `python -m`."""
    package = folder / "src" / folder.name.replace("-", "_")
    needed = [folder / "README.md", folder / "Dockerfile", package / "__main__.py", package / "py.typed"]

    assert [file for file in needed if not file.exists()] == []


def test_every_package_is_under_the_arrows() -> None:
    """A service that import-linter does not know could import anything."""
    packages = {folder.name.replace("-", "_") for folder in SERVICES} | {"shared", "sandbox"}
    (layers,) = (contract["layers"] for contract in LINTER["contracts"] if "services" in contract["name"])

    assert set(LINTER["root_packages"]) == packages, "root_packages of [tool.importlinter] in pyproject.toml"
    assert set(re.findall(r"\w+", " ".join(layers))) == packages, "the first contract of [tool.importlinter]"


def test_the_types_of_every_package_are_checked() -> None:
    """mypy says nothing of a folder that it is not given."""
    folders = {str(folder.relative_to(ROOT) / "src") for folder in (ROOT / "shared", ROOT / "sandbox", *SERVICES)}

    assert set(TOOLS["mypy"]["mypy_path"]) == folders, "mypy_path of [tool.mypy] in pyproject.toml"
    assert {name for name in TOOLS["mypy"]["files"] if name.endswith("/src")} == folders, "files of [tool.mypy]"


def test_the_arrows_name_modules_that_exist() -> None:
    """A contract about a module that was renamed holds nothing; `*` means every service that has one."""
    named = {module for contract in LINTER["contracts"] for module in contract.get("source_modules", [])}
    named |= {
        f"{container}.{m.strip()}".lstrip(".")
        for c in LINTER["contracts"]
        for container in c.get("containers", [""])
        for layer in c.get("layers", [])
        for m in layer.split("|")
    }
    roots = LINTER["root_packages"]
    for module in named:
        meant = [module.replace("*", root, 1) for root in roots] if module.startswith("*") else [module]
        assert any(find_spec(name) for name in meant), module


def test_every_decide_module_is_held_pure() -> None:
    """A service's decisions are under the contract as soon as it has some."""
    pure = {m for c in LINTER["contracts"] if "pure" in c["name"] for m in c["source_modules"]}
    found = {f"{file.parent.name}.decide" for file in ROOT.glob("services/*/src/*/decide.py")}

    assert found <= pure or "*.decide" in pure


@pytest.mark.parametrize(
    ("vendor", "allowed"),
    [
        ("stripe", ("shared/src/shared/apps/",)),
        ("togai_client", ()),
        ("faust", ("shared/src/shared/runtime/faust_", "shared/src/shared/runtime/worker.py")),
    ],
)
def test_a_library_is_wrapped_once(vendor: str, allowed: tuple[str, ...]) -> None:
    """Its types and errors stay behind the modules that were made for it."""
    users = [str(file.relative_to(ROOT)) for file in PRODUCT if vendor in imports(file)]

    assert [user for user in users if not user.startswith(allowed or ("nobody",))] == []


MAY_NAME_A_VENDOR = (
    "shared/src/shared/apps/",
    "shared/src/shared/domains/",
    "shared/src/shared/settings.py",
    "shared/src/shared/log.py",  # the loggers of their libraries
    *(f"services/{service}/" for service in services()),  # their actions are on these apps
    "services/console/src/console/api/",
    "services/console/src/console/domains/",
    "services/console/src/console/portal/",  # its pages are paid at Stripe
    "services/console/src/console/demo.py",
)


def test_an_app_is_named_where_it_is_at_home() -> None:
    """Ingress, the runtime, connecting and set-up ask the app's adapter: nothing changes there for one more."""
    names = "|".join(APPS)
    asks = {str(f.relative_to(ROOT)) for f in PRODUCT if any(re.match(rf"({names})\b", text) for text in texts(f))}

    assert [name for name in sorted(asks) if not name.startswith(MAY_NAME_A_VENDOR)] == []
    assert [place for place in MAY_NAME_A_VENDOR if not any(name.startswith(place) for name in asks)] == []


def test_nothing_is_deleted_at_a_vendor() -> None:
    """Design law 9. Two deletes are there: a webhook endpoint of the sandbox, which set-up made itself, and a draft of
    an account's schedules, which Tandem began itself and cannot end.
    """
    found = {
        (str(file.relative_to(ROOT)), line.strip())
        for file in PRODUCT
        for line in file.read_text().splitlines()
        if re.search(r"delete_async|\"DELETE\"|\.delete_webhook_endpoint\(", line)
    }

    assert {file for file, _ in found} == {
        "shared/src/shared/apps/stripe/client.py",
        "shared/src/shared/apps/stripe/connecting.py",
        "shared/src/shared/apps/togai/v2.py",
    }
    assert all("webhook_endpoint" in line or "discard_schedules" in line for _, line in found)


def test_a_topics_name_is_written_in_one_place() -> None:
    """Anywhere else it would miss the prefix, and a change."""
    names = {topic.name for topic in Topics(Settings(_env_file=None, topic_prefix="")).all(nouns())}
    found = {
        (file.name, text)
        for file in PRODUCT
        if file.name != "topics.py"
        for text in texts(file)
        for n in names
        if text.endswith(n)
    }

    assert found == set()


def test_no_file_names_a_workplace_or_a_package_registry() -> None:
    """The repository works anywhere: paths are its own, addresses of registries are the machine's own setting."""
    found = [
        (str(file.relative_to(ROOT)), word)
        for file in committed()
        for text in [file.read_text(errors="replace")]
        for word in (*PLACES, *HOSTS)
        if word in text
    ]

    assert found == []


def test_the_commit_hook_is_make_check() -> None:
    """One script, named by the Makefile and by pre-commit, and nothing from the network."""
    recipe = re.search(r"^check:.*\n\t@(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert recipe

    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    (hook,) = config["repos"][0]["hooks"]
    assert hook["entry"] == recipe[1].replace("$(BIN)", ".venv/bin")
    assert hook["language"] == "system"
    assert hook["always_run"]
    assert not hook["pass_filenames"]


def test_every_folder_of_tests_is_explained() -> None:
    """Whoever adds a test finds its place in CONTRIBUTING.md."""
    listed = set(re.findall(r"`tests/([a-z0-9_]+)`", (ROOT / "CONTRIBUTING.md").read_text()))

    assert listed == {
        file.relative_to(ROOT / "tests").parts[0]
        for file in ROOT.glob("tests/*/**/*.*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_unit_tests_lie_as_their_sources_do() -> None:
    """`tests/unit/shared/linking` holds tests of the package `shared.linking`."""
    folders = {path.parent.relative_to(ROOT / "tests/unit").parts for path in ROOT.glob("tests/unit/**/*.py")}

    assert [folder for folder in sorted(folders) if not find_spec(".".join(folder))] == []


@pytest.mark.parametrize("file", sorted(ROOT.glob("tests/**/test_*.py")), ids=lambda file: file.stem)
def test_every_test_says_what_it_holds(file: Path) -> None:
    """A test without a sentence is one that nobody dares to change."""
    functions = [
        n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
    ]

    assert [f.name for f in functions if f.name.startswith("test_") and not ast.get_docstring(f)] == []


def test_the_command_writes_through_its_terminal_alone() -> None:
    """Rich and typer write a vendor's control characters as they are; `console.cli.terminal` does not."""
    written = {
        f"{path.name}: {call}"
        for path in (ROOT / "services/console/src/console/cli").glob("*.py")
        for call in ("typer.echo(", "typer.secho(", " Console(", "(Console(", " print(")
        if path.name != "terminal.py" and call in path.read_text()
    }

    assert written == set()
