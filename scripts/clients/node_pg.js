// node_pg.js HOST PORT: what node-postgres does against a node.
const { Client, types } = require('pg')
const assert = require('assert')
const [host, port] = process.argv.slice(2)
async function main() {
  const c = new Client({ host, port: +port, user: 'weir', database: 'weir' })
  await c.connect()
  await c.query('DROP TABLE IF EXISTS nodepg_table')
  await c.query('DROP STREAM IF EXISTS nodepg_stream')
  await c.query(`CREATE TABLE nodepg_table (id int PRIMARY KEY, a boolean, b bigint, c double precision, d decimal(10, 2), e text,
    f bytea, g date, h time, i timestamp, j timestamptz, k jsonb, l uuid, m int[], n text[])`)
  await c.query('CREATE STREAM nodepg_stream (id int KEY, v text)')
  const at = new Date('2024-02-29T01:02:03.456Z')
  const id = '00000000-0000-0000-0000-000000000007'
  const row = [1, true, '1099511627776', 2.5, '123.45', "naïve 'x'", Buffer.from([0, 255]), '2024-02-29', '01:02:03',
    '2024-02-29 01:02:03', at, { a: [1, null] }, id, [1, 2], ['a', 'b,c']]
  const marks = row.map((_, i) => '$' + (i + 1)).join(', ')
  await c.query(`INSERT INTO nodepg_table VALUES (${marks})`, row)
  await c.query(`INSERT INTO nodepg_table VALUES (${marks})`, [2, ...row.slice(1).map(() => null)])
  const text = t => v => v
  const getTypeParser = (oid, format) => [1082, 1114].includes(oid) ? text(oid) : types.getTypeParser(oid, format)
  const got = (await c.query({ text: 'SELECT * FROM nodepg_table ORDER BY id', rowMode: 'array', types: { getTypeParser } })).rows
  assert.deepStrictEqual(got[0], row)
  assert(got[1].slice(1).every(v => v === null))
  await assert.rejects(c.query('SELECT * FROM nope'), { code: '42P01' })
  await assert.rejects(c.query('SELECT nope FROM nodepg_table WHERE id = $1', [1]), { code: '42703' })
  await c.query('BEGIN')
  await c.query('INSERT INTO nodepg_table (id) VALUES ($1)', [3])
  await c.query('ROLLBACK')
  assert.equal((await c.query('SELECT count(*) AS n FROM nodepg_table')).rows[0].n, '2')
  for (let i = 0; i < 4; i++) await c.query({ name: 'put', text: 'INSERT INTO nodepg_stream VALUES ($1, $2)', values: [i, 'v' + i] })
  await c.query("SET auto.offset.reset = 'earliest'")
  assert.equal((await c.query('SELECT id FROM nodepg_stream EMIT CHANGES LIMIT 3')).rows.length, 3)
  await c.end()
}
main().then(() => console.log('node-postgres    ok'), e => { console.log('node-postgres    FAILED'); console.error(e); process.exit(1) })
