"""Runs the Kafka clients of Python against a node: kafka_clients.py HOST PGPORT KAFKAPORT. One line per client; exits 1 if one fails."""
import importlib, json, os, subprocess, sys, traceback

HOST, PG, KAFKA = sys.argv[1:]
AT = f"{HOST}:{KAFKA}"


def sql(q):
    return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", PG, "-U", "weir", "weir"], input=q,
                          check=True, capture_output=True, text=True, timeout=30).stdout.split()


def made(name):
    """A stream and what a query makes of it."""
    sql(f"drop stream if exists {name}_big cascade; drop stream if exists {name};")
    sql(f"create stream {name} (id int key, v text, h bytea header('h')) with (partitions = 2);"
        f"create stream {name}_big as select id, v from {name} where id >= 5;")


RECORDS = [(i.to_bytes(4, "big"), json.dumps({"v": f"v{i}"}).encode(), [("h", b"x")]) for i in range(10)]


def verify(name, got):
    """What SQL sees of RECORDS, and what the client read of the query's topic."""
    assert sql(f"select count(*), min(v), max(convert_from(h, 'UTF8')) from {name};") == ["10|v0|x"], sql(f"select * from {name};")
    assert sorted((int.from_bytes(k, "big"), json.loads(v)["v"]) for k, v in got) == [(i, f"v{i}") for i in range(5, 10)], got


def kafka():
    import kafka as k
    made("kafkapython")
    p = k.KafkaProducer(bootstrap_servers=AT, acks="all")
    for key, value, headers in RECORDS:
        p.send("kafkapython", key=key, value=value, headers=headers).get(10)
    p.close()
    c = k.KafkaConsumer("kafkapython_big", bootstrap_servers=AT, group_id=f"kp{os.getpid()}", auto_offset_reset="earliest", consumer_timeout_ms=20000)
    got = []
    for r in c:
        got.append((r.key, r.value))
        if len(got) == 5:
            break
    c.commit()
    c.close()
    verify("kafkapython", got)
    a = k.KafkaAdminClient(bootstrap_servers=AT)
    assert "kafkapython" in a.list_topics()
    a.close()


def confluent_kafka():
    import confluent_kafka as k
    made("librdkafka")
    failures = []
    p = k.Producer({"bootstrap.servers": AT, "enable.idempotence": True, "compression.type": "lz4"})
    for key, value, headers in RECORDS:
        p.produce("librdkafka", key=key, value=value, headers=headers, on_delivery=lambda e, m: e and failures.append(e))
    assert p.flush(20) == 0 and not failures, failures
    c = k.Consumer({"bootstrap.servers": AT, "group.id": f"rd{os.getpid()}", "auto.offset.reset": "earliest"})
    c.subscribe(["librdkafka_big"])
    got = []
    while len(got) < 5:
        m = c.poll(20)
        assert m is not None and not m.error(), m and m.error()
        got.append((m.key(), m.value()))
    c.commit(asynchronous=False)
    c.close()
    verify("librdkafka", got)


failed = False
for run in (kafka, confluent_kafka):
    try:
        importlib.import_module(run.__name__)
    except ImportError:
        print(f"{run.__name__:<16} skipped: not installed")
        continue
    try:
        run()
        print(f"{run.__name__:<16} ok", flush=True)
    except Exception:
        failed = True
        print(f"{run.__name__:<16} FAILED", flush=True)
        traceback.print_exc()
sys.exit(failed)
