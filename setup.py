"""Reads everything from settings.ini; run by pip."""
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

config = ConfigParser(delimiters=["="], comment_prefixes=("#",))
config.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
lib = cfg["lib_name"]

setup(
    name=lib,
    version=cfg["version"],
    description=cfg["description"],
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"],
    python_requires=f">={cfg['min_python']}",
    packages=find_packages(include=[lib, f"{lib}.*"]) + [f"{lib}.notebooks", f"{lib}.benchmarks"],
    # The experiment notebooks and benchmarks travel in the package: `droughtal run` and `droughtal bench` need no checkout.
    package_dir={f"{lib}.notebooks": "nbs/experiments", f"{lib}.benchmarks": "nbs/benchmarks"},
    package_data={f"{lib}.strategies": ["known.json"], f"{lib}.notebooks": ["*.ipynb", "*.jinja", "cluster/*"], f"{lib}.benchmarks": ["*.ipynb"]},
    install_requires=cfg["requirements"].split(),
    extras_require={extra: cfg[f"{extra}_requirements"].split()
                    for extra in ("dev", "paper", "bench", "lite0", "backbones", "geo")},
    entry_points={
        "console_scripts": cfg["console_scripts"].split(),
        "nbdev": [f"{lib}={lib}._modidx:d"],
    },
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    zip_safe=False,
)
