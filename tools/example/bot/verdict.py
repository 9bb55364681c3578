"""verdict: whether what came is what was asked for, once each and in order."""


def complaints(who, sums_and_numbers, count):
    """What is wrong with the answers to the messages 1 to COUNT, a list of
    (sum, number): each message has one answer, in order, and the bot's sum
    shows that it did the work once for each."""
    numbers = [number for _, number in sums_and_numbers]
    found = []
    missing = [n for n in range(1, count + 1) if n not in numbers]
    doubled = sorted({n for n in numbers if numbers.count(n) > 1})
    unknown = [n for n in numbers if not 1 <= n <= count]
    if missing:
        found.append("%s: no answer to %s" % (who, missing))
    if doubled:
        found.append("%s: more than one answer to %s" % (who, doubled))
    if unknown:
        found.append("%s: answers to what nobody said: %s" % (who, unknown))
    if numbers != sorted(numbers):
        found.append("%s: answers out of order: %s" % (who, numbers))
    wrong = [(s, n) for at, (s, n) in enumerate(sums_and_numbers, 1) if s != at]
    if wrong:
        found.append("%s: sums that are not 1, 2, 3…: %s" % (who, wrong))
    return found


def table(rows):
    """Lines of text: columns as wide as they must be."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join([row[0].ljust(widths[0])] + [
        cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip()
            for row in rows]
