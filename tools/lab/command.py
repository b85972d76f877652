"""Running other programs: quiet when all is well, their whole output in the error when not."""

import subprocess


class LabError(Exception):
    """Something the user can act on: shown as one line, without a traceback."""


def run(*words, **options):
    """Run a program and return its standard output; LabError carries its whole output when it fails."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    except FileNotFoundError:
        raise LabError(f"{words[0]} is not installed: run tools/setup") from None
    if done.returncode != 0:
        raise LabError(f"{' '.join(words)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def newer(target, *sources):
    """Is the target there and no older than any of its sources?"""
    return target.exists() and all(target.stat().st_mtime >= source.stat().st_mtime for source in sources)
