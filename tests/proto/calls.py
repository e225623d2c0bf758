"""One function per script: its arguments by name, in the order that the head of the script gives. A call is a plain list, so
that the simulation can hold it back, lose its reply or send it twice."""


def _flat(fields):
    return [word for pair in fields.items() for word in pair]


def _counted(fields):
    return [len(fields), *_flat(fields)]


def accept(update, job, conv, lane_max=20, gather="", open_ms=0, edit="", per_min=0, user_models="", **fields):
    return ["accept", update, job, conv, lane_max, gather, open_ms, edit, *_counted(fields), per_min, user_models]


def alert(cause, about=""):
    return ["alert", cause, about]


def audit(older_ms=0, most=100):
    return ["audit", older_ms, most]


def beat(worker):
    return ["beat", worker]


def begin(queue, entry, job, call, nth=1, most=5, lost="", want=0, least=0, periods=(), worker=None):
    """periods: (name, limit or '', seconds to keep)"""
    return ["begin", queue, entry, job, call, nth, most, lost, want, least, len(periods),
            *(word for period in periods for word in period), *([worker] if worker else [])]


def blob(what, name, at, piece=None, most=1000, count=10):
    return ["blob", what, name, at, *([] if piece is None else [piece, most, count])]


def book(event_id, cost, periods, event):
    """periods: (name, seconds to keep)"""
    return ["book", event_id, cost, len(periods), *(word for period in periods for word in period), *_counted(event)]


def breaker(what, most=3):
    return ["breaker", what, most]


def broadcast(queue, entry, job, what, written="", total=0, words="stop"):
    return ["broadcast", queue, entry, job, what, written, total, words]


def bury(queue, entry, reason, fields):
    return ["bury", queue, entry, reason, *_counted(fields)]


def choose(update, job, conv, what, target, size="", lane_max=20, per_min=0, user_models="", **fields):
    return ["choose", update, job, conv, what, target, size, lane_max, *_counted(fields), per_min, user_models]


def claim(queue, me, whose, *entries):
    return ["claim", queue, me, whose, *entries]


def commit(queue, entry, job, to, how="", line="", about="", length=0, rest="", question="", answer="", response="",
           call="", cost=0, alert="", fields=None, events=()):
    out = ["commit", queue, entry, job, to, how, line, about, length, rest, question, answer, response, call, cost, alert,
           *_counted(fields or {}), len(events)]
    for event in events:
        out += _counted(event)
    return out


def control(update, job, conv, what, target="", /, **fields):
    return ["control", update, job, conv, what, target, *_counted(fields)]


def crashed(queue, entry, job, *run):
    return ["crashed", queue, entry, job, *run]


def doing(queue, entry, job, word, length=""):
    return ["doing", queue, entry, job, word, length]


def files(update, job, conv, drop="", **fields):
    return ["files", update, job, conv, drop, *_counted(fields)]


def lease(name, me, dead="", what="take"):
    return ["lease", name, me, dead, what]


def look(queue, worker, *triples):
    """triples: (entry, job, bytes of text known or '')"""
    return ["look", queue, worker, *(word for triple in triples for word in triple)]


def mark(entry, job, worker, part, was, to):
    return ["mark", entry, job, worker, part, was, to]


def migrate(old, new):
    return ["migrate", old, new]


def pace(chat, all_rate=0, all_burst=1, chat_rate=0, chat_burst=1, kind="send"):
    return ["pace", chat, all_rate, all_burst, chat_rate, chat_burst, kind]


def park(queue, entry, job, wait_ms, failed="", *unsent):
    return ["park", queue, entry, job, wait_ms, failed, *unsent]


def pause(chat, ms):
    return ["pause", chat, ms]


def reap(queue, worker):
    return ["reap", queue, worker]


def rebuild(what, *periods, kept=()):
    """periods: (name, spent, seconds to keep); kept: (hash, field, value)"""
    return ["rebuild", what, len(periods), *(word for period in periods for word in period), len(kept), *(word for one in kept for word in one)]


def release(queue, entry, job):
    return ["release", queue, entry, job]


def response(queue, entry, job, call, response_id):
    return ["response", queue, entry, job, call, response_id]


def retry(update, job, conv, target="", per_min=0, user_models="", **fields):
    return ["retry", update, job, conv, target, *_counted(fields), per_min, user_models]


def say(queue, entry, job, before, more, *whose):
    """whose: call and response id, or nothing"""
    return ["say", queue, entry, job, before, more, *whose]


def settled(*entries):
    return ["settled", *entries]


def spread(written="", after=0, *users, last=False, most=10, every=3000):
    return ["spread", written, after, "1" if last else "", most, every, len(users), *users]


def stop(entry, job, why="gone"):
    return ["stop", entry, job, why]


def take(queue, entry, job, worker):
    return ["take", queue, entry, job, worker]


def told(queue, entry, job, text="", fields=None, kept=()):
    """kept: (hash, field, value)"""
    return ["told", queue, entry, job, text, *_counted(fields or {}), len(kept), *(word for one in kept for word in one)]


def wish(queue, entry, job, **fields):
    return ["wish", queue, entry, job, *_counted(fields)]


def catalog(models):
    return ["catalog", *_counted(models)]


def revive(queue, entry, job, what, dead="", user_models=""):
    return ["revive", queue, entry, job, what, dead, user_models]


def unpark(most=100):
    return ["unpark", most]
