"""What setup.cfg cannot say: files beside the package that a wheel holds too, as kerasfusion/shipped/."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("configs/**/*.yaml", "configs/REFERENCE.md", "tools/constraints.txt", "tools/*.ipynb")


class BuildWithShippedFiles(build_py):
    """build_py, and the shipped files; an editable installation finds them where they are."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for name in _shipped():
                target = Path(self.build_lib, "kerasfusion", "shipped", name)
                self.mkpath(str(target.parent))
                self.copy_file(name, str(target))

    def get_source_files(self):
        """Of the source distribution, from which a wheel may be built."""
        return [*super().get_source_files(), *_shipped()]


def _shipped() -> list[str]:
    return sorted(str(path) for pattern in SHIPPED for path in Path().glob(pattern))


setup(cmdclass={"build_py": BuildWithShippedFiles})
