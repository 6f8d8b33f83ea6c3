"""cmake/report_page.cmake: which packages it takes, and what makes the page anew."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("EXPO_SOURCE_DIR", Path(__file__).parents[2]))

# A page that is made of one setting, so that it shows whether it was made anew.
BUILD = """
import { copyFileSync } from 'node:fs';
copyFileSync(new URL('tsconfig.json', import.meta.url), process.argv[2]);
"""


@pytest.fixture
def project(tmp_path):
    source = tmp_path / "source"
    (source / "page/src").mkdir(parents=True)
    (source / "page/node_modules").mkdir()
    (source / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(page NONE)\n"
        f'include("{ROOT}/cmake/report_page.cmake")\nadd_custom_target(page ALL DEPENDS ${{EXPO_PAGE}})\n')
    for name in ("template.html", "package.json", "package-lock.json", "tsconfig.json"):
        (source / "page" / name).write_text("1")
    (source / "page/build.mjs").write_text(BUILD)
    (tmp_path / "build/page").mkdir(parents=True)
    return source


def cmake(*arguments):
    return subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True)


def configure(project):
    return cmake("-S", project, "-B", project.parent / "build", "-G", "Ninja")


def install(project):
    shutil.copy(project / "page/package-lock.json", project / "page/node_modules/installed.json")


def test_packages_that_are_missing_or_old_name_the_command_that_installs_them(project):
    def assert_refused():
        done = configure(project)
        assert done.returncode != 0 and "run scripts/bootstrap build" in " ".join(done.stderr.split())

    (project / "page/node_modules/esbuild").mkdir()
    assert_refused()
    install(project)
    assert configure(project).returncode == 0
    (project / "page/package-lock.json").write_text("2")
    assert_refused()
    assert cmake("--build", project.parent / "build").returncode != 0
    install(project)
    assert configure(project).returncode == 0


def test_a_changed_setting_makes_the_page_anew(project):
    install(project)
    assert configure(project).returncode == 0
    page = project.parent / "build/page/report.html"
    for setting in ("first", "second"):
        (project / "page/tsconfig.json").write_text(json.dumps(setting))
        done = cmake("--build", project.parent / "build")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(page.read_text()) == setting
