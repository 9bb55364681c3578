"""pace: a bucket of tokens that fills with time."""
import time


class Pace:
    def __init__(self, burst, per_second):
        self.burst, self.per_second = burst, per_second
        self._tokens, self._at = float(burst), time.monotonic()

    def take(self, count=1):
        """Whether there was enough; if not, nothing is taken."""
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens +
                           (now - self._at) * self.per_second)
        self._at = now
        if self._tokens < count:
            return False
        self._tokens -= count
        return True

    def wait_ms(self, count):
        """How long until there is enough, or all that fits."""
        lacking = min(count, self.burst) - self._tokens
        return max(1, int(1000 * lacking / self.per_second) + 1)
