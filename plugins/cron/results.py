"""results: how each job went last, a file per job in the data folder, so that
reloads, crashes and restarts keep it. A job has one run at a time, so each file
has one writer."""
import json
import os

TEXT_MAX = 4096  # of a result or an error that is kept


def shorten(text):
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…"


def summary(value):
    """The value, or the beginning of its JSON if that is long."""
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= TEXT_MAX else shorten(text)


class Results:
    def __init__(self, folder):
        self.folder = os.path.join(folder, "jobs")
        self.unwritten = {}  # by name, while the disk refuses them

    def _path(self, name):
        return os.path.join(self.folder, name + ".json")

    def get(self, name):
        """{"runs", "failed", "last"}; of what is damaged nothing is left."""
        if name in self.unwritten:
            return self.unwritten[name]
        try:
            with open(self._path(name), encoding="utf-8") as file:
                value = json.load(file)
            return {"runs": int(value["runs"]), "failed": int(value["failed"]),
                    "last": value["last"]}
        except (OSError, ValueError, KeyError, TypeError):
            return {"runs": 0, "failed": 0, "last": None}

    def add(self, name, last):
        """OSError: it is only in memory."""
        value = self.get(name)
        value = {"runs": value["runs"] + 1,
                 "failed": value["failed"] + (not last["ok"]), "last": last}
        self.unwritten[name] = value
        os.makedirs(self.folder, exist_ok=True)
        path = self._path(name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False)
        os.replace(path + ".new", path)
        del self.unwritten[name]
