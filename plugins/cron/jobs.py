"""jobs: what the settings say about each job. Reads and checks, and knows no
gateway; when a job is due, and whether `when` makes sense, is supd's part."""
import re

KINDS = ("tool", "command", "method")
KEYS = ("name", "when", "zone", "call", "timeout", "catch_up")
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
JOBS_MAX = 500
TIMEOUT = 60.0
TIMEOUT_MAX = 24 * 3600.0
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
TIME = re.compile(r"([0-9]{1,9})(ms|s|m|h)\Z")


class Job:
    __slots__ = ("name", "when", "zone", "kind", "target", "args", "timeout",
                 "catch_up")


def _text(value, what):
    if not isinstance(value, str) or not value:
        raise ValueError("%s must be a string" % what)
    return value


def _check_keys(value, known, what):
    if not isinstance(value, dict):
        raise ValueError("%s must be a map" % what)
    for key in value:
        if key not in known:
            raise ValueError("unknown key %s in %s" % (key, what))


def seconds(value):
    """"10s", or a number of seconds."""
    number = value if type(value) in (int, float) else None
    match = TIME.match(value) if isinstance(value, str) else None
    if match:
        number = int(match[1]) * UNITS[match[2]]
    if number is None or not 0.001 <= number <= TIMEOUT_MAX:
        raise ValueError("timeout must be a time such as 30s, at most 24h")
    return float(number)


def _read_call(job, call):
    _check_keys(call, KINDS + ("args",), "call")
    kinds = [kind for kind in KINDS if kind in call]
    if len(kinds) != 1:
        raise ValueError("call must name a tool, a command or a method")
    job.kind = kinds[0]
    job.target = _text(call[job.kind], "call." + job.kind)
    job.args = call.get("args")
    if job.kind == "command":
        job.args = "" if job.args is None else job.args
        if not isinstance(job.args, str):
            raise ValueError("call.args of a command must be a string")


def _read_job(value):
    _check_keys(value, KEYS, "a job")
    job = Job()
    for key in "name", "when", "call":
        if key not in value:
            raise ValueError("%s is missing" % key)
    if not isinstance(value["name"], str) or not NAME.match(value["name"]):
        raise ValueError("name must be 1 to 64 of A-Z a-z 0-9 . _ -")
    job.name = value["name"]
    job.when = _text(value["when"], "when")
    job.zone = value.get("zone")
    if job.zone is not None:
        _text(job.zone, "zone")
    job.catch_up = value.get("catch_up", "one")
    if job.catch_up not in ("one", "none"):
        raise ValueError("catch_up must be one or none")
    job.timeout = seconds(value.get("timeout", TIMEOUT))
    _read_call(job, value["call"])
    return job


def read(settings):
    """The jobs, in order. ValueError: what is wrong, and with which job."""
    _check_keys(settings, ("jobs",), "the settings")
    values = settings.get("jobs")
    if not isinstance(values, list):
        raise ValueError("jobs must be a list")
    if len(values) > JOBS_MAX:
        raise ValueError("there are more than %d jobs" % JOBS_MAX)
    jobs = []
    for number, value in enumerate(values, 1):
        name = value.get("name") if isinstance(value, dict) else None
        try:
            job = _read_job(value)
            if any(other.name == job.name for other in jobs):
                raise ValueError("there are two of that name")
        except ValueError as problem:
            raise ValueError("jobs: number %d (%.64s): %s" % (
                number, name or "no name", problem)) from None
        jobs.append(job)
    return jobs
