"""Builds the compiled kernels; everything else about the package is in pyproject.toml."""

import os
import shutil
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = (
    "batches",
    "checksum",
    "disk",
    "framing",
    "hashing",
    "journal",
    "mapping",
    "records",
    "ring",
    "streams",
    "wire",
)
CHECKED = {"boundscheck": True, "wraparound": True, "initializedcheck": True}
UNCHECKED = {"boundscheck": False, "wraparound": False, "initializedcheck": False}
SANITIZERS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"]
PROFILES = {
    "release": (["-O3", "-g0"], UNCHECKED),
    "debug": (["-O0", "-g3", "-UNDEBUG"], CHECKED),
    "sanitize": (["-O1", "-g", *SANITIZERS], UNCHECKED),
    "fuzz": (["-O1", "-g", *SANITIZERS, "-fsanitize=fuzzer-no-link"], UNCHECKED),  # CC=clang
}

profile = os.environ.get("GOUTUBE_BUILD", "release")
if profile not in PROFILES:
    raise SystemExit(f"GOUTUBE_BUILD={profile} is none of {', '.join(PROFILES)}")
flags, directives = PROFILES[profile]
compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
if shutil.which(compiler) is None and shutil.which("gcc") is None:
    raise SystemExit(
        f"a source build needs a C compiler and there is no {compiler!r} "
        "(Debian: apt-get install gcc libc6-dev python3-dev)"
    )

setup(
    # The C compiler is most of a build, and kernels do not wait for each other.
    options={"build_ext": {"parallel": len(os.sched_getaffinity(0))}},
    ext_modules=cythonize(
        [
            Extension(
                f"goutube._native.{name}",
                [f"csrc/{name}.pyx"],
                include_dirs=["csrc"],
                depends=sorted(map(str, Path("csrc").glob("*.h"))),
                extra_compile_args=[*flags, "-Wall", "-fvisibility=hidden"],
                extra_link_args=["-pthread", *(SANITIZERS if profile == "sanitize" else [])],
            )
            for name in KERNELS
        ],
        build_dir=f"build/cython/{profile}",
        compiler_directives={
            "language_level": 3,
            "cdivision": True,
            "embedsignature": True,
            "autotestdict": False,
            "auto_pickle": False,
            **directives,
        },
    ),
)
