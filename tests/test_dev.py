"""dev.py: when .venv is made, installed into or left alone, and what is passed on. Nothing here touches the network."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import dev

HERE = sys.version_info[:2]
FILES = {"requirements.txt": b"a\n", "requirements-dev.txt": b"torch==1\nb\n"}


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """An empty checkout whose .venv, when made, runs this Python; `pip` calls are written down instead of made."""
    for name in dev.REQUIREMENTS:
        (tmp_path / name).write_text("torch==2.13.0\nnumpy\n" if name == "requirements-dev.txt" else "something\n")
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(dev, "STAMP", tmp_path / ".venv" / "dev-stamp")
    monkeypatch.setattr(dev, "venv_python", lambda: sys.executable)
    return tmp_path


@pytest.fixture
def calls(checkout, monkeypatch) -> list:
    calls = []

    def make_venv():
        calls.append("make")
        dev.VENV.mkdir(exist_ok=True)

    def pip(what, optional=False):
        calls.append(what)
        return 0

    monkeypatch.setattr(dev, "make_venv", make_venv)
    monkeypatch.setattr(dev, "pip", pip)
    return calls


class TestFingerprint:
    def test_it_is_the_same_for_the_same_files_in_any_order(self):
        assert dev.fingerprint(FILES, (3, 11)) == dev.fingerprint(dict(reversed(FILES.items())), (3, 11))

    def test_line_ends_of_windows_do_not_count(self):
        windows = {name: content.replace(b"\n", b"\r\n") for name, content in FILES.items()}
        assert dev.fingerprint(windows, (3, 11)) == dev.fingerprint(FILES, (3, 11))

    @pytest.mark.parametrize(
        "changed",
        [
            {**FILES, "requirements.txt": b"a>1\n"},
            {**FILES, "requirements-dev-nodeps.txt": b""},
            {"requirements.txt": FILES["requirements-dev.txt"], "requirements-dev.txt": FILES["requirements.txt"]},
        ],
    )
    def test_it_changes_with_any_file(self, changed):
        assert dev.fingerprint(changed, (3, 11)) != dev.fingerprint(FILES, (3, 11))

    def test_it_changes_with_the_python(self):
        assert dev.fingerprint(FILES, (3, 11)) != dev.fingerprint(FILES, (3, 12))


@pytest.mark.parametrize(
    ("stamp", "version", "step"),
    [
        (None, None, "make"),
        (None, HERE, "make"),
        ("new", None, "make"),
        ("new", (HERE[0], HERE[1] + 1), "make"),
        ("old", HERE, "install"),
        ("new", HERE, "nothing"),
    ],
)
def test_the_environment_gets_what_it_needs(stamp, version, step):
    assert dev.next_step(stamp, "new", version) == step


class TestPreparing:
    def test_the_first_call_makes_and_installs_and_the_second_does_nothing(self, calls):
        dev.prepare()
        assert calls[0] == "make" and len(calls) > 1
        before = list(calls)
        dev.prepare()
        assert calls == before

    def test_pytorch_comes_first_and_alone(self, calls):
        dev.prepare()
        assert calls[1] == ["torch==2.13.0"]
        installed = [name for call in calls[2:] for name in call if name != "-r"]
        *needed, optional = dev.REQUIREMENTS
        packages = dev.packages(optional)
        assert packages and set(installed) == {*needed, "--no-deps", *packages}

    def test_a_changed_requirement_installs_again_into_the_same_environment(self, checkout, calls):
        dev.prepare()
        calls.clear()
        (checkout / "requirements.txt").write_text("something else\n")
        dev.prepare()
        assert "make" not in calls and ["torch==2.13.0"] in calls

    def test_an_interrupted_installation_is_made_anew(self, checkout, calls, monkeypatch):
        dev.prepare()
        (checkout / "requirements.txt").write_text("something else\n")
        with monkeypatch.context() as patch:
            patch.setattr(dev, "install", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                dev.prepare()
        calls.clear()
        dev.prepare()
        assert calls[0] == "make"

    def test_an_environment_that_does_not_run_is_made_anew(self, checkout, calls, monkeypatch):
        dev.prepare()
        calls.clear()
        monkeypatch.setattr(dev, "venv_python", lambda: str(checkout / ".venv" / "nothing"))
        dev.prepare()
        assert calls[0] == "make"

    def test_a_failing_pip_is_heard_and_leaves_no_stamp(self, checkout, monkeypatch, capfd):
        dev.VENV.mkdir()
        monkeypatch.setattr(dev, "make_venv", lambda: None)
        (checkout / "requirements-dev.txt").write_text("torch==no.such.version\n")
        with pytest.raises(SystemExit) as failure:
            dev.prepare()
        assert failure.value.code == 2 and not dev.STAMP.exists()
        assert "no.such.version" in capfd.readouterr().err


class TestCommands:
    @pytest.mark.parametrize(("arguments", "status"), [([], 2), (["dance"], 2), (["--help"], 0)])
    def test_what_can_be_done_is_told(self, capfd, arguments, status):
        assert dev.main(arguments) == status
        assert "python3 dev.py demo" in capfd.readouterr().out

    @pytest.mark.parametrize(("version", "wanted"), [((3, 9), "python3.10"), ((3, 15), "python3.14")])
    def test_a_python_without_pytorch_is_refused_in_one_sentence(self, version, wanted):
        sentence = dev.unsuitable(version)
        assert f"Python {version[0]}.{version[1]}," in sentence and wanted in sentence and "\n" not in sentence

    @pytest.mark.parametrize("version", [(3, 10), (3, 12), (3, 14)])
    def test_other_pythons_are_welcome(self, version):
        assert dev.unsuitable(version) is None

    def test_an_old_python_can_read_the_file_as_far_as_its_refusal(self):
        ast.parse(Path(dev.__file__).read_text(encoding="utf-8"), feature_version=(3, 7))

    def test_arguments_and_the_exit_status_are_passed_on(self, checkout, calls):
        (checkout / "tests").mkdir()
        (checkout / "tests" / "test_one.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")
        assert dev.main(["test", "-q", "-k", "good"]) == 0
        assert dev.main(["test", "-q", "-k", "bad"]) == 1
        assert dev.main(["test", "-q", "-k", "absent"]) == 5

    def test_the_demo_uses_the_repositorys_media_and_later_options_win(self, checkout, calls, monkeypatch):
        (checkout / "real3d_core").mkdir()
        (checkout / "real3d_core" / "__init__.py").touch()
        (checkout / "real3d_core" / "__main__.py").write_text(
            "import sys, pathlib; pathlib.Path(sys.argv[-1]).write_text(' '.join(sys.argv))"
        )
        elsewhere = checkout / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        assert dev.main(["demo", "--seed", "7", "said"]) == 0
        said = (elsewhere / "said").read_text()
        assert "astronaut.png" in said and "librivox_0880_en.wav" in said and "demo.mp4" in said and "demo.png" in said
        assert said.index("--seed 7") > said.index("demo.png")
        assert (checkout / "output").is_dir()

    def test_benchmarks_are_listed_run_and_missed(self, checkout, calls, capfd):
        (checkout / "benchmarks").mkdir()
        (checkout / "benchmarks" / "speed.py").write_text('"""How fast it is.\n\nMore."""\nimport sys\nprint(sys.argv[1:])\nsys.exit(3)\n')
        assert dev.main(["bench"]) == 0
        assert capfd.readouterr().out.split(None, 1) == ["speed", "How fast it is.\n"]
        assert dev.main(["bench", "speed", "--size", "512"]) == 3
        assert "['--size', '512']" in capfd.readouterr().out
        assert dev.main(["bench", "../dev"]) == 2
        assert "There is no benchmark '../dev'; there are: speed." in capfd.readouterr().err

    def test_lint_sees_a_wrong_type_in_a_checkout_of_any_name(self, checkout, calls, capfd):
        pytest.importorskip("mypy")
        (checkout / "pyproject.toml").write_text("[tool.mypy]\n")
        for folder, script in (("real3d_core", "number: int = 1\n"), ("nodes", "from ..real3d_core import number\n\nword: str = number\n")):
            (checkout / folder).mkdir()
            (checkout / folder / "__init__.py").write_text(script)
        (checkout / "__init__.py").touch()
        assert dev.main(["lint"]) == 1
        assert "nodes/__init__.py:3: error: Incompatible types" in capfd.readouterr().out.replace("\\", "/")
        assert dev.main(["lint", "nodes"]) == 0
        (checkout / "nodes" / "__init__.py").unlink()
        assert dev.main(["lint"]) == 0

    def test_lint_sees_bad_order_and_bad_layout(self, checkout, calls):
        pytest.importorskip("mypy")
        (checkout / "pyproject.toml").write_text("")
        (checkout / "a.py").write_text("x = 1\n")
        assert dev.main(["lint"]) == 0
        (checkout / "a.py").write_text("x  =  1\n")
        assert dev.main(["lint"]) == 1
        (checkout / "a.py").write_text("import os\n")
        assert dev.main(["lint", "--quiet"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals end processes of Unix")
def test_a_process_ended_by_a_signal_has_the_shells_status(checkout, calls):
    assert dev.run(["-c", "import os; os.kill(os.getpid(), 11)"]) == 128 + 11


def test_the_files_in_the_repository_are_complete():
    root = Path(dev.__file__).parent
    assert all((root / name).is_file() for name in dev.REQUIREMENTS)
    assert subprocess.run(["git", "check-ignore", "-q", ".venv"], cwd=root).returncode in (0, 128)


class TestPythons:
    def test_this_python_is_found_and_every_one_is_what_it_is_listed_as(self):
        found = dev.found_pythons()
        assert HERE in found
        for version, python in found.items():
            said = subprocess.run([python, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
            assert ast.literal_eval(said.stdout) == version

    @pytest.mark.parametrize(
        ("prepared", "made", "status", "says"),
        [(0, 0, 0, "the demo was made"), (2, 0, 0, "could not be installed; not run"), (0, 1, 2, "The demo failed with Python 3.")],
    )
    def test_the_demo_runs_in_a_clone_with_each(self, monkeypatch, capfd, prepared, made, status, says):
        asked = []
        monkeypatch.setattr(dev, "found_pythons", lambda: {(3, 12): "python3.12"})
        monkeypatch.setattr(dev, "cleanly_cloned", lambda folder: folder)
        monkeypatch.setattr(
            dev.subprocess, "call", lambda command, cwd: asked.append(command[1:]) or (made if "demo" in command else prepared)
        )
        assert dev.main(["pythons"]) == status
        assert says in capfd.readouterr().err
        assert (["dev.py", "demo"] in asked) == (prepared == 0)

    def test_the_matrix_tries_the_oldest_and_the_newest_of_each_package(self, monkeypatch, capfd):
        tried = []

        def call(command, cwd):
            tried.append(command[3:])
            return 3 if "av==" in " ".join(command) else 0

        monkeypatch.setattr(dev, "found_pythons", lambda: {(3, 12): "python3.12"})
        monkeypatch.setattr(dev, "cleanly_cloned", lambda folder: folder)
        monkeypatch.setattr(
            dev.subprocess, "call", lambda command, cwd: tried.append(command[3:]) or (3 if "av==" in " ".join(command) else 0)
        )
        assert dev.main(["matrix", "-x"]) == 0
        combinations = [command[0].split() for command in tried[1:]]
        assert len(combinations) == 2 ** len(dev.MATRIX) == len({tuple(one) for one in combinations})
        assert all(command[1:] == ["-x"] for command in tried[1:])
        lines = capfd.readouterr().out.splitlines()
        assert len(lines) == len(combinations) and sum("does not resolve" in line for line in lines) == len(combinations) // 2


def test_the_tests_of_the_matrix_exist():
    assert all((Path(dev.__file__).parent / name).is_file() for name in dev.test_files())
