"""The simulator's vector stores and containers, over HTTP. Standard library only."""

import pytest

from test_sim import Sim


@pytest.fixture(scope="module")
def running():
    sim = Sim()
    yield sim
    sim.stop()


@pytest.fixture
def sim(running):
    running.control("reset", {})
    return running


def upload(sim, path, name, text, **fields):
    parts = [f'--X\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    parts.append(f'--X\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n{text}\r\n--X--\r\n')
    status, answer, _ = sim.call("POST", "/v1" + path, "".join(parts),
                                 {"Authorization": "Bearer sk-test", "Content-Type": "multipart/form-data; boundary=X"})
    return status, answer


def stored(sim, text="some words", name="a.txt"):
    return upload(sim, "/files", name, text, purpose="assistants")[1]["id"]


def store(sim, **more):
    status, answer = sim.ai("POST", "/vector_stores", {"name": "library", **more})
    assert status == 200
    return answer


def status_of(sim, vs, file):
    return sim.ai("GET", f"/vector_stores/{vs}/files/{file}")[1]["status"]


def until_read(sim, vs, file):
    while status_of(sim, vs, file) == "in_progress":
        pass
    return status_of(sim, vs, file)


def test_a_store_is_made_and_ends_some_days_after_its_last_use(sim):
    made = store(sim, expires_after={"anchor": "last_active_at", "days": 60})
    assert made["object"] == "vector_store" and made["status"] == "completed" and made["file_counts"]["total"] == 0
    assert made["expires_at"] == made["last_active_at"] + 60 * 86400
    assert sim.ai("GET", "/vector_stores/" + made["id"]) == (200, made)
    assert store(sim)["expires_after"] is None
    for wrong in ({"anchor": "created_at", "days": 1}, {"anchor": "last_active_at", "days": 366}, {"days": 1}):
        assert sim.ai("POST", "/vector_stores", {"expires_after": wrong})[0] == 400


def test_a_file_is_read_into_a_store_listed_and_taken_out(sim):
    vs, first, second = store(sim)["id"], stored(sim), stored(sim, "more words")
    for file in (first, second):
        status, answer = sim.ai("POST", f"/vector_stores/{vs}/files", {"file_id": file})
        assert status == 200 and answer["id"] == file and answer["vector_store_id"] == vs
        assert until_read(sim, vs, file) == "completed"
    one = sim.ai("GET", f"/vector_stores/{vs}/files?limit=1")[1]
    assert [f["id"] for f in one["data"]] == [second] and one["has_more"]
    rest = sim.ai("GET", f"/vector_stores/{vs}/files?after={second}")[1]
    assert [f["id"] for f in rest["data"]] == [first] and not rest["has_more"]
    assert sim.ai("GET", "/vector_stores/" + vs)[1]["usage_bytes"] == len("some words") + len("more words")
    assert sim.ai("DELETE", f"/vector_stores/{vs}/files/{first}")[1]["deleted"]
    assert sim.ai("DELETE", f"/vector_stores/{vs}/files/{first}")[0] == 404
    assert sim.ai("GET", "/files/" + first)[0] == 200


def test_a_file_attached_twice_is_there_once(sim):
    vs, file = store(sim)["id"], stored(sim)
    for _ in range(2):
        assert sim.ai("POST", f"/vector_stores/{vs}/files", {"file_id": file})[0] == 200
    assert sim.ai("GET", "/vector_stores/" + vs)[1]["file_counts"]["total"] == 1


def test_a_file_that_cannot_be_read_has_failed_and_one_may_take_its_time(sim):
    vs, bad, slow = store(sim)["id"], stored(sim, "[[unreadable]]"), stored(sim, "[[reading=600000]]")
    for file in (bad, slow):
        sim.ai("POST", f"/vector_stores/{vs}/files", {"file_id": file})
    assert until_read(sim, vs, bad) == "failed"
    assert sim.ai("GET", f"/vector_stores/{vs}/files/{bad}")[1]["last_error"]["code"] == "invalid_file"
    assert status_of(sim, vs, slow) == "in_progress"
    whole = sim.ai("GET", "/vector_stores/" + vs)[1]
    assert whole["status"] == "in_progress"
    assert whole["file_counts"] == {"in_progress": 1, "completed": 0, "failed": 1, "cancelled": 0, "total": 2}


def test_a_deleted_file_is_in_no_store_and_a_deleted_store_is_gone(sim):
    vs, file = store(sim)["id"], stored(sim)
    sim.ai("POST", f"/vector_stores/{vs}/files", {"file_id": file})
    sim.ai("DELETE", "/files/" + file)
    assert sim.ai("GET", f"/vector_stores/{vs}/files")[1]["data"] == []
    assert sim.ai("POST", f"/vector_stores/{vs}/files", {"file_id": file})[0] == 404
    assert sim.ai("DELETE", "/vector_stores/" + vs)[1] == {"id": vs, "object": "vector_store.deleted", "deleted": True}
    for verb, path in (("GET", ""), ("DELETE", ""), ("GET", "/files"), ("GET", "/files/" + file)):
        assert sim.ai(verb, f"/vector_stores/{vs}{path}")[0] == 404


def test_a_store_refuses_when_a_fault_says_so(sim):
    vs = store(sim)["id"]
    sim.fault("openai", "status", {"method": "GET", "path": "/v1/vector_stores/*"}, status=503)
    assert sim.ai("GET", "/vector_stores/" + vs)[0] == 503
    assert sim.ai("GET", "/vector_stores/" + vs)[0] == 200


def test_a_containers_file_has_its_content_there_only(sim):
    box, other = (sim.ai("POST", "/containers", {"name": n})[1]["id"] for n in "ab")
    status, file = upload(sim, f"/containers/{box}/files", "report.csv", "a,b\n1,2")
    assert status == 200 and file["path"] == "/mnt/data/report.csv" and file["container_id"] == box
    assert sim.ai("GET", f"/containers/{box}/files/{file['id']}/content") == (200, b"a,b\n1,2")
    assert sim.ai("GET", f"/containers/{other}/files/{file['id']}/content")[0] == 404
    assert sim.ai("GET", f"/files/{file['id']}/content")[0] == 404
    assert upload(sim, "/containers/cntr_none/files", "x", "y")[0] == 404
