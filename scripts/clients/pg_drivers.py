"""Runs the Postgres drivers of Python against a node: pg_drivers.py HOST PORT. One line per driver; exits 1 if one fails."""
import asyncio, datetime as dt, decimal, importlib, json, sys, traceback, uuid

HOST, PORT = sys.argv[1], int(sys.argv[2])
UTC = dt.timezone.utc
TYPES = ["boolean", "int", "bigint", "double precision", "decimal(12, 3)", "text", "bytea", "date", "time", "timestamp",
         "timestamptz", "jsonb", "uuid", "int[]", "text[]"]
ROW = (1, True, -7, 1 << 40, 2.5, decimal.Decimal("123.456"), "naïve 'x'", b"\x00\xff", dt.date(2024, 2, 29), dt.time(1, 2, 3),
       dt.datetime(2024, 2, 29, 1, 2, 3, 456000), dt.datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC),
       {"a": [1, None]}, uuid.UUID(int=7), [1, 2], ["a", "b,c"])
COLUMNS = "id int primary key, " + ", ".join(f"c{i} {t}" for i, t in enumerate(TYPES))
NULLS = (2,) + (None,) * len(TYPES)


def check(got, want):
    assert len(got) == len(want), (got, want)
    for g, w in zip(got, want):
        if isinstance(g, memoryview):
            g = bytes(g)
        if isinstance(w, dict) and isinstance(g, str):
            g = json.loads(g)
        if isinstance(w, uuid.UUID):
            g = uuid.UUID(str(g))
        assert g == w and (g is None) == (w is None), f"got {g!r}, want {w!r}"


def dbapi(connect, json_param, name, **cursor):
    """What a DB-API driver does: all types, NULLs, errors, rollback, batches and a push query of three rows."""
    c = connect()
    cur = c.cursor(**cursor)
    for kind in ("stream", "table"):
        cur.execute(f"drop {kind} if exists {name}_{kind}")
    cur.execute(f"create table {name}_table ({COLUMNS})")
    cur.execute(f"create stream {name}_stream (id int key, v text)")
    c.commit()
    marks = ", ".join(["%s"] * len(ROW))
    for row in (ROW, NULLS):
        cur.execute(f"insert into {name}_table values ({marks})", [json_param(v) if isinstance(v, dict) else v for v in row])
    c.commit()
    cur.execute(f"select * from {name}_table order by id")
    rows = cur.fetchall()
    check(rows[0], ROW)
    check(rows[1], NULLS)
    c.commit()
    for sql, state in ((f"select nope from {name}_table", "42703"), ("select * from nope", "42P01"), ("selec", "42601"), ("select 1/0", "22012")):
        try:
            cur.execute(sql)
            raise AssertionError(sql + " did not fail")
        except AssertionError:
            raise
        except Exception as e:
            got = getattr(e, "pgcode", None) or getattr(e, "sqlstate", None)
            assert got == state, (sql, got, str(e))
            c.rollback()
    cur.execute(f"insert into {name}_table (id, c5) values (%s, %s)", (3, "gone"))
    c.rollback()
    cur.execute(f"select count(*) from {name}_table")
    assert cur.fetchone()[0] == 2, "a rolled back insert is there"
    cur.executemany(f"insert into {name}_stream values (%s, %s)", [(i, f"v{i}") for i in range(5)])
    c.commit()
    cur.execute("set auto.offset.reset = 'earliest'")
    cur.execute(f"select id, v from {name}_stream emit changes limit 3")
    assert len(cur.fetchall()) == 3
    c.commit()
    c.close()


def psycopg2():
    import psycopg2 as d, psycopg2.extras as x
    x.register_uuid()
    connect = lambda: d.connect(host=HOST, port=PORT, user="weir", dbname="weir")
    dbapi(connect, x.Json, "psycopg2")
    c = connect()
    c.cursor().execute("set auto.offset.reset = 'earliest'")
    cur = c.cursor(name="push")  # DECLARE and FETCH
    cur.itersize = 1
    cur.execute("select id from psycopg2_stream emit changes")
    assert len([cur.fetchone() for _ in range(3)]) == 3
    cur.close()
    c.rollback()
    x.execute_values(c.cursor(), "insert into psycopg2_stream values %s", [(i, "x") for i in range(10, 20)])
    c.commit()


def psycopg():
    import psycopg as d
    from psycopg.types.json import Jsonb
    connect = lambda: d.connect(host=HOST, port=PORT, user="weir", dbname="weir")
    dbapi(connect, Jsonb, "psycopg")
    dbapi(connect, Jsonb, "psycopg", binary=True)
    with connect() as c:
        with c.pipeline():
            curs = [c.execute("select %s::int + 1", (i,)) for i in range(20)]
        assert [k.fetchone()[0] for k in curs] == list(range(1, 21))
        with c.cursor().copy("copy psycopg_stream from stdin") as copy:
            for i in range(100, 110):
                copy.write_row((i, None if i % 2 else "copied"))
        c.commit()
        with c.cursor().copy("copy (select id from psycopg_stream) to stdout") as copy:
            assert len(list(copy.rows())) == 15
        c.execute("set auto.offset.reset = 'earliest'")
        with c.cursor("push") as cur:
            cur.itersize = 1
            cur.execute("select id from psycopg_stream emit changes")
            assert len([cur.fetchone() for _ in range(3)]) == 3
        n = 0
        for _ in c.cursor().stream("select id from psycopg_stream emit changes limit 3"):
            n += 1
        assert n == 3


def asyncpg():
    import asyncpg as d

    async def run():
        c = await d.connect(host=HOST, port=PORT, user="weir", database="weir")
        await c.execute("drop table if exists asyncpg_table; drop stream if exists asyncpg_stream")
        await c.execute(f"create table asyncpg_table ({COLUMNS})")
        await c.execute("create stream asyncpg_stream (id int key, v text)")
        plain = len(ROW) - 2  # without the arrays, see below
        marks = ", ".join(f"${i+1}" for i in range(plain))
        for row in (ROW[:plain], NULLS[:plain]):
            await c.execute(f"insert into asyncpg_table values ({marks})", *[json.dumps(v) if isinstance(v, dict) else v for v in row])
        rows = await c.fetch("select id, " + ", ".join(f"c{i}" for i in range(plain - 1)) + " from asyncpg_table order by id")
        check(rows[0], ROW[:plain])
        check(rows[1], NULLS[:plain])
        try:  # asyncpg looks the types of arrays up by WITH RECURSIVE
            await c.fetchval("select $1::int[]", [1])
            raise AssertionError("arrays work: test them with the others")
        except d.FeatureNotSupportedError:
            global note
            note = ", but no arrays (they need WITH RECURSIVE)"
        assert await c.fetchval("select $1::interval", dt.timedelta(days=1, seconds=5)) == dt.timedelta(days=1, seconds=5)
        try:
            await c.fetch("select * from nope")
            raise AssertionError("no error")
        except d.UndefinedTableError as e:
            assert e.sqlstate == "42P01"
        try:
            async with c.transaction():
                await c.execute("insert into asyncpg_table (id) values (3)")
                raise KeyError
        except KeyError:
            assert await c.fetchval("select count(*) from asyncpg_table") == 2
        await c.executemany("insert into asyncpg_stream values ($1, $2)", [(i, None) for i in range(5)])
        await c.copy_records_to_table("asyncpg_stream", records=[(i, "c") for i in range(5, 10)], columns=["id", "v"])
        assert await c.fetchval("select count(*) from asyncpg_stream") == 10
        await c.execute("set auto.offset.reset = 'earliest'")
        async with c.transaction():
            cur = await c.cursor("select id from asyncpg_stream emit changes")
            assert len([await cur.fetchrow() for _ in range(3)]) == 3
        await c.close()

    asyncio.run(run())


def sqlalchemy():
    import sqlalchemy as s
    for driver in ("psycopg2", "psycopg"):
        # With psycopg 3 a look for hstore, at connect, needs SAVEPOINT.
        e = s.create_engine(f"postgresql+{driver}://weir@{HOST}:{PORT}/weir", use_native_hstore=driver == "psycopg2")
        with e.begin() as c:
            c.execute(s.text("drop table if exists alchemy"))
        m = s.MetaData()
        t = s.Table("alchemy", m, s.Column("id", s.Integer, primary_key=True, autoincrement=False), s.Column("name", s.Text), s.Column("n", s.Numeric(10, 2)))
        m.create_all(e)
        with e.begin() as c:
            c.execute(t.insert(), [{"id": 1, "name": "a", "n": decimal.Decimal("1.50")}, {"id": 2, "name": None, "n": None}])
        r = s.Table("alchemy", s.MetaData(), autoload_with=e)
        assert [k.name for k in r.primary_key] == ["id"], r.primary_key
        assert isinstance(r.c.n.type, s.Numeric) and isinstance(r.c.name.type, s.Text), [k.type for k in r.c]
        assert "alchemy" in s.inspect(e).get_table_names()
        with e.begin() as c:
            assert c.execute(s.select(r).order_by(r.c.id)).fetchall() == [(1, "a", decimal.Decimal("1.50")), (2, None, None)]
            c.execute(s.update(r).where(r.c.id == 2).values(name="b"))
        with e.begin() as c:  # a transaction does not see its own writes
            assert c.execute(s.select(s.func.count()).where(r.c.name == "b")).scalar() == 1


failed = False
note = ""
for run in (psycopg2, psycopg, asyncpg, sqlalchemy):
    try:
        importlib.import_module(run.__name__)
    except ImportError:
        print(f"{run.__name__:<16} skipped: not installed")
        continue
    note = ""
    try:
        run()
        print(f"{run.__name__:<16} ok{note}", flush=True)
    except Exception:
        failed = True
        print(f"{run.__name__:<16} FAILED", flush=True)
        traceback.print_exc()
sys.exit(failed)
