"""Scripts: quotas of clients, which both sides keep and describe."""

MAX = float(1 << 62)


def entity(t, **parts):
    """Of (type, name): a dash in a type is written as _, a name is this script's own."""
    return [{"entity_type": kind.replace("_", "-"), "entity_name": t.topic(name) if name else name}
            for kind, name in parts.items()]


def op(key, value=None):
    """Removed without a value."""
    return {"key": key, "value": 0.0 if value is None else float(value), "remove": value is None}


def alter(t, *entries, validate_only=False):
    """Answers come in the order of a hash map on a broker."""
    answer = t.ask("AlterClientQuotas", 1, {"validate_only": validate_only, "entries": [
        {"entity": who, "ops": list(ops)} for who, *ops in entries]}, note=False)
    for told in answer["entries"]:
        told["entity"].sort(key=lambda part: (part["entity_type"], part["entity_name"] or ""))
    answer["entries"].sort(key=lambda told: str(told["entity"]))
    t.note(f"AlterClientQuotas {entries} {validate_only}", answer)


def describe(t, *components, strict=False, note=True):
    """Components are (type, how, name)."""
    answer = t.ask("DescribeClientQuotas", 1, {"strict": strict, "components": [
        {"entity_type": kind, "match_type": how, "match": name} for kind, how, name in components]}, note=False)
    for told in answer["entries"] or ():
        told["entity"].sort(key=lambda part: part["entity_type"])
        told["values"].sort(key=lambda value: value["key"])
    if answer["entries"]:
        answer["entries"].sort(key=lambda told: str(told["entity"]))
    if note:
        t.note(f"DescribeClientQuotas {components} {strict}", answer)
    return answer["entries"]


def altered(t):
    """What may be set, and what a request may say twice."""
    client, user, both = entity(t, client_id="c"), entity(t, user="u"), entity(t, user="u", client_id="c")
    rate = "producer_byte_rate"
    for value in (1, 1.5, 1.0000001, 0, -1, MAX, 1e19, 1e300, float("inf")):
        alter(t, (client, op(rate, value)), validate_only=True)
        alter(t, (client, op("request_percentage", value)), validate_only=True)
        alter(t, (entity(t, ip=None), op("connection_creation_rate", value)), validate_only=True)
    for key in (rate, "connection_creation_rate", "none", ""):
        alter(t, (user, op(key, 5)), validate_only=True)
        alter(t, (user, op(key)), validate_only=True)
    for who in ([], [{"entity_type": "user", "entity_name": ""}], [{"entity_type": "group", "entity_name": "g"}],
                entity(t, ip=None) + user, client + entity(t, client_id="other"), client + client, both):
        alter(t, (who, op(rate, 7)), validate_only=True)
    alter(t, (client, op(rate, 1), op(rate, 2)), (user, op(rate, 3)))
    alter(t, (both, op(rate, 11)), (user, op(rate, 12)), (both, op(rate, 13)))
    alter(t, (client, op(rate, 21), op("none", 4)), (client, op(rate, 22)))
    alter(t, (client, op(rate, 31)))

    def known():
        return describe(t, ("client-id", 0, t.topic("c")), note=False)
    t.until(lambda: len(known()) == 2)
    for strict in (False, True):
        describe(t, ("client-id", 0, t.topic("c")), strict=strict)
        describe(t, ("client-id", 0, t.topic("c")), ("user", 2, None), strict=strict)
        describe(t, ("user", 0, t.topic("u")), ("client-id", 1, None), strict=strict)
    for who in (client, user, both):
        alter(t, (who, op(rate), op("consumer_byte_rate")))
    t.until(lambda: not known())


def filters(t):
    """What a filter may say."""
    for components in ([("", 0, "x")], [("group", 0, "x")], [("user", 0, None)], [("user", 1, "x")],
                       [("user", 2, "x")], [("user", 3, None)], [("user", -1, None)], [("user", 0, "")],
                       [("user", 0, "x"), ("user", 0, "y")], [("ip", 2, None), ("user", 2, None)],
                       [("client-id", 2, None), ("ip", 1, None)], [("group", 0, "x"), ("user", 0, None)]):
        describe(t, *components)


SCRIPTS = [altered, filters]
