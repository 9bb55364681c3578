"""otlp: whether a request is what OTLP/HTTP in JSON may be: opentelemetry-proto
1.x in the JSON mapping of protobuf, with ids in hex. Strict: a member that the
schema does not have is an error."""
import re

TRACE_ID = re.compile(r"[0-9a-f]{32}\Z")
SPAN_ID = re.compile(r"[0-9a-f]{16}\Z")
NUMBER = re.compile(r"-?[0-9]+\Z")
EARLIEST = 1_000_000_000 * 10**9  # nanoseconds: 2001


class Wrong(Exception):
    pass


def need(condition, text, *more):
    if not condition:
        raise Wrong(text % more if more else text)


def members(value, where, required, optional=()):
    need(isinstance(value, dict), "%s is not an object", where)
    for name in required:
        need(name in value, "%s has no %s", where, name)
    for name in value:
        need(name in required or name in optional,
             "%s has a member %s", where, name)


def array(value, where):
    need(isinstance(value, list), "%s is not an array", where)
    return value


def text(value, where):
    need(isinstance(value, str), "%s is not a string", where)
    return value


def number_text(value, where):
    """A 64-bit integer: a string of digits."""
    need(isinstance(value, str) and NUMBER.match(value),
         "%s is not a string of digits: %r", where, value)
    return int(value)


def time(value, where):
    at = number_text(value, where)
    need(at > EARLIEST, "%s is not in nanoseconds: %s", where, value)
    return at


def identity(value, form, where):
    need(isinstance(value, str) and form.match(value) and value.strip("0"),
         "%s is not an id: %r", where, value)
    return value


def any_value(value, where):
    need(isinstance(value, dict) and len(value) == 1,
         "%s is not one value: %r", where, value)
    kind, inner = next(iter(value.items()))
    if kind == "stringValue":
        return text(inner, where)
    if kind == "intValue":
        return number_text(inner, where)
    if kind == "boolValue":
        need(isinstance(inner, bool), "%s is not a boolean", where)
        return inner
    if kind == "doubleValue":
        need(isinstance(inner, (int, float)) and not isinstance(inner, bool),
             "%s is not a number", where)
        return inner
    raise Wrong("%s is of an unknown kind %s" % (where, kind))


def attributes(value, where):
    found = {}
    for entry in array(value, where):
        members(entry, where, ("key", "value"))
        key = text(entry["key"], where)
        need(key, "%s has an empty key", where)
        need(key not in found, "%s has %s twice", where, key)
        found[key] = any_value(entry["value"], where + "." + key)
    return found


def resource(value):
    members(value, "resource", ("attributes",))
    found = attributes(value["attributes"], "resource")
    need(found.get("service.name"), "the resource has no service.name")
    return found


def scoped(request, around, scope, items):
    """Yields the resource and each item."""
    members(request, "the request", (around,))
    need(array(request[around], around), "%s is empty", around)
    for part in request[around]:
        members(part, around, ("resource", scope))
        about = resource(part["resource"])
        for group in array(part[scope], scope):
            members(group, scope, ("scope", items))
            members(group["scope"], "scope", ("name",), ("version",))
            text(group["scope"]["name"], "scope.name")
            need(array(group[items], items), "%s is empty", items)
            for item in group[items]:
                yield about, item


def span(value):
    members(value, "span",
            ("traceId", "spanId", "name", "kind", "startTimeUnixNano",
             "endTimeUnixNano", "attributes"),
            ("parentSpanId", "flags", "status"))
    found = {
        "trace": identity(value["traceId"], TRACE_ID, "traceId"),
        "span": identity(value["spanId"], SPAN_ID, "spanId"),
        "parent": None,
        "name": text(value["name"], "name"),
        "kind": value["kind"],
        "start": time(value["startTimeUnixNano"], "startTimeUnixNano"),
        "end": time(value["endTimeUnixNano"], "endTimeUnixNano"),
        "attributes": attributes(value["attributes"], "attributes"),
        "error": False, "message": "",
    }
    need(found["name"], "a span has no name")
    need(value["kind"] in (1, 2, 3, 4, 5), "kind %r", value["kind"])
    need(found["start"] <= found["end"], "a span ends before it starts")
    if "parentSpanId" in value:
        found["parent"] = identity(
            value["parentSpanId"], SPAN_ID, "parentSpanId")
        need(found["parent"] != found["span"], "a span is its own parent")
    if "flags" in value:
        need(isinstance(value["flags"], int), "flags %r", value["flags"])
    if "status" in value:
        members(value["status"], "status", (), ("code", "message"))
        need(value["status"].get("code", 0) in (0, 1, 2), "status.code")
        found["error"] = value["status"].get("code") == 2
        found["message"] = value["status"].get("message", "")
    if found["kind"] == 2 and "http.request.method" in found["attributes"]:
        for name in ("url.path", "url.scheme"):
            need(name in found["attributes"], "a SERVER span has no %s", name)
    if found["error"]:
        need("error.type" in found["attributes"], "an error without a type")
    return found


def spans(request):
    return [dict(span(item), resource=about) for about, item in
            scoped(request, "resourceSpans", "scopeSpans", "spans")]


def line(value):
    members(value, "logRecord",
            ("timeUnixNano", "severityNumber", "severityText", "body",
             "attributes"),
            ("observedTimeUnixNano", "traceId", "spanId", "flags"))
    need(value["severityNumber"] in range(1, 25), "severityNumber")
    found = {
        "at": time(value["timeUnixNano"], "timeUnixNano"),
        "severity": text(value["severityText"], "severityText"),
        "text": any_value(value["body"], "body"),
        "attributes": attributes(value["attributes"], "attributes"),
        "trace": None, "span": None,
    }
    if "traceId" in value:
        found["trace"] = identity(value["traceId"], TRACE_ID, "traceId")
    if "spanId" in value:
        need("traceId" in value, "a span without its trace")
        found["span"] = identity(value["spanId"], SPAN_ID, "spanId")
    return found


def lines(request):
    return [dict(line(item), resource=about) for about, item in
            scoped(request, "resourceLogs", "scopeLogs", "logRecords")]


def point(value, kind):
    if kind == "histogram":
        members(value, "point",
                ("attributes", "startTimeUnixNano", "timeUnixNano", "count",
                 "sum", "bucketCounts", "explicitBounds"))
        counts = [number_text(n, "bucketCounts")
                  for n in array(value["bucketCounts"], "bucketCounts")]
        bounds = array(value["explicitBounds"], "explicitBounds")
        need(len(counts) == len(bounds) + 1, "buckets and bounds differ")
        need(all(n >= 0 for n in counts), "a bucket has less than nothing")
        need(bounds == sorted(set(bounds)), "bounds out of order")
        need(sum(counts) == number_text(value["count"], "count"),
             "the buckets are not the count")
        amount = value["sum"]
    else:
        members(value, "point", ("attributes", "timeUnixNano"),
                ("startTimeUnixNano", "asDouble", "asInt"))
        need(("asDouble" in value) != ("asInt" in value), "no single value")
        amount = value.get("asDouble")
        if amount is None:
            amount = number_text(value["asInt"], "asInt")
    need(isinstance(amount, (int, float)), "%r is not a number", amount)
    time(value["timeUnixNano"], "timeUnixNano")
    if "startTimeUnixNano" in value:
        need(time(value["startTimeUnixNano"], "startTimeUnixNano") <=
             int(value["timeUnixNano"]), "a point starts after its time")
    return {"value": amount, "attributes":
            attributes(value["attributes"], "attributes")}


def metric(value):
    kinds = [k for k in ("gauge", "sum", "histogram") if k in value]
    need(len(kinds) == 1, "a metric has the kinds %s", kinds)
    members(value, "metric", ("name", kinds[0]), ("description", "unit"))
    inner = value[kinds[0]]
    if kinds[0] == "gauge":
        members(inner, "gauge", ("dataPoints",))
    elif kinds[0] == "sum":
        members(inner, "sum",
                ("dataPoints", "aggregationTemporality", "isMonotonic"))
        need(inner["isMonotonic"] is True, "a sum that is not monotonic")
    else:
        members(inner, "histogram", ("dataPoints", "aggregationTemporality"))
    need(inner.get("aggregationTemporality", 2) == 2, "not cumulative")
    points = [point(p, kinds[0]) for p in array(inner["dataPoints"], "points")]
    need(points, "%s has no points", value["name"])
    keys = [sorted(p["attributes"].items()) for p in points]
    need(all(keys.count(k) == 1 for k in keys) if len(keys) < 500 else True,
         "%s has two points with the same attributes", value["name"])
    return {"name": text(value["name"], "name"), "kind": kinds[0],
            "points": points}


def metrics(request):
    return [dict(metric(item), resource=about) for about, item in
            scoped(request, "resourceMetrics", "scopeMetrics", "metrics")]
